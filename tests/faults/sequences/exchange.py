"""One exchange as the rules of the machine drive it: the request, the answer, and what is due."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final

from tests.faults.matrix.answers import CONTENTS, DELTAS, END, FRAMINGS, JSON, MESSAGE, START, delta
from tests.faults.matrix.case import COMPLETE, EITHER, Expected, complete, failed
from tests.faults.matrix.oracle import Ending, Told, fitting_record
from tests.harness import body
from tests.scripted_server import Peer

STOP: Final = "\n\n"
"""Upstream takes no stop sequence of white space, so that Holdover watches for it."""
_LEFT: Final = frozenset({"client_gone"})


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a client asks for, and what upstream would say if it were let."""

    is_stream: bool = True
    is_old: bool = False
    has_stop: bool = False
    has_system: bool = False
    has_prefill: bool = False
    is_bad: bool = False
    """Whether it has no prompt, so that upstream is not asked."""
    texts: tuple[str, ...]
    framing: str

    def request(self, id_: int) -> bytes:
        """The bytes of the request, after which the connection may be used again."""
        system = "Be brief." if self.has_system else ""
        prompt = f"{system}\n\nHuman: Hi\n\nAssistant:{' Once' * self.has_prefill}"
        stops = {"stop_sequences": [STOP]} if self.has_stop else {}
        asked = body(stream=self.is_stream, prompt=... if self.is_bad else prompt, **stops)
        content = json.dumps(asked).encode()
        head = (
            "POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
            f"anthropic-version: {'2023-01-01' if self.is_old else '2023-06-01'}\r\n"
            f"user-agent: exchange/{id_}\r\nx-exchange: {id_}\r\n"
            f"content-length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    def head_is_in(self, unsent: bytes, id_: int) -> bool:
        """Whether the head of the request was sent, if this of it was not."""
        request = self.request(id_)
        return b"\r\n\r\n" in request[: len(request) - len(unsent)]

    @cached_property
    def answer(self) -> Answer:
        """What upstream says, given the time."""
        kind, _ = CONTENTS[self.is_stream]
        if self.is_stream:
            deltas = [delta(text) for text in self.texts]
            content = (*START, DELTAS[1], *deltas, *END)
        else:
            block = {"type": "text", "text": "".join(self.texts)}
            said = json.dumps(MESSAGE | {"content": [block]}, ensure_ascii=False)
            content, deltas = (said.encode(),), []
        framed = FRAMINGS[self.framing](kind, content)
        return Answer(framed.data, framed.complete_at, _ends(framed.data, deltas), self.texts)

    def cut(self, text: str) -> str:
        """The text that the client gets of what upstream has said."""
        return text.partition(STOP)[0] if self.has_stop else text


@dataclass(frozen=True)
class Answer:
    """The bytes of an upstream's answer, and where in them its text is."""

    data: bytes
    complete_at: int
    ends: Sequence[int]
    """Offsets at which the events with text end; none if it is not a stream."""
    texts: tuple[str, ...]

    @property
    def head_length(self) -> int:
        """The length of the head."""
        return self.data.index(b"\r\n\r\n") + 4

    def text_until(self, offset: int) -> str:
        """The text of the events that are whole before an offset."""
        return "".join(
            text for text, end in zip(self.texts, self.ends, strict=False) if end <= offset
        )

    def boundary_after(self, offset: int) -> int | None:
        """The offset of the next event's end, if there is one with text."""
        return next((end for end in self.ends if end >= offset), None)


def _ends(data: bytes, events: Sequence[bytes]) -> list[int]:
    starts = accumulate(events, lambda at, one: data.index(one, at) + len(one), initial=0)
    return list(starts)[1:]


@dataclass(eq=False)
class Exchange:
    """The state of one exchange."""

    id_: int
    form: Form
    said: int = 0
    """How many bytes of its answer upstream has said."""
    peer: Peer | None = None
    """Upstream's end, once it has heard the request."""
    is_over: bool = False
    """Whether upstream has ended its answer, in whatever way."""
    is_second_try: bool = False
    is_let_go: bool = False
    """Whether the connection to upstream was closed before the answer was over."""
    expected: Expected = COMPLETE
    is_exact: bool = False
    """Whether an answer that fails has to bring all that upstream had said."""
    told: Told | None = None
    left_as: frozenset[str] | None = None
    """Outcomes that are right for a client that has left; None while it is there."""
    may_be_unseen: bool = False
    """Whether there may be no record of it, because its client has left so early."""

    @property
    def is_open(self) -> bool:
        """Whether upstream has something to say still."""
        return self.peer is not None and not (self.is_over or self.is_let_go)

    @property
    def said_text(self) -> str:
        """What the client should have got so far, if it is a stream."""
        return self.form.cut(self.form.answer.text_until(self.said))

    @property
    def has_met_stop(self) -> bool:
        """Whether the text so far has its stop sequence in it, so that no more is needed."""
        return self.form.has_stop and STOP in self.form.answer.text_until(self.said)

    @property
    def is_due(self) -> bool:
        """Whether the client must be told, or have been told, how it ended."""
        return self.form.is_bad or self.is_over or self.has_met_stop

    def say(self, offset: int) -> bytes:
        """Return the bytes up to an offset that have not been said; the whole is the end."""
        data = self.form.answer.data[self.said : offset]
        self.said = max(self.said, offset)
        if self.said >= len(self.form.answer.data):
            self.end(complete(self.form.cut("".join(self.form.texts))))
        return data

    def hear(self, peer: Peer) -> None:
        """
        Let upstream hear the request on this connection.

        It is sent once more if a connection that was kept has ended without a word of its answer.
        """
        if (before := self.peer) is not None:
            is_stale = self.is_over and self.said == 0 and before.heads > 1
            assert is_stale, f"asked again: {self}"
            assert not self.is_second_try, f"asked a third time: {self}"
            self.is_over, self.is_second_try = False, True
            self.expected, self.is_exact = COMPLETE, False
        self.peer = peer

    def break_off(self, *, is_reset: bool) -> None:
        """End the answer here; what was said last may be lost if the connection is reset."""
        whole = self.form.cut("".join(self.form.texts))
        if self.said >= self.form.answer.complete_at:
            self.end(Expected(endings=EITHER.endings, text=whole))
        elif is_reset:
            self.end(failed(text=whole))
        else:
            self.fail()

    def fail(self, kind: str | None = None) -> None:
        """End the answer here as an error that comes after the text so far."""
        self.end(failed(kind=kind, text=self.said_text))
        self.is_exact = self.form.is_stream

    def end(self, expected: Expected) -> None:
        """Note that upstream has ended, and what the client must be told if it is not yet."""
        self.is_over = True
        self.expected = expected

    def leave(self, *also: str) -> None:
        """Note that the client has left; `also` are outcomes that are as right as that."""
        refused = {"client_error"} if self.form.is_bad else set[str]()
        self.left_as = _LEFT | refused | set(also)

    def take(self, told: Told) -> None:
        """Check what the client was told, and keep it."""
        expected = complete(self.said_text) if self.has_met_stop else self.expected
        if self.form.is_bad:
            expected = failed(400, "invalid_request_error")
        assert expected.is_met_by(told), f"{told}, and not {expected}: {self}"
        if told.ending is Ending.FAILED and self.is_exact:
            assert told.text.removeprefix(" ") == expected.text, f"{told} lacks text: {self}"
        self.told = told

    def check_records(self, found: Sequence[tuple[str, int | None]], *, is_last: bool) -> None:
        """Check outcome and status of the records so far; `is_last`: there will be no more."""
        assert len(found) <= 1, f"{found} for {self}"
        outcomes = [outcome for outcome, _ in found]
        if self.told is not None:
            assert set(found) <= {fitting_record(self.told)}, f"{found} for {self}"
        elif self.left_as is not None:
            assert set(outcomes) <= self.left_as, f"{found} for {self}"
        else:
            assert not found, f"{found} for {self}, which is not over"
        assert found or not is_last or self.may_be_unseen, f"no record of {self}"


@dataclass(frozen=True)
class Refusal:
    """An error of upstream's, in place of an answer."""

    status: int
    kind: str

    @property
    def data(self) -> bytes:
        """Its bytes."""
        error = {"type": "error", "error": {"type": self.kind, "message": "no"}}
        said = FRAMINGS["with its length"](JSON, [json.dumps(error).encode()]).data
        return said.replace(b"200 OK", b"%d No" % self.status)

    @property
    def expected(self) -> Expected:
        """What the client must be told."""
        return failed(self.status, self.kind)


REFUSALS: Final = (
    Refusal(400, "invalid_request_error"),
    Refusal(404, "not_found_error"),
    Refusal(429, "rate_limit_error"),
    Refusal(500, "api_error"),
    Refusal(529, "overloaded_error"),
)
