"""
One completion request, from its headers to its record: the order of things.

    read -> decode -> plan -> send -> translate -> reply -> record

Everything is decided by plain functions of `translators`; here it is done, in
order, and whatever goes wrong on the way becomes the error that the client
understands. What a reply is made of is the endpoint's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

import structlog

from proxy.failures import Blame, ClientGone, Failure
from proxy.headers import Credential, Headers, find_credential, joined, passed_up
from proxy.lessons import LessonStore
from proxy.notes import Notes
from proxy.redaction import Digester, describe_crash
from proxy.relay import StreamRelay
from proxy.reply import Reply, reply_with_completion, reply_with_error
from proxy.upstream import Answer, Upstream
from translators import (
    UNKNOWN,
    UPSTREAM_VERSION,
    Lessons,
    ModelRefused,
    Plan,
    Policy,
    TranslatedError,
    TranslationError,
    UpstreamProtocolError,
    Usage,
    decode_completion_request,
    decode_message,
    dialect_of,
    encode_request,
    learn,
    plan_request,
    translate_error,
    translate_message,
)

log = structlog.get_logger()

USER_AGENT: Final = f"holdover/{version('holdover')}".encode()

_MOST_PLANS: Final = 5
"""One and a correction of each capability; each teaches something new or is the last."""

ReadBody = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How this process answers completion requests; one for all of them."""

    upstream: Upstream
    policy: Policy
    digester: Digester
    lessons: LessonStore
    v1_pings: bool = False

    async def run(self, notes: Notes, read: ReadBody, reply: Reply) -> None:
        """Answer one request. Nothing but cancellation and `ClientGone` gets out of here."""
        try:
            async with AsyncExitStack() as answers:
                answer, plan = await self._ask(notes, read, answers)
                await self._pass_on(answer, plan, notes, reply)
        except Failure as exc:
            notes.failure = str(exc)
            error = TranslatedError(exc.status, exc.error_type, str(exc), None)
            await reply_with_error(reply, notes, error, exc.blame)
        except TranslationError as exc:
            error = TranslatedError(exc.status_hint, exc.error_type, str(exc), None)
            blame = Blame.NOBODY if isinstance(exc, ModelRefused) else Blame.CLIENT
            await reply_with_error(reply, notes, error, blame)
        except ClientGone:
            raise
        except Exception as exc:  # noqa: BLE001 - the last door: a bug must not cost the answer
            log.error("exchange_crashed", id=notes.id, **describe_crash(exc))
            error = TranslatedError(500, "api_error", "Internal server error", None)
            await reply_with_error(reply, notes, error, Blame.HOLDOVER)

    async def _ask(
        self, notes: Notes, read: ReadBody, answers: AsyncExitStack
    ) -> tuple[Answer, Plan]:
        """Ask upstream, again with what it teaches; `answers` lets go of all it gave."""
        credential = find_credential(notes.headers)
        notes.caller = self.digester.caller(credential.secret)
        notes.dialect = dialect_of(joined(notes.headers, b"anthropic-version"))
        body = await read()
        notes.request_bytes = len(body)
        decoded = decode_completion_request(body)
        betas = joined(notes.headers, b"anthropic-beta")
        plans_left = _MOST_PLANS
        while True:
            plans_left -= 1
            policy = replace(self.policy, lessons=self.lessons.current())
            today = datetime.now(UTC).date().isoformat()
            plan = plan_request(decoded, notes.dialect, policy, today=today, betas=betas)
            notes.plan = plan
            answer = await self._send(plan, notes.headers, credential)
            answers.push_async_callback(answer.close)
            if not plans_left or not await self._has_learnt(answer, plan, policy.lessons):
                return answer, plan

    async def _send(self, plan: Plan, given: Headers, credential: Credential) -> Answer:
        headers = [*passed_up(given), *_ours(plan, credential)]
        return await self.upstream.ask(headers, encode_request(plan.request))

    async def _has_learnt(self, answer: Answer, plan: Plan, known: Lessons) -> bool:
        """Keep what a refusal teaches; whether the request should be planned again with it."""
        if answer.status != HTTPStatus.BAD_REQUEST:
            return False
        lesson = learn(await answer.read())
        before = known.get(plan.sent_model, UNKNOWN)
        if lesson is None or before.corrected(lesson) == before:
            return False
        self.lessons.keep(plan.sent_model, lesson)
        return True

    async def _pass_on(self, answer: Answer, plan: Plan, notes: Notes, reply: Reply) -> None:
        notes.answer_headers = answer.headers
        relay = StreamRelay(plan, notes, reply, v1_pings=self.v1_pings)
        if answer.is_success and plan.is_streamed and answer.is_event_stream:
            await relay.run(answer)
            return
        body = await answer.read()
        try:
            if not answer.is_success:
                raise UpstreamProtocolError(f"status {answer.status}")
            message = decode_message(body)
            completion = translate_message(message, plan)
        except UpstreamProtocolError as exc:
            notes.failure = str(exc)
            error = translate_error(answer.status, body)
            await reply_with_error(reply, notes, error, _blame_of(error.status))
            return
        notes.answered_model = message.model or None
        notes.upstream_stop_reason = message.stop_reason
        notes.usage = message.usage or Usage()
        if plan.is_streamed:
            await relay.run_whole(completion)
        else:
            await reply_with_completion(reply, notes, completion, plan)


def _ours(plan: Plan, credential: Credential) -> Headers:
    """The headers of the request that only we can give, each exactly once."""
    headers = [
        (credential.name, credential.value),
        (b"anthropic-version", UPSTREAM_VERSION.encode()),
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream" if plan.is_streamed else b"application/json"),
        (b"accept-encoding", b"identity"),  # a compressed stream arrives late
        (b"user-agent", USER_AGENT),
    ]
    if plan.betas is not None:
        headers.append((b"anthropic-beta", plan.betas.encode("latin-1")))
    return headers


def _blame_of(status: int) -> Blame:
    return Blame.CLIENT if status < HTTPStatus.INTERNAL_SERVER_ERROR else Blame.UPSTREAM
