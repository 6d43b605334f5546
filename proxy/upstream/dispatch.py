"""
The two ways to ask somebody: translated, the Messages API; as it came, a legacy upstream.

A leg that fails raises `AttemptFailed`, which says what the client would be told
and whether somebody else is worth asking. The first leg, a second try and a
shadow all ask here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Final, TypeAlias

from proxy.cooperative import CooperativeRunner
from proxy.errors import Blame, Failure, KeyRefused
from proxy.headers import Headers, forwarded_up, joined, passed_up, retry_after
from proxy.security.credentials import Credential
from proxy.security.keyring import Caller, Destination, refuses_key
from proxy.security.redaction import HiddenRepr
from proxy.upstream.client import MAX_ERROR_BYTES, UpstreamClient, UpstreamResponse
from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.upstream.transport import Timeouts
from translators import (
    UNKNOWN,
    UPSTREAM_VERSION,
    DecodedRequest,
    Dialect,
    InvalidCompletionRequest,
    Lessons,
    Plan,
    Policy,
    Steps,
    TranslatedError,
    completed,
    decode_in_steps,
    dialect_of,
    encode_in_steps,
    learn,
    plan_in_steps,
    translate_error,
)

USER_AGENT: Final = f"holdover/{version('holdover')}".encode()

_MAX_PLANS: Final = 5
"""One and a correction of each capability; each teaches something new or is the last."""
_PATH: Final = b"/v1/complete"


class LegacyRequest(HiddenRepr, frozen=True, kw_only=True):
    """One completion request, as it came and as far as it can be read."""

    caller: Caller
    headers: Headers
    query: bytes
    body: bytes
    decoded: DecodedRequest | None
    dialect: Dialect | None
    problem: InvalidCompletionRequest | None
    """Why it cannot be translated."""

    @classmethod
    def read(cls, caller: Caller, headers: Headers, query: bytes, body: bytes) -> LegacyRequest:
        """Read what can be read; whether the rest matters is decided later."""
        return completed(cls.read_in_steps(caller, headers, query, body))

    @classmethod
    def read_in_steps(
        cls, caller: Caller, headers: Headers, query: bytes, body: bytes
    ) -> Steps[LegacyRequest]:
        """Read what can be read, as `read` does, in steps."""
        decoded = dialect = problem = None
        try:
            decoded = yield from decode_in_steps(body)
        except InvalidCompletionRequest as exc:
            problem = exc
        try:
            dialect = dialect_of(joined(headers, b"anthropic-version"))
        except InvalidCompletionRequest as exc:
            problem = exc
        return cls(
            caller=caller,
            headers=headers,
            query=query,
            body=body,
            decoded=decoded,
            dialect=dialect,
            problem=problem,
        )


class AttemptFailed(Exception):
    """A leg came to no answer; the client has not been told yet."""

    def __init__(
        self,
        error: TranslatedError,
        blame: Blame,
        *,
        may_fall_back: bool,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.blame = blame
        self.worth_another = may_fall_back
        """Whether asking somebody else may help."""
        self.retry_after = retry_after
        """Seconds, if upstream says so."""

    @classmethod
    def of(cls, failure: Failure) -> AttemptFailed:
        """Upstream could not be asked, or did not answer."""
        error = TranslatedError(failure.status, failure.error_type, str(failure), None)
        return cls(error, failure.blame, may_fall_back=True)


def status_may_fall_back(status: int) -> bool:
    """Down, overloaded, without that model, or refusing what nothing could be learnt from."""
    return status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND} or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


KeyObserver: TypeAlias = Callable[[Destination, int], None]
"""Is told of every answer to a key of ours: who was asked, and the status."""


def _ignore(_: Destination, __: int) -> None:
    """Nobody wants to know."""


class Dispatcher:
    """Everybody who can be asked, over connections of their own, and what they have taught."""

    def __init__(
        self,
        messages_url: str,
        timeouts: Timeouts,
        lessons: LearnedCapabilities,
        turns: CooperativeRunner,
        on_key: KeyObserver = _ignore,
    ) -> None:
        self.turns = turns
        self._timeouts = timeouts
        # It is made at the start, when there is somebody to read what is wrong with it.
        self._by_url = {messages_url: UpstreamClient(messages_url, timeouts)}
        self.lessons = lessons
        self._on_key = on_key

    async def send_translated(
        self,
        asked: LegacyRequest,
        policy: Policy,
        answers: list[UpstreamResponse],
        on_plan: Callable[[Plan], None],
    ) -> tuple[UpstreamResponse, Plan]:
        """
        Ask the Messages API, again with what it teaches; `answers` is told of all it gave.

        Raises `Failure` and `InvalidCompletionRequest`; `on_plan` hears of each plan first.
        """
        if asked.problem is not None:
            raise asked.problem
        assert asked.decoded is not None
        assert asked.dialect is not None
        to = asked.caller.messages
        betas = joined(asked.headers, b"anthropic-beta")
        plans_left = _MAX_PLANS
        while True:
            plans_left -= 1
            lessons = self.lessons.current()
            taught = replace(policy, lessons=lessons) if lessons else policy
            today = datetime.now(UTC).date().isoformat()
            planning = plan_in_steps(asked.decoded, asked.dialect, taught, today=today, betas=betas)
            plan = await self.turns.run(planning)
            on_plan(plan)
            headers = [*passed_up(asked.headers), *_ours(plan, to.credential)]
            body = await self.turns.run(encode_in_steps(plan.request))
            answer = await self._at(to).send_message(headers, body)
            answers.append(answer)
            self.check_key(to, answer.status)
            is_refused = answer.status == HTTPStatus.BAD_REQUEST
            if not (is_refused and plans_left and await self._has_learnt(answer, plan, lessons)):
                return answer, plan

    async def send_forwarded(
        self, asked: LegacyRequest, answers: list[UpstreamResponse], *, readable: bool = False
    ) -> UpstreamResponse:
        """Ask a legacy upstream as it was asked, or for something readable; raises `Failure`."""
        to = asked.caller.destination("forward")
        target = _PATH + b"?" + asked.query if asked.query else _PATH
        headers = forwarded_up(asked.headers, to.instead)
        if readable:
            headers = [(name, value) for name, value in headers if name != b"accept-encoding"]
            headers.append((b"accept-encoding", b"identity"))
        answer = await self._at(to).forward("POST", target, headers, asked.body)
        answers.append(answer)
        self.check_key(to, answer.status)
        return answer

    async def send_passthrough(
        self,
        to: Destination,
        method: str,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | None,
    ) -> UpstreamResponse:
        """Ask for any other path as it was asked for; raises `Failure`."""
        answer = await self._at(to).forward(method, target, forwarded_up(headers, to.instead), body)
        try:
            self.check_key(to, answer.status)
        except KeyRefused:
            await answer.close()
            raise
        return answer

    async def close(self) -> None:
        """Close all connections."""
        for upstream in self._by_url.values():
            await upstream.close()

    def check_key(self, to: Destination, status: int) -> None:
        """Raise `KeyRefused` where an answer refuses a key, and that is not the client's."""
        if to.setting is None:
            return
        self._on_key(to, status)
        if refuses_key(status):
            raise KeyRefused(to.setting, status)

    def _at(self, destination: Destination) -> UpstreamClient:
        url = destination.url
        if (upstream := self._by_url.get(url)) is None:
            upstream = self._by_url[url] = UpstreamClient(url, self._timeouts)
        return upstream

    async def _has_learnt(self, answer: UpstreamResponse, plan: Plan, known: Lessons) -> bool:
        """Keep what a refusal teaches; whether the request should be planned again with it."""
        lesson = learn(await answer.read(most=MAX_ERROR_BYTES))
        before = known.get(plan.sent_model, UNKNOWN)
        if lesson is None or before.corrected(lesson) == before:
            return False
        self.lessons.add(plan.sent_model, lesson)
        return True


async def failure_of(answer: UpstreamResponse) -> AttemptFailed:
    """What an answer that is none comes to; raises `Failure` where it cannot even be read."""
    error = translate_error(answer.status, await answer.read(most=MAX_ERROR_BYTES))
    is_client = error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    blame = Blame.CLIENT if is_client else Blame.UPSTREAM
    return AttemptFailed(
        error,
        blame,
        may_fall_back=status_may_fall_back(error.status),
        retry_after=retry_after(answer.headers),
    )


def _ours(plan: Plan, credential: Credential) -> Headers:
    """The headers of the request that only we can give, each exactly once."""
    headers = [
        *credential.fields,
        (b"anthropic-version", UPSTREAM_VERSION.encode()),
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream" if plan.is_streamed else b"application/json"),
        (b"accept-encoding", b"identity"),  # a compressed stream arrives late
        (b"user-agent", USER_AGENT),
    ]
    if plan.betas is not None:
        headers.append((b"anthropic-beta", plan.betas.encode("latin-1")))
    return headers
