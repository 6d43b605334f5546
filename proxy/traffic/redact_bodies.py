"""
What was said in an exchange, made ready to be kept: read, redacted, compressed.

A stream becomes the whole answer it comes to, because what may not be kept is
hidden as well by being cut into deltas; for the same reason JSON is redacted
as what it says, not as it is spelled. All of it takes time in proportion to
the text, so it is done beside the event loop; before the client knows that
its exchange is over, if that is a matter of milliseconds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import structlog

from proxy.errors import UpstreamBrokeOff
from proxy.headers import Headers
from proxy.security.redaction import Digester, Hide, describe_crash
from proxy.traffic.body_capture import BodyCapture, CapturedBody, TimedChunks
from proxy.traffic.content import Body, Content, compress
from proxy.traffic.journal.writer import JournalWriter
from proxy.upstream.decompression import decompressed, is_compressed
from translators import (
    UNREADABLE,
    Dialect,
    Plan,
    Reassembled,
    completed,
    encode_in_steps,
    read_json,
    reassemble_completion,
    reassemble_message,
    write_json,
)

log = structlog.get_logger()

_AT_ONCE_BYTES: Final = 64 * 1024
"""About 20 ms of work, for which a client waits."""
_PATIENCE_SECONDS: Final = 0.25
"""Where many are ahead of it, it does not."""
_MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
_MAX_NAMED_LENGTH: Final = 256
"""Nothing longer is a secret only because of its name."""
_MAX_DECOMPRESSED_BYTES: Final = 64 * 1024 * 1024
_MAX_NON_TEXT_BYTES: Final = 1024 * 1024
"""Of JSON that is read as such; nobody writes more beside texts that are long."""
_OF_A_STREAM: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*+(?:event|data|id|retry)?:")
"""A field, or a comment; JSON begins otherwise."""
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeBodies:
    """One exchange, as far as what was said in it goes."""

    id: str
    received: str
    capture: BodyCapture
    plan: Plan | None
    """None where nothing was translated."""
    dialect: Dialect | None
    reply_headers: Headers
    """Of an answer that was passed on as it came; it may be compressed."""
    hide: Hide


class BodyRecorder:
    """Writes contents into the journal in threads: large ones must not hold up small ones."""

    def __init__(self, journal_writer: JournalWriter, digester: Digester) -> None:
        self._journal_writer = journal_writer
        self._digester = digester
        self._small = ThreadPoolExecutor(1, thread_name_prefix="contents")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-contents")
        self._waiting_bytes = 0

    async def write(self, spoken: ExchangeBodies) -> None:
        """Write down what was said; if it is little, it is most likely written on return."""
        size = spoken.capture.size
        if spoken.capture.is_over or self._waiting_bytes + size > _MAX_WAITING_BYTES:
            self._journal_writer.give_up_content(size)
            return
        self._waiting_bytes += size
        is_small = size <= _AT_ONCE_BYTES
        writing = (self._small if is_small else self._large).submit(self._write, spoken)
        writing.add_done_callback(partial(self._written, asyncio.get_running_loop(), size))
        if is_small:
            await asyncio.wait({asyncio.wrap_future(writing)}, timeout=_PATIENCE_SECONDS)

    def close(self) -> None:
        """Write what is still to be written."""
        self._small.shutdown(wait=True)
        self._large.shutdown(wait=True)

    def _write(self, spoken: ExchangeBodies) -> None:
        try:
            self._journal_writer.add_content(content_of(spoken, self._digester))
        except Exception as exc:  # noqa: BLE001 - a bug in here must not cost an answer
            log.error("capture_crashed", id=spoken.id, **describe_crash(exc))
            self._journal_writer.give_up_content(spoken.capture.size)

    def _written(self, loop: asyncio.AbstractEventLoop, size: int, _: Future[None]) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody counts any more
            loop.call_soon_threadsafe(self._forget, size)

    def _forget(self, size: int) -> None:
        self._waiting_bytes -= size


def content_of(spoken: ExchangeBodies, digester: Digester) -> Content:
    """The bodies of one exchange, as they are kept."""
    return Content(id=spoken.id, received=spoken.received, bodies=tuple(_bodies(spoken, digester)))


def _bodies(spoken: ExchangeBodies, digester: Digester) -> Iterator[Body]:
    capture = spoken.capture
    sent = b"".join(completed(encode_in_steps(spoken.plan.request))) if spoken.plan else None
    for part, raw in (("legacy_in", capture.legacy_in), ("messages_out", sent)):
        if raw is not None:
            text = _redacted(raw, spoken.hide) if capture.level == "full" else None
            heard = CapturedBody("nothing")
            heard.take(0, raw)
            yield _body(part, heard, digester, text)
    for part, heard in (
        ("messages_back", capture.messages_back),
        ("legacy_back", capture.legacy_back),
    ):
        if heard.size:
            text, timing = _answer(part, heard, spoken) if heard.pieces else (None, None)
            yield _body(part, heard, digester, text, timing)


def _body(
    part: str,
    heard: CapturedBody,
    digester: Digester,
    text: str | None,
    timing: bytes | None = None,
) -> Body:
    return Body(
        part=part,
        size=heard.size,
        digest=digester.body(heard.digest),
        data=None if text is None else compress(text.encode("utf-8", "replace")),
        timing=timing,
    )


def _answer(part: str, heard: CapturedBody, spoken: ExchangeBodies) -> tuple[str, bytes | None]:
    """An answer's text, and the timing of its events if it was a stream."""
    said = heard.pieces
    raw = b"".join(piece for _, piece in said)
    if part == "legacy_back" and spoken.plan is None and is_compressed(spoken.reply_headers):
        try:
            raw = decompressed(raw, spoken.reply_headers, most=_MAX_DECOMPRESSED_BYTES)
        except UpstreamBrokeOff:
            return "(not kept: the compressed body could not be decompressed)", None
        said = [(said[0][0], raw)]
    if not _OF_A_STREAM.match(raw):
        return _redacted(raw, spoken.hide), None
    read = _reassembled(part, said, spoken.dialect)
    text = _written(_walk(read.whole, spoken.hide))
    timing = list(_growth(heard)) if heard.moments else read.timing
    return text, compress(msgspec.json.encode(timing))


def _growth(heard: CapturedBody) -> Iterator[tuple[float, str, int]]:
    """Of a stream that repeats itself: by how much each piece is longer than the one before."""
    before = 0
    for moment, size in heard.moments:
        yield moment, "completion", max(size - before, 0)
        before = size


def _reassembled(part: str, said: TimedChunks, dialect: Dialect | None) -> Reassembled:
    if part == "messages_back":
        return reassemble_message(said)
    return reassemble_completion(said, is_cumulative=dialect is None or dialect.is_cumulative)


def _redacted(raw: bytes, hide: Hide) -> str:
    """JSON as what it says; anything else as text, with escapes read that may hide something."""
    try:
        value, _ = completed(
            read_json(raw, msgspec.json.decode, max_rest_bytes=_MAX_NON_TEXT_BYTES)
        )
        return _written(_walk(value, hide))
    except UNREADABLE:
        text = raw.decode("utf-8", "replace")
        return hide(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))


def _written(value: object) -> str:
    # In pieces, because while one is made the event loop has to wait for its thread's turn.
    return b"".join(completed(write_json(value))).decode()


def _walk(value: object, hide: Hide, name: str = "") -> object:
    match value:
        case str():
            return _named(name, value, hide)
        case dict():
            return {hide(str(name)): _walk(inner, hide, str(name)) for name, inner in value.items()}
        case list():
            return [_walk(inner, hide, name) for inner in value]
        case bool() | None:
            return value
        case number:  # a telephone or a card has one, too
            hidden = _named(name, text := str(number), hide)
            return number if hidden == text else hidden


def _named(name: str, value: str, hide: Hide) -> str:
    """A value as it may be kept: it may be its name that says that it is a password."""
    hidden = hide(value)
    if not name or hidden != value or len(value) > _MAX_NAMED_LENGTH:
        return hidden
    before, spelled = f'{hide(name)}: "', value.replace('"', "'")
    told = hide(f'{name}: "{spelled}"')
    return value if told == f'{before}{spelled}"' else told.removeprefix(before).removesuffix('"')
