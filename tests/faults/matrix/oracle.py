"""
What a client may be told: a whole legacy answer, or an error that nobody takes for one.

The bytes are read by h11, which is no part of what serves them.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass

import h11

from tests.harness import frames

_STOP_REASONS = {"stop_sequence", "max_tokens"}


class Ending(enum.Enum):
    """How an exchange ends for its client."""

    COMPLETE = "a whole answer"
    FAILED = "an error"
    GONE = "the client had left"


@dataclass(frozen=True)
class Told:
    """What one answer says."""

    ending: Ending
    status: int
    text: str = ""
    """Of a completion; of a stream that failed, as much as came before the error."""
    kind: str = ""
    message: str = ""


@dataclass(frozen=True)
class HttpAnswer:
    """One HTTP response, and what came after it."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    is_whole: bool
    rest: bytes


def told(data: bytes, *, is_stream: bool, is_old: bool) -> list[Told]:
    """Read the answers to requests of one kind; an answer that is badly formed is an error."""
    answers: list[Told] = []
    while data:
        answer = http_answer(data)
        answers.append(told_by(answer, is_stream=is_stream, is_old=is_old))
        data = answer.rest
    return answers


def http_answer(data: bytes) -> HttpAnswer:
    """Read the first answer of these bytes, as far as it is there; there must be a head."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    head, body, is_whole = None, b"", False
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            is_whole = True
            break
        elif event is h11.NEED_DATA:
            break
    assert head is not None, f"half a head: {data[:200]!r}"
    names = dict(head.headers)
    assert {b"content-length", b"transfer-encoding"} & set(names), f"no end is said: {names}"
    rest = connection.trailing_data[0] if is_whole else b""
    return HttpAnswer(head.status_code, names, body, is_whole, rest)


def told_by(answer: HttpAnswer, *, is_stream: bool, is_old: bool) -> Told:
    """Read what one answer says that has ended; one that is badly formed is an error."""
    kind = answer.headers[b"content-type"].partition(b";")[0]
    if answer.status != 200:
        assert answer.is_whole, f"half an error: {answer}"
        return _http_error(answer)
    if is_stream:
        assert kind == b"text/event-stream", kind
        return _stream(answer, is_old=is_old)
    assert answer.is_whole, f"half an answer: {answer}"
    assert kind == b"application/json", kind
    said = json.loads(answer.body)
    assert said["stop_reason"] in _STOP_REASONS, said
    return Told(Ending.COMPLETE, 200, said["completion"])


def fitting_record(answer: Told) -> tuple[str, int]:
    """Return the outcome and the status that the record of an answer has."""
    if answer.ending is Ending.COMPLETE:
        return "answered", answer.status
    is_client = answer.status in range(400, 500)
    return "client_error" if is_client else "upstream_error", answer.status


def _http_error(answer: HttpAnswer) -> Told:
    assert answer.headers[b"content-type"] == b"application/json"
    said = json.loads(answer.body)
    assert list(said) == ["type", "error", "request_id"], said
    assert said["type"] == "error"
    assert said["request_id"] == answer.headers[b"request-id"].decode()
    return _error(said, answer.status)


def _error(said: dict[str, dict[str, str]], status: int, text: str = "") -> Told:
    kind, message = said["error"]["type"], said["error"]["message"]
    assert kind, said
    assert message, said
    assert "<html" not in message, "the page of somebody's proxy"
    assert message != "Internal server error", "a bug of ours"
    return Told(Ending.FAILED, status, text, kind, message)


def _stream(answer: HttpAnswer, *, is_old: bool) -> Told:
    heard = frames(answer.body)
    names = [name for name, _ in heard]
    if is_old:
        assert set(names) <= {None, "error"}, names
    else:
        assert set(names) <= {"completion", "ping", "error"}, names
    said = [event for name, event in heard if name in {None, "completion"}]
    is_done = said[-1:] == ["[DONE]"]
    chunks = said[:-1] if is_done else said
    texts = [chunk["completion"] for chunk in chunks]
    text = (texts or [""])[-1] if is_old else "".join(texts)
    reasons = [chunk["stop_reason"] for chunk in chunks if chunk["stop_reason"]]
    if "error" in names:
        assert names.index("error") == len(names) - 1, f"after an error: {names}"
        assert not reasons, f"a stop reason and an error: {answer.body!r}"
        assert not is_done, f"[DONE] and an error: {answer.body!r}"
        assert answer.is_whole is not is_old, "the old dialect breaks off, the new one ends well"
        return _error(heard[-1][1], 200, text)
    assert answer.is_whole, f"half a stream without a word: {answer.body[-300:]!r}"
    assert is_done is is_old, f"[DONE] is wrong: {answer.body[-300:]!r}"
    assert reasons == [chunks[-1]["stop_reason"]], f"not complete: {answer.body[-300:]!r}"
    assert reasons[0] in _STOP_REASONS, reasons
    return Told(Ending.COMPLETE, 200, text)
