"""
JSON with long texts in it, read in steps.

A decoder reads a document in one go, and holds up everybody for as long as one
of tens of megabytes takes it. What makes a request, an answer or an event long
is a text or two; so these are taken out and read piece by piece, and the
decoder gets what is left, with a reference where each of them was. What is
left has to be short: nobody writes more than that beside a prompt.

Lone surrogates become U+FFFD on the way (`surrogates`). Law: what comes out is
what comes out of a document that is decoded in one go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar, cast

import msgspec

from translators.steps import AT_ONCE, Steps, windows
from translators.wire.surrogates import replace_lone_surrogates

T = TypeVar("T")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `read_json` raises; the last for nesting that no API ever sends."""

_REFERENCE_LENGTH: Final = 256
"""Of no other text: one of as many characters is taken out."""
_REFERENCE: Final = f"%0{_REFERENCE_LENGTH}d"
_REFERENCE_BYTES: Final = len(f'"{_REFERENCE % 0}"')

_REFERRED: Final = re.compile(rb'(?<=")(\d{%d})(?=")' % _REFERENCE_LENGTH)
"""Within a text a quote is escaped."""

_UP_TO_A_LONG_TEXT: Final = re.compile(
    rb'(?s)[^"]*+(?:"(?:[^"\\]|\\.){0,%d}+"[^"]*+)*+' % (_REFERENCE_LENGTH - 1)
)
# A text is cut between characters, where no escape, nor a pair of them, reaches over: they are 12
# bytes long at most, and begin with a backslash.
_UNESCAPED: Final = re.compile(rb"(?s).*[^\\]{12}(?=[^\x80-\xbf])")
_LOOKED_AT: Final = 256
_ESCAPE_BYTES: Final = len(r"\ud83d")
_HIGH: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_BEYOND_THE_BASIC_PLANE: Final = re.compile("[\U00010000-\U0010ffff]")
_MAX_MEMORY: Final = 64 * 1024 * 1024
"""Of one text. A single character beyond the basic plane makes four bytes of each of the others,
and to move them takes time that nobody else has meanwhile."""
_TEXT: Final = msgspec.json.Decoder(str)
_TRUNCATED: Final = "Input data was truncated"
"""What the decoder says of half a document, if it has found nothing else."""
_OF_A_NUMBER: Final = b"+-.0123456789eE"
_PLACE: Final = re.compile(r"(?<=\(byte )\d+(?=\)\Z)")


class TooMuch(msgspec.DecodeError):
    """The document says more than can be read without holding up others."""


class _Shortened(NamedTuple):
    """A document without its long texts, and those by what stands in their place."""

    document: bytes
    texts: Mapping[str, str]
    gaps: tuple[tuple[int, int], ...]
    """Behind which of its bytes how many are missing."""
    lone_surrogates: int
    is_whole: bool
    """Whether that is all of it; else it is as much as may be left."""


class _Text(NamedTuple):
    said: str
    end: int
    """Where the quote is that ends it."""
    lone_surrogates: int


def read_json(
    document: bytes, decode: Callable[[bytes], T], *, most: int = AT_ONCE
) -> Steps[tuple[T, int]]:
    """
    What a document says to `decode`, and how many lone surrogates were replaced for that.

    Raises `UNREADABLE`. Long are the texts in structs, tuples, lists and
    mappings; what is left without them are so many bytes at most.
    """
    if len(document) <= AT_ONCE:
        return read_short_json(document, decode)
    short = yield from _shortened(document, most)
    try:
        value, lone_surrogates = read_short_json(short.document, decode)
    except msgspec.DecodeError as exc:
        if short.is_whole or str(exc) != _TRUNCATED:
            raise _moved(exc, lambda place: place + _missing_before(place, short.gaps)) from None
        raise _too_much(most) from None
    if not short.is_whole:
        raise _too_much(most)
    yield
    whole = _with_texts(value, lambda text: short.texts.get(text, text))
    return cast("T", whole), lone_surrogates + short.lone_surrogates


def _too_much(most: int) -> TooMuch:
    return TooMuch(
        f"beside texts of {_REFERENCE_LENGTH} characters and more there are over"
        f" {most} bytes; send fewer or shorter fields"
    )


def read_short_json(document: bytes, decode: Callable[[bytes], T]) -> tuple[T, int]:
    """What `read_json` has of a document, in one step."""
    try:
        return decode(document), 0
    except UNREADABLE:
        mended, lone_surrogates = replace_lone_surrogates(document)
        if not lone_surrogates:
            raise
    return decode(mended), lone_surrogates


def write_json(value: object) -> Steps[list[bytes]]:
    """The pieces of the document that says a value, as an encoder has it in one."""
    texts: list[str] = []

    def refer(text: str) -> str:
        if len(text) < _REFERENCE_LENGTH:
            return text
        texts.append(text)
        return _REFERENCE % (len(texts) - 1)

    short = msgspec.json.encode(_with_texts(value, refer))
    before, *rest = _REFERRED.split(short)
    pieces = [before]
    for reference, after in zip(rest[::2], rest[1::2], strict=True):
        yield from write_text(texts[int(reference)], pieces)
        pieces.append(after)
    return pieces


def write_text(text: str, pieces: list[bytes]) -> Steps[None]:
    """Add to the pieces of a document the inside of a text."""
    for start, end in windows(len(text)):
        pieces.append(msgspec.json.encode(text[start:end])[1:-1])
        yield


def _shortened(document: bytes, most: int) -> Steps[_Shortened]:
    kept: list[bytes] = []
    texts: dict[str, str] = {}
    gaps: list[tuple[int, int]] = []
    left, at, lone_surrogates = most, 0, 0
    while True:
        run = _UP_TO_A_LONG_TEXT.match(document, at, at + left + 1)
        assert run is not None, "it matches nothing, too"
        kept.append(run[0])
        left -= len(run[0])
        is_whole = run.end() == len(document) and left >= 0
        if is_whole or left < _REFERENCE_BYTES:
            break
        text = yield from _text(document, run.end() + 1)
        reference = _REFERENCE % len(texts)
        texts[reference] = text.said
        kept.append(b'"%b"' % reference.encode())
        left -= _REFERENCE_BYTES
        at = text.end + 1
        gaps.append((most - left, at - run.end() - _REFERENCE_BYTES))
        lone_surrogates += text.lone_surrogates
        yield
    short = b"".join(kept)
    if not is_whole:
        short = short.rstrip(_OF_A_NUMBER)  # half a number is not truncated, but malformed
    return _Shortened(short, texts, tuple(gaps), lone_surrogates, is_whole)


def _text(document: bytes, start: int) -> Steps[_Text]:
    """What a text says that begins there, behind its quote."""
    said: list[str] = []
    lone_surrogates = characters = 0
    width = 1
    while not document.startswith(b'"', start):
        piece = _piece(document, start)
        said.append(piece.said)
        start = piece.end
        lone_surrogates += piece.lone_surrogates
        characters += len(piece.said)
        width = max(width, _width(piece.said))
        if characters * width > _MAX_MEMORY:
            raise TooMuch(
                f"a text takes more than {_MAX_MEMORY} bytes of memory; send a shorter one"
            )
        yield
    return _Text("".join(said), start, lone_surrogates)


def _piece(document: bytes, start: int) -> _Text:
    """The beginning of the rest of a text."""
    piece = document[start : start + AT_ONCE]
    if not piece:
        raise msgspec.DecodeError(_TRUNCATED)
    if start + len(piece) < len(document):
        piece = piece[: _cut(piece)]
    try:
        return _Text(_TEXT.decode(b'"%b"' % piece), start + len(piece), 0)
    except UNREADABLE:
        # The end of the text is in there, or there is something wrong with it, or both.
        quote = _aligned(piece).replace(rb"\"", rb"\_").find(b'"')
        piece = piece if quote < 0 else piece[:quote]
    said, lone_surrogates = _mended(piece, start)
    return _Text(said, start + len(piece), lone_surrogates)


def _mended(piece: bytes, start: int) -> tuple[str, int]:
    try:
        return read_short_json(b'"%b"' % piece, _TEXT.decode)
    except msgspec.DecodeError as exc:
        raise _moved(exc, lambda place: start + place - 1) from None
    except UnicodeDecodeError as exc:
        raise msgspec.DecodeError("JSON is malformed: invalid UTF-8") from exc


def _width(text: str) -> int:
    """How many bytes of memory each character of a text takes at most."""
    if text.isascii():
        return 1
    return 2 if _BEYOND_THE_BASIC_PLANE.search(text) is None else 4


def _cut(piece: bytes) -> int:
    """How much of a piece of a text there is that nothing reaches out of."""
    end = piece[-_LOOKED_AT:]
    if (unescaped := _UNESCAPED.match(end)) is not None:
        return len(piece) - len(end) + unescaped.end()
    aligned = _aligned(piece)
    cut = aligned.rfind(b"\\")
    if _HIGH.fullmatch(aligned, cut - _ESCAPE_BYTES, cut):
        cut -= _ESCAPE_BYTES
    return cut or len(piece)  # where it cannot be cut there are no characters


def _aligned(piece: bytes) -> bytes:
    """A piece of a text, each of whose backslashes begins an escape."""
    return piece.replace(rb"\\", rb"\_")


def _moved(problem: msgspec.DecodeError, move: Callable[[int], int]) -> msgspec.DecodeError:
    """One that says where in the whole document it is."""
    text = _PLACE.sub(lambda place: str(move(int(place[0]))), str(problem))
    return type(problem)(text)


def _missing_before(place: int, gaps: tuple[tuple[int, int], ...]) -> int:
    return sum(missing for end, missing in gaps if end <= place)


def _with_texts(value: object, instead: Callable[[str], str]) -> object:
    """A value with other texts."""
    match value:
        case str():
            return instead(value)
        case msgspec.Struct():
            old = {name: getattr(value, name) for name in value.__struct_fields__}
            new = {name: _with_texts(one, instead) for name, one in old.items()}
            return value if new == old else msgspec.structs.replace(value, **new)
        case tuple():
            items = cast("tuple[object, ...]", value)
            return tuple([_with_texts(item, instead) for item in items])
        case list():
            return [_with_texts(item, instead) for item in cast("list[object]", value)]
        case dict():
            members = cast("dict[str, object]", value)
            return {instead(name): _with_texts(one, instead) for name, one in members.items()}
        case _:
            return value
