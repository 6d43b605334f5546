"""
What must be so for any bytes: each function checks it for some, and fails by `AssertionError`.

Only the errors that a part names may be raised by it, and they are caught here.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

from tests import client_bytes, response_bytes
from tests.work import counted, is_linear, work_of
from translators import (
    AdjustmentKind,
    FailureChunk,
    FrameEncoder,
    InvalidCompletionRequest,
    LastChunk,
    PingChunk,
    Plan,
    Policy,
    StreamTranslator,
    TextChunk,
    decode_completion_request,
    dialect_of,
    encode_request,
    plan_request,
)
from translators.prompt import parse_prompt, render_prompt
from translators.wire.sse import SSEDecoder

Check = Callable[[bytes], None]
_TODAY: Final = "2026-11-22"
_VERSIONS: Final = ("2023-01-01", "2023-06-01")
_REPEATED: Final = (8, 16, 32)
_ONE_IN: Final = 16
"""To count work takes so long that it is done for one input in so many."""
_MAX_PART: Final = 64
"""Most bytes that are repeated to see whether what they cost grows faster than their number."""


def check_prompt(data: bytes) -> None:
    """A prompt becomes a conversation that is written down as a prompt that means the same."""
    text = data.decode("utf-8", "ignore")
    _check_work(_parse_prompt, text)
    try:
        conversation = parse_prompt(text).conversation
    except InvalidCompletionRequest:
        return
    roles = [turn.role for turn in conversation.turns]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"], roles
    assert all(turn.text.strip() for turn in conversation.turns)
    if "\r" not in text:
        assert parse_prompt(render_prompt(conversation)).conversation == conversation


_POLICIES: Final = (
    Policy(),
    Policy(strictness="strict", refusal="error", leading_space="raw", beta_header="pass"),
    Policy(prefill="instruct", echoed_model="answered"),
    Policy(prefill="reject"),
)


def check_request(data: bytes) -> None:
    """The body of a request becomes a plan that can be sent, or an error that says why not."""
    _check_work(_decode_request, data)
    for policy in _POLICIES:
        for version in _VERSIONS:
            try:
                decoded = decode_completion_request(data)
                plan = plan_request(decoded, dialect_of(version), policy, today=_TODAY)
            except InvalidCompletionRequest:
                continue
            _check_plan(plan)


def _check_plan(plan: Plan) -> None:
    sent = json.loads(encode_request(plan.request))
    roles = [message["role"] for message in sent["messages"]]
    assert roles[0] == "user", roles
    assert all(one != other for one, other in pairwise(roles)), roles
    assert all(message["content"].strip() for message in sent["messages"]), sent
    assert sent["max_tokens"] >= 0, sent
    assert all(stop.strip() for stop in sent.get("stop_sequences", [])), sent
    assert set(plan.adjustment_names) <= {kind.value for kind in AdjustmentKind}


def _plan(**fields: object) -> Plan:
    asked = {"model": "claude-haiku-4-5", "prompt": "\n\nHuman: Hi\n\nAssistant:"}
    body = json.dumps(asked | {"max_tokens_to_sample": 9, "stream": True} | fields)
    decoded = decode_completion_request(body.encode())
    return plan_request(decoded, dialect_of("2023-06-01"), Policy(), today=_TODAY)


_PLANS: Final = (
    _plan(),
    _plan(stop_sequences=["\n\n", "END"]),
    _plan(prompt="\n\nHuman: Hi\n\nAssistant: It is", model="claude-opus-4-6"),
    _plan(prompt="\n\nHuman: Hi\n\nAssistant: It is", stop_sequences=[" ", "is so"]),
)


def check_stream(data: bytes) -> None:
    """A stream is translated alike however it is cut, and ends in one answer or one error."""
    choice, cuts, stream = data[:1], data[1:4], data[4:]
    pieces = _cut(stream, cuts)
    assert _events([stream]) == _events(pieces) == _events(_bytes_of(stream))
    plan = _PLANS[sum(choice) % len(_PLANS)]
    whole = _translated(plan, [stream])
    assert whole == _translated(plan, pieces) == _translated(plan, _bytes_of(stream))
    *before, last = whole
    assert isinstance(last, LastChunk | FailureChunk)
    assert all(isinstance(chunk, TextChunk | PingChunk) for chunk in before)
    for version in _VERSIONS:
        encoder = FrameEncoder(dialect_of(version), id="compl_1", model="claude-2.1")
        frames = b"".join(map(encoder.encode, whole))
        assert frames.isascii()
        assert frames.endswith(b"\r\n\r\n")
        for line in frames.split(b"\r\n"):
            if line.startswith(b"data: {"):
                json.loads(line.removeprefix(b"data: "))
    _check_work(_decode_sse, stream)


def _events(pieces: Sequence[bytes]) -> tuple[list[bytes], bool]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)], decoder.is_too_long


def _translated(plan: Plan, pieces: Sequence[bytes]) -> list[Any]:
    """The chunks of a stream, with texts that follow each other joined."""
    translator = StreamTranslator(plan)
    chunks = [chunk for piece in pieces for chunk in translator.feed(piece)]
    assert translator.has_ended or not any(
        isinstance(chunk, LastChunk | FailureChunk) for chunk in chunks
    )
    chunks += translator.close()
    assert translator.has_ended
    assert translator.feed(b"data: {}\n\n") == translator.close() == []
    joined: list[Any] = []
    for chunk in chunks:
        if isinstance(chunk, TextChunk) and joined and isinstance(joined[-1], TextChunk):
            joined[-1] = TextChunk(joined[-1].text + chunk.text)
        else:
            joined.append(chunk)
    return joined


def check_response(data: bytes) -> None:
    """An upstream's bytes are read alike however they are cut, and never as more than h11 reads."""
    cuts, said = data[:3], data[3:]
    response_bytes.check_reading(said, _cut(said, cuts))
    response_bytes.check_reading(said, _bytes_of(said))


def check_client(data: bytes) -> None:
    """A client's bytes are read alike however they are cut, and as h11 reads them, or refused."""
    cuts, said = data[:3], data[3:]
    client_bytes.check_reading(said, _cut(said, cuts))


def _cut(data: bytes, cuts: bytes) -> list[bytes]:
    """Cut at up to three places, each of which a byte names."""
    places = sorted({0, len(data), *(cut * (len(data) + 1) // 256 for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


def _bytes_of(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


def _check_work(run: Callable[[Any], object], part: str | bytes) -> None:
    """Check that something twice as often repeated is no more than twice the work."""
    part = part[:_MAX_PART]
    seen = part.encode() if isinstance(part, str) else part
    if zlib.crc32(seen) % _ONE_IN == 0:
        works = [work_of(_tried, run, part * times) for times in _REPEATED]
        assert is_linear(works), f"{part!r} costs {works}"


def _tried(run: Callable[[Any], object], given: str | bytes) -> None:
    with suppress(counted("translators.errors").TranslationError):
        run(given)


def _parse_prompt(text: str) -> object:
    return counted("translators.prompt").parse_prompt(text)


def _decode_request(body: bytes) -> object:
    return counted("translators.wire.completion_requests").decode_completion_request(body)


def _decode_sse(stream: bytes) -> object:
    decoder = counted("translators.wire.sse").SSEDecoder()
    return [decoder.feed(stream[at : at + 7]) for at in range(0, len(stream), 7)]


CHECKS: Final[Mapping[str, Check]] = {
    "prompt": check_prompt,
    "request": check_request,
    "stream": check_stream,
    "response": check_response,
    "client": check_client,
}
