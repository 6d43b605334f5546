"""
One completion request, from its headers to its record: the order of things.

    identify -> read -> decide -> ask -> translate -> reply -> shadow -> record

Everything is decided by plain functions; here it is done, in order, and
whatever goes wrong on the way becomes the error that the client understands.
What a reply is made of is the endpoint's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog

from proxy.config.runtime import RuntimeConfig
from proxy.cooperative import CooperativeRunner
from proxy.errors import Blame, ClientGone, Failure, Gone, UpstreamTooSlow
from proxy.exchange.context import ExchangeContext
from proxy.exchange.forwarding import forward_response
from proxy.exchange.gone_message import gone_message
from proxy.exchange.response import ResponseSink, reply_with_completion, reply_with_error
from proxy.exchange.shadow import ShadowRunner
from proxy.exchange.stream import StreamRelay
from proxy.rollout import Decision, Fallback, Question, Route, buckets_in_steps, decide
from proxy.security.redaction import describe_crash
from proxy.upstream.client import UpstreamResponse, close_all
from proxy.upstream.dispatch import AttemptFailed, Dispatcher, LegacyRequest, failure_of
from translators import (
    Completion,
    ModelRefused,
    Plan,
    TranslatedError,
    TranslationError,
    UpstreamProtocolError,
    Usage,
    decode_message_in_steps,
    encode_completion_in_steps,
    features_in_steps,
    translate_in_steps,
)

log = structlog.get_logger()

ReadBody = Callable[[], Awaitable[bytes]]


class CurrentConfig(Protocol):
    """What the operator wants now."""

    @property
    def config(self) -> RuntimeConfig:
        """The last good one."""
        ...

    @property
    def tripped(self) -> frozenset[str]:
        """Rules whose guards have taken their shares to zero."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionHandler:
    """How this process answers completion requests; one for all of them."""

    present: CurrentConfig
    dispatcher: Dispatcher
    shadows: ShadowRunner
    turns: CooperativeRunner = field(default_factory=CooperativeRunner)
    v1_pings: bool = False

    async def run(self, notes: ExchangeContext, read: ReadBody, reply: ResponseSink) -> None:
        """Answer one request. Nothing but cancellation and `ClientGone` gets out of here."""
        try:
            await self._run(notes, read, reply)
        except AttemptFailed as exc:
            await reply_with_error(reply, notes, exc.error, exc.blame)
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

    async def _run(self, notes: ExchangeContext, read: ReadBody, reply: ResponseSink) -> None:
        config, tripped = self.present.config, self.present.tripped
        caller = notes.caller = config.keyring.identify(notes.headers)
        body = await read()
        notes.request_bytes = len(body)
        asked = await self.turns.run(
            LegacyRequest.read_in_steps(caller, notes.headers, notes.query, body)
        )
        notes.dialect = asked.dialect
        if asked.decoded is not None:
            notes.request = asked.decoded.request
            notes.features = await self.turns.run(features_in_steps(notes.request))
        now = datetime.now(UTC)
        question = Question(
            caller=caller,
            headers=notes.headers,
            request=notes.request,
            now=now,
            buckets=await self.turns.run(buckets_in_steps(config.rollout, notes.request)),
        )
        decision = notes.decision = decide(config.rollout, question, tripped)
        notes.begin_capture(
            decision.rule.capture if decision.rule else config.rollout.capture, body
        )
        if notes.capture is not None:
            reply.tap = notes.capture.capture_reply
        if decision.action == "refuse":
            notes.begin_attempt("refuse")
            catalogue = config.rollout.catalogue
            raise Gone(gone_message(decision, notes.request, catalogue, now.date().isoformat()))
        await self._answer(asked, decision, notes, reply)

    async def _answer(
        self, asked: LegacyRequest, decision: Decision, notes: ExchangeContext, reply: ResponseSink
    ) -> None:
        """By the legs, and then by the shadow that nobody waits for."""
        if decision.rule is None:
            await self._try(decision.route, asked, notes, reply)
            return
        with self.shadows.schedule_after(asked, decision, notes):
            await self._try_all(decision.route, decision.rule.on_failure, asked, notes, reply)

    async def _try_all(
        self,
        leg: Route,
        second: Fallback | None,
        asked: LegacyRequest,
        notes: ExchangeContext,
        reply: ResponseSink,
    ) -> None:
        """By one leg, and if that fails by the second one, where there is one."""
        if second is None:
            await self._try(leg, asked, notes, reply)
            return
        try:
            await self._try_first(leg, second.timeout, asked, notes, reply)
        except AttemptFailed as exc:
            if reply.has_started or not exc.worth_another:
                raise
            notes.set_first_failure(exc.error)
            await self._try(second.route, asked, notes, reply)

    async def _try_first(
        self,
        leg: Route,
        seconds: float | None,
        asked: LegacyRequest,
        notes: ExchangeContext,
        reply: ResponseSink,
    ) -> None:
        """By the first leg of two, which has so many seconds to begin its answer."""
        try:
            async with asyncio.timeout(seconds) as patience:
                notes.when_begun = lambda: patience.reschedule(None)
                await self._try(leg, asked, notes, reply, may_fail=True)
        except TimeoutError:
            reply.withdraw_stream()
            failure = UpstreamTooSlow(f"The upstream did not answer within {seconds:g} seconds.")
            notes.failure = str(failure)
            raise AttemptFailed.of(failure) from None
        finally:
            notes.when_begun = _nothing

    async def _try(
        self,
        leg: Route,
        asked: LegacyRequest,
        notes: ExchangeContext,
        reply: ResponseSink,
        *,
        may_fail: bool = False,
    ) -> None:
        """Answer by one leg; if it `may_fail`, `AttemptFailed` before the reply begins."""
        notes.begin_attempt(leg.action)
        answers: list[UpstreamResponse] = []
        try:
            await self._ask(leg, asked, notes, reply, answers, may_fail=may_fail)
        except Failure as exc:
            notes.set_failure(exc)
            raise AttemptFailed.of(exc) from exc
        finally:
            await close_all(answers)

    async def _ask(  # noqa: PLR0913 - all that an exchange goes by, and the answers to close
        self,
        leg: Route,
        asked: LegacyRequest,
        notes: ExchangeContext,
        reply: ResponseSink,
        answers: list[UpstreamResponse],
        *,
        may_fail: bool,
    ) -> None:
        try:
            if leg.action == "forward":
                answer = await self.dispatcher.send_forwarded(asked, answers)
                await forward_response(answer, notes, reply, may_fail=may_fail)
            else:
                answer, plan = await self.dispatcher.send_translated(
                    asked, leg.policy, answers, notes.set_plan
                )
                await self._pass_on(answer, plan, notes, reply, may_fail=may_fail)
        except AttemptFailed as exc:
            # What the status does not say, the body may: some gateways answer 200 to everything.
            self.dispatcher.check_key(asked.caller.destination(leg.action), exc.error.status)
            raise

    async def _pass_on(
        self,
        answer: UpstreamResponse,
        plan: Plan,
        notes: ExchangeContext,
        reply: ResponseSink,
        *,
        may_fail: bool,
    ) -> None:
        notes.set_response(answer.headers)
        if notes.capture is not None:
            answer.tap = notes.capture.capture_upstream
        if not answer.is_success:
            notes.failure = f"status {answer.status}"
            raise await failure_of(answer)
        if plan.is_streamed:
            relay = StreamRelay(
                plan, notes, reply, self.turns, v1_pings=self.v1_pings, may_fail=may_fail
            )
            if answer.is_event_stream:
                await relay.run(answer)
            else:
                await relay.run_whole(await self._whole(answer, plan, notes))
        else:
            completion = await self._whole(answer, plan, notes)
            body = await self.turns.run(encode_completion_in_steps(completion, plan.dialect))
            await reply_with_completion(reply, notes, completion, body)

    async def _whole(
        self, answer: UpstreamResponse, plan: Plan, notes: ExchangeContext
    ) -> Completion:
        try:
            message = await self.turns.run(decode_message_in_steps(await answer.read()))
            completion = await self.turns.run(translate_in_steps(message, plan))
        except UpstreamProtocolError as exc:
            notes.failure = str(exc)
            raise await failure_of(answer) from exc
        notes.answered_model = message.model or None
        notes.upstream_stop_reason = message.stop_reason
        notes.usage = message.usage or Usage()
        notes.mark_first_token()
        if notes.heard is not None:
            notes.hear(completion.text.encode())
        return completion


def _nothing() -> None:
    """Nobody waits for the reply to begin."""
