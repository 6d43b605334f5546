"""
Redacts and compresses the captured bodies of an exchange and writes them to the journal.

Streams are reassembled before redaction, because a secret that is split across two deltas
would match no pattern; JSON is decoded first, because an escape could hide one. The work
takes time in proportion to the text, so threads do it. The exchange waits for small bodies,
which take milliseconds, so that they are usually written before the client has its answer.
"""

from __future__ import annotations

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec

from proxy.errors import UpstreamBrokeOff
from proxy.headers import Headers
from proxy.late_log import log
from proxy.rollout.rule_schema import Capture
from proxy.security.redaction import Digester, Hide, describe_crash
from proxy.traffic.body_capture import BodyCapture, CapturedBody
from proxy.traffic.content import SHADOW_PARTS, Body, Content, compress
from proxy.traffic.journal.writer import JournalWriter
from proxy.upstream.decompression import decompressed, is_compressed
from translators import (
    UNREADABLE,
    Dialect,
    Plan,
    completed,
    encode_in_steps,
    is_event_stream,
    read_json,
    reassemble_completion,
    reassemble_message,
    write_json,
)

_MAX_SMALL_BYTES: Final = 64 * 1024
"""Limit on bodies that an exchange waits for: about 20 ms of work."""
_MAX_WAIT_SECONDS: Final = 0.25
"""Limit on that wait, which is long only if other bodies are ahead in the queue."""
_MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
_MAX_NAMED_LENGTH: Final = 256
"""Limit on values that are tested as `name: "value"`; longer ones are no passwords."""
_MAX_DECOMPRESSED_BYTES: Final = 64 * 1024 * 1024
_MAX_NON_TEXT_BYTES: Final = 1024 * 1024
"""Limit on JSON outside of long texts; larger bodies are redacted as plain text."""
_ESCAPED: Final = re.compile(r"\\\\|\\u([0-9a-fA-F]{4})")
"""Matches an escaped backslash, or the escape of a character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeBodies:
    """The captured bodies of one exchange, with what is needed to redact them."""

    id: str
    received: str
    capture: BodyCapture
    plan: Plan | None
    """The translated request; None if nothing was translated."""
    dialect: Dialect | None
    reply_headers: Headers
    """Headers of a forwarded response, whose body may be compressed."""
    hide: Hide


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowAnswer:
    """The answer of a shadow or control, with what is needed to redact it."""

    id: str
    """Id of the exchange."""
    received: str
    leg: str
    level: Capture
    """Capture level of the exchange; not `off`."""
    text: str = field(repr=False)
    stop_reason: str | None
    hide: Hide


class BodyRecorder:
    """
    Writes bodies to the journal in two threads.

    One is for small ones, for which exchanges wait, and one for all others.
    """

    def __init__(self, journal_writer: JournalWriter, digester: Digester) -> None:
        self._journal_writer = journal_writer
        self._digester = digester
        self._small = ThreadPoolExecutor(1, thread_name_prefix="contents")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-contents")
        self._waiting_bytes = 0

    async def write(self, bodies: ExchangeBodies) -> None:
        """Write the bodies of an exchange; small ones are usually written when this returns."""
        size = bodies.capture.size
        if bodies.capture.is_too_large:
            self._journal_writer.give_up_content(size)
            return
        is_small = size <= _MAX_SMALL_BYTES
        thread = self._small if is_small else self._large
        content = partial(content_of, bodies, self._digester)
        writing = self._begin(thread, bodies.id, size, content)
        if is_small and writing is not None:
            await asyncio.wait({asyncio.wrap_future(writing)}, timeout=_MAX_WAIT_SECONDS)

    def write_later(self, answer: ShadowAnswer) -> None:
        """Write the answer of a shadow, where no exchange waits behind it."""
        content = partial(content_of_shadow, answer, self._digester)
        self._begin(self._large, answer.id, len(answer.text), content)

    def close(self) -> None:
        """Write all waiting bodies, then end the threads."""
        self._small.shutdown(wait=True)
        self._large.shutdown(wait=True)

    def _begin(
        self, thread: ThreadPoolExecutor, name: str, size: int, content: Callable[[], Content]
    ) -> Future[None] | None:
        """Let a thread write contents; return None if too much is waiting."""
        if self._waiting_bytes + size > _MAX_WAITING_BYTES:
            self._journal_writer.give_up_content(size)
            return None
        self._waiting_bytes += size
        writing = thread.submit(self._write, name, size, content)
        writing.add_done_callback(partial(self._written, asyncio.get_running_loop(), size))
        return writing

    def _write(self, name: str, size: int, content: Callable[[], Content]) -> None:
        try:
            self._journal_writer.add_content(content())
        except Exception as exc:  # noqa: BLE001 - a bug in the redaction must not fail the exchange
            log.error("capture_crashed", id=name, **describe_crash(exc))
            self._journal_writer.give_up_content(size)

    def _written(self, loop: asyncio.AbstractEventLoop, size: int, _: Future[None]) -> None:
        with suppress(RuntimeError):  # the loop has ended, so the count no longer matters
            loop.call_soon_threadsafe(self._forget, size)

    def _forget(self, size: int) -> None:
        self._waiting_bytes -= size


def content_of(bodies: ExchangeBodies, digester: Digester) -> Content:
    """Return the redacted and compressed bodies of one exchange."""
    found: list[Body] = []
    capture = bodies.capture
    sent = b"".join(completed(encode_in_steps(bodies.plan.request))) if bodies.plan else None
    for part, raw in (("legacy_in", capture.legacy_in), ("messages_out", sent)):
        if raw is not None:
            text = _redacted(raw, bodies.hide) if capture.level == "full" else None
            captured = CapturedBody("nothing")
            captured.take(0, raw)
            found.append(_body(part, captured, digester, text))
    for part, captured in (
        ("messages_back", capture.messages_back),
        ("legacy_back", capture.legacy_back),
    ):
        if captured.size:
            text, timing = _answer(part, captured, bodies) if captured.chunks else (None, None)
            found.append(_body(part, captured, digester, text, timing))
    return Content(id=bodies.id, received=bodies.received, bodies=tuple(found))


def content_of_shadow(answer: ShadowAnswer, digester: Digester) -> Content:
    """Return the redacted and compressed answer of a shadow, as the completion that it is."""
    completion = {"completion": answer.text, "stop_reason": answer.stop_reason}
    captured = CapturedBody("nothing")
    captured.take(0, _json_text(completion).encode())
    is_full = answer.level == "full"
    text = _json_text(_walk(completion, answer.hide)) if is_full else None
    body = _body(SHADOW_PARTS[answer.leg], captured, digester, text)
    return Content(id=answer.id, received=answer.received, bodies=(body,))


def _body(
    part: str,
    captured: CapturedBody,
    digester: Digester,
    text: str | None,
    timing: bytes | None = None,
) -> Body:
    return Body(
        part=part,
        size=captured.size,
        digest=digester.body(captured.digest),
        data=None if text is None else compress(text.encode("utf-8", "replace")),
        timing=timing,
    )


def _answer(part: str, captured: CapturedBody, bodies: ExchangeBodies) -> tuple[str, bytes | None]:
    """Return an answer's redacted text, and the timing of its events if it was a stream."""
    chunks = captured.chunks
    raw = b"".join(chunk for _, chunk in chunks)
    if part == "legacy_back" and bodies.plan is None and is_compressed(bodies.reply_headers):
        try:
            raw = decompressed(raw, bodies.reply_headers, most=_MAX_DECOMPRESSED_BYTES)
        except UpstreamBrokeOff:
            return "(not kept: the compressed body could not be decompressed)", None
        chunks = [(chunks[0][0], raw)]
    if not is_event_stream(raw):
        return _redacted(raw, bodies.hide), None
    if part == "messages_back":
        read = reassemble_message(chunks)
    else:
        is_cumulative = bodies.dialect is None or bodies.dialect.is_cumulative
        read = reassemble_completion(chunks, is_cumulative=is_cumulative)
    text = _json_text(_walk(read.whole, bodies.hide))
    timing = read.timing
    if captured.arrivals:  # how much longer each chunk of a cumulative stream is than the last
        sizes = [0, *(size for _, size in captured.arrivals)]
        timing = tuple(
            (at_ms, "completion", max(size - before, 0))
            for before, (at_ms, size) in zip(sizes, captured.arrivals, strict=False)
        )
    return text, compress(msgspec.json.encode(timing))


def _redacted(raw: bytes, hide: Hide) -> str:
    """
    Redact the values of JSON.

    Other text (half of a JSON, say) is redacted without the escapes that could hide a secret in
    it. It is kept as it was said if there is none; halves of pairs and control characters stay
    escaped in any case.
    """
    raw = raw.removeprefix(BOM_UTF8)  # JSON behind one is read as JSON when it is asked, too
    try:
        value, _ = completed(
            read_json(raw, msgspec.json.decode, max_rest_bytes=_MAX_NON_TEXT_BYTES)
        )
        return _json_text(_walk(value, hide))
    except UNREADABLE:
        text = raw.decode("utf-8", "replace")
        plain = _ESCAPED.sub(_unescaped, text)
        hidden = hide(plain)
        return text if hidden == plain else hidden


def _unescaped(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    character = chr(int(found[1], 16))
    is_plain = character.isprintable() and character not in '"\\'
    return character if is_plain else found[0]


def _json_text(value: object) -> str:
    # In steps, because each step holds the GIL and so stops the event loop.
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
        case number:  # a phone or card number may be a JSON number
            hidden = _named(name, text := str(number), hide)
            return number if hidden == text else hidden


def _named(name: str, value: str, hide: Hide) -> str:
    """Redact a value; its name may be what shows that it is a password."""
    hidden = hide(value)
    if not name or hidden != value or len(value) > _MAX_NAMED_LENGTH:
        return hidden
    before, quoted = f'{hide(name)}: "', value.replace('"', "'")
    hidden = hide(f'{name}: "{quoted}"')
    if hidden == f'{before}{quoted}"':
        return value
    return hidden.removeprefix(before).removesuffix('"')
