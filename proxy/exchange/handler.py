"""
Answers a completion request, from its headers to its record.

    identify -> read -> decide -> ask -> translate -> respond -> shadow -> record

Plain functions decide; this module performs, in order, and turns whatever goes
wrong on the way into the error that a legacy client understands. How bytes
reach the client is the endpoint's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from proxy.admission import Admission, Slot
from proxy.config.runtime import RuntimeConfig
from proxy.cooperative import CooperativeRunner
from proxy.errors import ClientGone, Failure, Gone, KeyRefused, UpstreamTooSlow
from proxy.exchange.forwarding import forward_response
from proxy.exchange.gone_message import gone_message
from proxy.exchange.response import ResponseSink, send_completion, send_error
from proxy.exchange.shadow import ShadowRunner
from proxy.exchange.stream import StreamRelay, failed_stream
from proxy.headers import declared_length
from proxy.outcome import Outcome, outcome_of_failure
from proxy.rollout import Decision, Fallback, Question, Route, buckets_in_steps, decide
from proxy.security.redaction import describe_crash
from proxy.upstream.attempt import Attempt, AttemptFailed, error_of_failure, failed_response
from proxy.upstream.client import UpstreamResponse
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.legacy_request import LegacyRequest
from translators import (
    Completion,
    FailureChunk,
    ModelRefused,
    Plan,
    StreamTranslator,
    TranslatedError,
    TranslationError,
    UpstreamProtocolError,
    Usage,
    decode_message_in_steps,
    encode_completion_in_steps,
    features_of,
    from_chunks,
    is_event_stream,
    translate_in_steps,
)

log = structlog.get_logger()

ReadBody = Callable[[Slot], Awaitable[bytes]]
"""Reads the request's body into a slot, once, after the exchange has been admitted."""

_CRASHED: Final = TranslatedError(500, "api_error", "Internal server error", None)


class CurrentConfig(Protocol):
    """The settings in force, which may change between two requests."""

    @property
    def config(self) -> RuntimeConfig:
        """The last valid configuration."""
        ...

    @property
    def tripped(self) -> frozenset[str]:
        """Names of the rules whose guards have taken their share to zero."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionHandler:
    """Answers completion requests; one handler serves all requests of a process."""

    present: CurrentConfig
    dispatcher: Dispatcher
    admission: Admission
    shadows: ShadowRunner
    runner: CooperativeRunner = field(default_factory=CooperativeRunner)
    v1_pings: bool = False

    async def run(self, read: ReadBody, sink: ResponseSink) -> None:
        """Answer one request; raises nothing but cancellation and `ClientGone`."""
        context = sink.context
        try:
            await ExchangeRun(self, sink).answer(read)
        except AttemptFailed as exc:
            await send_error(sink, exc.error, exc.outcome)
        except Failure as exc:
            context.failure = str(exc)
            context.response_headers = list(exc.headers)
            await send_error(sink, error_of_failure(exc), outcome_of_failure(exc))
        except TranslationError as exc:
            error = TranslatedError(exc.status_hint, exc.error_type, str(exc), None)
            is_refusal = isinstance(exc, ModelRefused)
            outcome = Outcome.MODEL_REFUSED if is_refusal else Outcome.CLIENT_ERROR
            await send_error(sink, error, outcome)
        except ClientGone:
            raise
        except Exception as exc:  # noqa: BLE001 - the last door: a bug must not cost the answer
            log.error("exchange_crashed", id=context.id, **describe_crash(exc))
            await send_error(sink, _CRASHED, Outcome.HOLDOVER_ERROR)


class ExchangeRun:
    """The run of one completion request: its context, its client, and the upstreams it asks."""

    def __init__(self, handler: CompletionHandler, sink: ResponseSink) -> None:
        self._handler = handler
        self._sink = sink
        self._context = sink.context

    async def answer(self, read: ReadBody) -> None:
        """Answer the request; errors that the client should be told are raised."""
        context, config = self._context, self._handler.present.config
        run = self._handler.runner.run
        caller = context.caller = config.keyring.identify(context.headers)
        size = declared_length(context.headers)
        weight = config.weights.get(caller.name, 1)
        async with self._handler.admission.slot(caller.digest, size, weight) as slot:
            context.waited = slot.waited_seconds
            body = await read(slot)
            context.request_bytes = len(body)
            request = await run(
                LegacyRequest.read_in_steps(caller, context.headers, context.query, body)
            )
            context.dialect = request.dialect
            if request.parsed is not None:
                context.request = request.completion_request
                context.features = features_of(request.parsed)
            if context.streams:
                slot.count_as_stream()
            now = datetime.now(UTC)
            question = Question(
                caller=caller,
                headers=context.headers,
                request=context.request,
                now=now,
                buckets=await run(buckets_in_steps(config.rollout, context.request)),
            )
            tripped = self._handler.present.tripped
            decision = context.decision = decide(config.rollout, question, tripped)
            rule = decision.rule
            context.begin_capture(rule.capture if rule else config.rollout.capture, body)
            if decision.action == "refuse":
                context.begin_attempt("refuse")
                catalogue, today = config.rollout.catalogue, now.date().isoformat()
                raise Gone(gone_message(decision, context.request, catalogue, today))
            shadow = self._handler.shadows.draw(decision)
            if shadow is None:
                await self._ask(request, decision)
                return
            context.answer_copy = []
            try:
                await self._ask(request, decision)
            except BaseException as exc:
                self._handler.shadows.skip(shadow, exc)
                raise
            self._handler.shadows.schedule(shadow, request, context)

    async def _ask(self, request: LegacyRequest, decision: Decision) -> None:
        """Ask by the decided route, and by the rule's fallback if that fails."""
        fallback = decision.rule.on_failure if decision.rule else None
        if fallback is None:
            await self._attempt(decision.route, request)
            return
        try:
            await self._first_attempt(decision.route, request, fallback)
        except AttemptFailed as exc:
            if self._sink.has_started or not exc.may_fall_back:
                raise
            self._context.set_first_failure(exc.error, exc.detail)
            await self._attempt(fallback.route, request)

    async def _first_attempt(
        self, route: Route, request: LegacyRequest, fallback: Fallback
    ) -> None:
        """Ask by the first of two routes; its response has to begin within the fallback's time."""
        task, is_late = asyncio.current_task(), False
        assert task is not None
        cancelled_before = task.cancelling()

        def expire() -> None:
            nonlocal is_late
            if self._context.first_byte is None:  # afterwards it is too late to fall back
                is_late = task.cancel()

        # `asyncio.timeout` would decide a moment before it cancels: a response could begin between.
        seconds = fallback.timeout
        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, expire)
        try:
            await self._attempt(route, request, may_fall_back=True)
        except asyncio.CancelledError:
            if not is_late or task.uncancel() > cancelled_before:  # somebody else cancels, too
                raise
            self._sink.withdraw_stream()
            failure = UpstreamTooSlow(f"The upstream did not answer within {seconds:g} seconds.")
            self._context.failure = str(failure)
            raise AttemptFailed.by(failure) from None
        finally:
            if timer is not None:
                timer.cancel()

    async def _attempt(
        self, route: Route, request: LegacyRequest, *, may_fall_back: bool = False
    ) -> None:
        """
        Answer by one route.

        With `may_fall_back` an error that another route may avoid is raised as
        `AttemptFailed` before the response begins, instead of passed on.
        """
        context = self._context
        context.begin_attempt(route.action)
        trace = context.spans.requests if context.spans else None
        try:
            async with Attempt(self._handler.dispatcher, request, trace) as attempt:
                if route.action == "forward":
                    response = await attempt.forward()
                    await forward_response(response, self._sink, may_fall_back=may_fall_back)
                    return
                try:
                    response, plan = await attempt.translate(route.policy)
                finally:
                    context.plan = attempt.plan
                await self._translate(response, plan, may_fall_back=may_fall_back)
        except AttemptFailed as exc:
            # What the status does not say, the body may: some gateways answer 200 to everything.
            to = request.caller.destination(route.action)
            try:
                self._handler.dispatcher.check_key(to, exc.error.status, exc.error.message)
            except KeyRefused as refused:
                self._note(refused)
                raise AttemptFailed.by(refused) from refused
            raise
        except Failure as exc:
            self._note(exc)
            raise AttemptFailed.by(exc) from exc

    def _note(self, failure: Failure) -> None:
        self._context.failure = failure.detail
        if isinstance(failure, KeyRefused):  # the client is told in Holdover's headers, too
            self._context.set_response(list(failure.headers))

    async def _translate(
        self, response: UpstreamResponse, plan: Plan, *, may_fall_back: bool
    ) -> None:
        """Translate the upstream's response for the client, as it comes."""
        context, sink, runner = self._context, self._sink, self._handler.runner
        context.set_response(response.headers)
        if context.capture is not None:
            response.tap = context.capture.capture_upstream
        if not response.is_success:
            context.failure = f"status {response.status}"
            raise await failed_response(response)
        if not plan.is_streamed:
            completion = await self._whole_completion(response, plan)
            body = await runner.run(encode_completion_in_steps(completion, plan.dialect))
            await send_completion(sink, completion, body)
            return
        v1_pings = self._handler.v1_pings
        relay = StreamRelay(plan, sink, runner, v1_pings=v1_pings, may_fall_back=may_fall_back)
        if response.is_event_stream:
            await relay.run(response)
        else:
            await relay.run_whole(await self._whole_completion(response, plan))

    async def _whole_completion(self, response: UpstreamResponse, plan: Plan) -> Completion:
        """Read and translate an answer that is to be in one piece, and may be a stream."""
        context, runner = self._context, self._handler.runner
        body = await response.read()
        if is_event_stream(body):
            completion = await self._completion_of_stream(body, plan)
        else:
            try:
                message = await runner.run(decode_message_in_steps(body))
                completion = await runner.run(translate_in_steps(message, plan))
            except UpstreamProtocolError as exc:
                context.failure = str(exc)
                raise await failed_response(response) from exc
            context.answered_model = message.model or None
            context.upstream_stop_reason = message.stop_reason
            context.usage = message.usage or Usage()
        context.mark_first_token()
        if context.answer_copy is not None:
            context.keep_answer(completion.text.encode())
        return completion

    async def _completion_of_stream(self, body: bytes, plan: Plan) -> Completion:
        """Translate a stream that came although an answer in one piece was asked for."""
        context, runner = self._context, self._handler.runner
        translator = StreamTranslator(plan)
        chunks = await runner.run(translator.feed_in_steps(body))
        chunks += await runner.run(translator.close_in_steps())
        context.answered_model = translator.message.model or None
        context.upstream_stop_reason = translator.end.stop_reason
        context.usage = translator.usage
        if isinstance(failure := chunks[-1], FailureChunk):
            raise failed_stream(failure, context)
        return from_chunks(chunks, plan, translator.message)
