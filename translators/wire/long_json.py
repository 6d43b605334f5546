"""
Decode and encode JSON documents with long texts in steps.

A JSON decoder processes a document in a single call, and blocks the event loop
for as long as tens of megabytes take. What makes a request, an answer or an
event long is a text or two. So long texts are cut out and decoded piece by
piece, and the decoder gets the rest of the document, in which a short reference
stands for each text. That rest must not be long itself.

Lone surrogates become U+FFFD on the way (`surrogates`). The result is the same
as that of decoding the document in a single call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

import msgspec

from translators.steps import STEP_SIZE, Steps, windows
from translators.wire.surrogates import replace_lone_surrogates

T = TypeVar("T")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions of `read_json`; RecursionError is for absurdly deep nesting."""

_REFERENCE_LENGTH: Final = 256
"""Texts of this length and more are cut out, so that no other text looks like a reference."""
_REFERENCE: Final = f"%0{_REFERENCE_LENGTH}d"
_REFERENCE_BYTES: Final = len(f'"{_REFERENCE % 0}"')

# Quotes inside texts are escaped, so that this finds no part of a text.
_QUOTED_REFERENCE: Final = re.compile(rb'(?<=")(\d{%d})(?=")' % _REFERENCE_LENGTH)
_TO_LONG_TEXT: Final = re.compile(
    rb'(?s)[^"]*+(?:"(?:[^"\\]|\\.){0,%d}+"[^"]*+)*+' % (_REFERENCE_LENGTH - 1)
)
# A text must not be cut inside a character, an escape or a pair of escapes. Escapes begin with a
# backslash, and a pair has at most 12 bytes.
_UNESCAPED: Final = re.compile(rb"(?s).*[^\\]{12}(?=[^\x80-\xbf])")
_TAIL_BYTES: Final = 256
_ESCAPE_BYTES: Final = len(r"\ud83d")
_HIGH_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_BEYOND_THE_BASIC_PLANE: Final = re.compile("[\U00010000-\U0010ffff]")
_MAX_MEMORY: Final = 64 * 1024 * 1024
"""
Limit on a decoded text, in bytes.

A single character beyond the basic plane makes Python store each character in
four bytes, and copying them blocks the event loop.
"""
_TEXT: Final = msgspec.json.Decoder(str)
_TRUNCATED: Final = "Input data was truncated"
"""The decoder's message for a document that is valid as far as it goes."""
_NUMBER_CHARACTERS: Final = b"+-.0123456789eE"
_POSITION: Final = re.compile(r"(?<=\(byte )\d+(?=\)\Z)")


class DocumentTooLarge(msgspec.DecodeError):
    """The document is too large to be decoded without blocking the event loop."""


class _Shortened(msgspec.Struct, frozen=True):
    """A document in which references stand for its long texts."""

    document: bytes
    texts: Mapping[str, str]
    """Reference -> text."""
    gaps: tuple[tuple[int, int], ...]
    """Position in the short document, and the number of bytes that were cut out before it."""
    lone_surrogates: int
    is_whole: bool
    """False if the document was cut off because the rest of it is too long."""


class _DecodedText(msgspec.Struct, frozen=True, gc=False):
    text: str
    end: int
    """Position after the encoded text: that of its closing quote."""
    lone_surrogates: int


def read_json(
    document: bytes, decode: Callable[[bytes], T], *, max_rest_bytes: int = STEP_SIZE
) -> Steps[tuple[T, int]]:
    """
    Decode a document; return its value and the number of lone surrogates replaced.

    `max_rest_bytes` is the limit on the document's bytes without its long texts. Those
    are found in structs, tuples, lists and mappings. Raises `UNREADABLE`.
    """
    if len(document) <= STEP_SIZE:
        return read_short_json(document, decode)
    short = yield from _cut_long_texts_out(document, max_rest_bytes)
    try:
        value, lone_surrogates = read_short_json(short.document, decode)
    except msgspec.DecodeError as exc:
        if short.is_whole or str(exc) != _TRUNCATED:
            raise _with_position(
                exc, lambda at: at + sum(missing for end, missing in short.gaps if end <= at)
            ) from None
        raise _too_much(max_rest_bytes) from None
    if not short.is_whole:
        raise _too_much(max_rest_bytes)
    yield
    whole = _replace_texts(value, lambda text: short.texts.get(text, text))
    return cast("T", whole), lone_surrogates + short.lone_surrogates


def _too_much(max_rest_bytes: int) -> DocumentTooLarge:
    return DocumentTooLarge(
        f"without texts of {_REFERENCE_LENGTH} characters and more it still has over"
        f" {max_rest_bytes} bytes; send fewer or shorter fields"
    )


def read_short_json(document: bytes, decode: Callable[[bytes], T]) -> tuple[T, int]:
    """Decode a short document in a single step, like `read_json`."""
    try:
        return decode(document), 0
    except UNREADABLE:
        mended, lone_surrogates = replace_lone_surrogates(document)
        if not lone_surrogates:
            raise
    return decode(mended), lone_surrogates


def write_json(value: object) -> Steps[list[bytes]]:
    """Encode a value in steps; return the pieces of the document, to be joined."""
    texts: list[str] = []

    def refer(text: str) -> str:
        if len(text) < _REFERENCE_LENGTH:
            return text
        texts.append(text)
        return _REFERENCE % (len(texts) - 1)

    short = msgspec.json.encode(_replace_texts(value, refer))
    before, *rest = _QUOTED_REFERENCE.split(short)
    pieces = [before]
    for reference, after in zip(rest[::2], rest[1::2], strict=True):
        yield from write_text(texts[int(reference)], pieces)
        pieces.append(after)
    return pieces


def write_text(text: str, pieces: list[bytes]) -> Steps[None]:
    """Append the JSON of a text, without quotes, to the pieces of a document."""
    for start, end in windows(len(text)):
        pieces.append(msgspec.json.encode(text[start:end])[1:-1])
        yield


def _cut_long_texts_out(document: bytes, max_rest_bytes: int) -> Steps[_Shortened]:
    kept: list[bytes] = []
    texts: dict[str, str] = {}
    gaps: list[tuple[int, int]] = []
    left, at, lone_surrogates = max_rest_bytes, 0, 0
    while True:
        run = _TO_LONG_TEXT.match(document, at, at + left + 1)
        assert run is not None, "the pattern matches the empty string"
        kept.append(run[0])
        left -= len(run[0])
        is_whole = run.end() == len(document) and left >= 0
        if is_whole or left < _REFERENCE_BYTES:
            break
        text = yield from _decode_text(document, run.end() + 1)
        reference = _REFERENCE % len(texts)
        texts[reference] = text.text
        kept.append(b'"%b"' % reference.encode())
        left -= _REFERENCE_BYTES
        at = text.end + 1
        gaps.append((max_rest_bytes - left, at - run.end() - _REFERENCE_BYTES))
        lone_surrogates += text.lone_surrogates
        yield
    short = b"".join(kept)
    if not is_whole:
        short = short.rstrip(_NUMBER_CHARACTERS)  # the decoder calls half a number malformed
    return _Shortened(short, texts, tuple(gaps), lone_surrogates, is_whole)


def _decode_text(document: bytes, start: int) -> Steps[_DecodedText]:
    """Decode the text that begins at `start`, after its opening quote."""
    texts: list[str] = []
    lone_surrogates = characters = 0
    width = 1
    while not document.startswith(b'"', start):
        piece = _decode_piece(document, start)
        texts.append(piece.text)
        start = piece.end
        lone_surrogates += piece.lone_surrogates
        characters += len(piece.text)
        if not piece.text.isascii():
            width = max(width, 2 if _BEYOND_THE_BASIC_PLANE.search(piece.text) is None else 4)
        if characters * width > _MAX_MEMORY:
            raise DocumentTooLarge(
                f"a text takes more than {_MAX_MEMORY} bytes of memory; send a shorter one"
            )
        yield
    return _DecodedText("".join(texts), start, lone_surrogates)


def _decode_piece(document: bytes, start: int) -> _DecodedText:
    """Decode at most STEP_SIZE bytes of a text, up to a place where it can be cut."""
    piece = document[start : start + STEP_SIZE]
    if not piece:
        raise msgspec.DecodeError(_TRUNCATED)
    if start + len(piece) < len(document):
        piece = piece[: _safe_length(piece)]
    try:
        return _DecodedText(_TEXT.decode(b'"%b"' % piece), start + len(piece), 0)
    except UNREADABLE:
        # The piece contains the end of the text, a lone surrogate or an error.
        quote = _without_escaped_backslashes(piece).replace(rb"\"", rb"\_").find(b'"')
        piece = piece if quote < 0 else piece[:quote]
    try:
        text, lone_surrogates = read_short_json(b'"%b"' % piece, _TEXT.decode)
    except msgspec.DecodeError as exc:
        raise _with_position(exc, lambda at: start + at - 1) from None
    except UnicodeDecodeError as exc:
        raise msgspec.DecodeError("JSON is malformed: invalid UTF-8") from exc
    return _DecodedText(text, start + len(piece), lone_surrogates)


def _safe_length(piece: bytes) -> int:
    """Return the length up to which a piece can be cut without cutting through an escape."""
    end = piece[-_TAIL_BYTES:]
    if (unescaped := _UNESCAPED.match(end)) is not None:
        return len(piece) - len(end) + unescaped.end()
    escapes = _without_escaped_backslashes(piece)
    cut = escapes.rfind(b"\\")
    if _HIGH_SURROGATE.fullmatch(escapes, cut - _ESCAPE_BYTES, cut):
        cut -= _ESCAPE_BYTES
    return cut or len(piece)  # a piece without a safe place is not valid JSON


def _without_escaped_backslashes(piece: bytes) -> bytes:
    r"""Replace each `\\` by two other bytes, so that every backslash left begins an escape."""
    return piece.replace(rb"\\", rb"\_")


def _with_position(
    error: msgspec.DecodeError, in_document: Callable[[int], int]
) -> msgspec.DecodeError:
    """Return an error like this one, with its position translated into the whole document's."""
    text = _POSITION.sub(lambda found: str(in_document(int(found[0]))), str(error))
    return type(error)(text)


def _replace_texts(value: object, replace: Callable[[str], str]) -> object:
    """Return a copy of a value in which `replace` was applied to every text and key."""
    match value:
        case str():
            return replace(value)
        case msgspec.Struct():
            old = {name: getattr(value, name) for name in value.__struct_fields__}
            new = {name: _replace_texts(one, replace) for name, one in old.items()}
            return value if new == old else msgspec.structs.replace(value, **new)
        case tuple():
            items = cast("tuple[object, ...]", value)
            return tuple([_replace_texts(item, replace) for item in items])
        case list():
            return [_replace_texts(item, replace) for item in cast("list[object]", value)]
        case dict():
            members = cast("dict[str, object]", value)
            return {replace(name): _replace_texts(one, replace) for name, one in members.items()}
        case _:
            return value
