"""
Shadows: requests asked once more by another route, after the client has its answer.

The answers are compared with what the client got. Shadows have upstream
connections, learned capabilities and a queue of their own, so they cannot
slow a client down; those that are not sent are counted by reason.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import structlog

from proxy.comparison.collect import collect_answer
from proxy.comparison.compare import (
    ComparableAnswer,
    Comparison,
    compare,
    from_forwarded,
    from_translated,
)
from proxy.comparison.token_budget import DailyTokenBudget
from proxy.errors import Failure, KeyRefused, UpstreamUnreachable
from proxy.exchange.context import ExchangeContext
from proxy.outcome import Outcome
from proxy.rollout import Decision, Route, Shadow
from proxy.rollout.rule_schema import BASIS_POINTS, Capture
from proxy.security.redaction import Redacted, Redactor, describe_crash
from proxy.timestamps import to_milliseconds
from proxy.traffic import ShadowRecord
from proxy.traffic.redact_bodies import ShadowAnswer
from proxy.upstream.attempt import AttemptFailed
from proxy.upstream.decompression import decompressed
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.legacy_request import LegacyRequest
from translators import TranslationError, UpstreamProtocolError, Usage

if TYPE_CHECKING:
    from proxy.observability.spans import ExchangeSpans, RequestSpans

log = structlog.get_logger("holdover.traffic")

Skipped: TypeAlias = Literal[
    "primary_failed", "client_gone", "unreadable", "queue_full", "budget", "shutdown"
]
"""Reasons for not sending a shadow that was drawn."""

_MAX_BYTES_WAITING: Final = 64 * 1024 * 1024
"""Most bytes of requests and answers in the queue."""
_ANSWER_SECONDS: Final = 600
"""Longest time that one answer may take."""
_LONG_ANSWER_TOKENS: Final = 4096
"""Tokens set aside for an answer at most: many clients always ask for the limit."""
_BYTES_PER_TOKEN: Final = 3
"""Estimate for budgets, rather too many tokens than too few."""


class ShadowObserver(Protocol):
    """Counts what becomes of shadows."""

    def shadow_skipped(self, rule: str, reason: Skipped) -> None:
        """Count a shadow that was drawn and not sent."""

    def shadow_failed(self, rule: str, leg: str) -> None:
        """Count a shadow that got no answer."""

    def shadow_compared(self, rule: str, leg: str, comparison: Comparison) -> None:
        """Count an answer and how it compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnShadow:
    """A shadow that a request gets once it is answered."""

    rule: str
    shadow: Shadow
    route: Route
    """The route that answers the client; a control asks by it again."""
    capture: Capture
    """Part of the answers that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _QueuedShadow:
    """A shadow waiting for its turn."""

    id: str
    received: str
    rule: str
    shadow: Shadow
    route: Route
    """The route that answered the client, which a control asks again."""
    capture: Capture
    request: LegacyRequest = field(repr=False)
    hide: Callable[[str], Redacted]
    """Redacts names that clients and upstreams give themselves."""
    answer: bytes = field(repr=False)
    """The answer that the client got."""
    read: Callable[[bytes], ComparableAnswer]
    """Reads `answer`; raises `UpstreamProtocolError` if it is not a completion."""
    tokens: float
    """Tokens of the budget that are reserved for the shadow."""
    spans: ExchangeSpans | None
    """The spans of the exchange, if it is traced."""

    @property
    def size(self) -> int:
        """Estimate of the memory that it takes, in bytes."""
        # The prompt is there three times: as it came, as text, and as turns.
        return 3 * len(self.request.body) + len(self.answer)


class ShadowRunner:
    """Draws, queues, sends and compares the shadows of one process."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        dispatcher: Dispatcher,
        budget: DailyTokenBudget,
        observer: ShadowObserver,
        *,
        queue: int,
        keep: Callable[[ShadowRecord], None],
        keep_answer: Callable[[ShadowAnswer], None],
        redactor: Redactor,
        roll: Callable[[], int] = lambda: secrets.randbelow(BASIS_POINTS),
    ) -> None:
        self._dispatcher = dispatcher
        self._budget = budget
        self._observer = observer
        self._waiting: asyncio.Queue[_QueuedShadow] = asyncio.Queue(queue)
        self._bytes_waiting = 0
        self._dropped = 0
        self._keep = keep
        self._keep_answer = keep_answer
        self._redactor = redactor
        self._roll = roll

    def draw(self, decision: Decision) -> DrawnShadow | None:
        """Draw by its rule's share whether a request gets a shadow; return it, or None."""
        rule = decision.rule
        shadow = rule.shadow if rule else None
        if rule is None or shadow is None or self._roll() >= shadow.share:
            return None
        return DrawnShadow(
            rule=rule.name, shadow=shadow, route=decision.route, capture=rule.capture
        )

    def skip(self, drawn: DrawnShadow, error: BaseException) -> None:
        """Count a shadow that is not sent because its exchange ended with this error."""
        is_gone = isinstance(error, asyncio.CancelledError)
        self._observer.shadow_skipped(drawn.rule, "client_gone" if is_gone else "primary_failed")

    def schedule(
        self, drawn: DrawnShadow, request: LegacyRequest, context: ExchangeContext
    ) -> None:
        """Queue the shadow of an exchange that is over, or count why it is not sent."""
        reason = self._queue(drawn, request, context)
        if reason is not None:
            self._observer.shadow_skipped(drawn.rule, reason)

    def _queue(
        self, drawn: DrawnShadow, request: LegacyRequest, context: ExchangeContext
    ) -> Skipped | None:
        shadow = drawn.shadow
        if context.outcome is not Outcome.ANSWERED or context.first_failure is not None:
            return "primary_failed"
        if context.answer_copy is None:  # it grew too long to be kept
            return "unreadable"
        # The tokens that the shadow, like its control, will probably use at most.
        asked = request.completion_request
        answer = min(asked.max_tokens_to_sample if asked else 0, _LONG_ANSWER_TOKENS)
        likely = len(request.body) / _BYTES_PER_TOKEN + answer
        due = _QueuedShadow(
            id=context.id,
            received=context.received_text,
            rule=drawn.rule,
            shadow=shadow,
            route=drawn.route,
            capture=drawn.capture,
            request=request,
            hide=context.hiding(self._redactor),
            answer=b"".join(context.answer_copy),
            read=_reader(context),
            tokens=likely * (2 if shadow.control else 1),
            spans=context.spans,
        )
        if self._waiting.full() or self._bytes_waiting + due.size > _MAX_BYTES_WAITING:
            return "queue_full"
        if not self._budget.reserve(drawn.rule, due.tokens, shadow.daily_tokens):
            return "budget"
        self._bytes_waiting += due.size
        self._waiting.put_nowait(due)
        return None

    async def run(self) -> None:
        """Send queued shadows one at a time, until cancelled; several of these may run."""
        while True:
            due = await self._waiting.get()
            self._bytes_waiting -= due.size
            used = due.tokens
            try:
                used = await self._send(due)
            except asyncio.CancelledError:
                self._drop(due)
                raise
            except Exception as exc:  # noqa: BLE001 - nothing in here may end the sending
                log.error("shadow_crashed", id=due.id, **describe_crash(exc))
                self._observer.shadow_failed(due.rule, "shadow")
            self._budget.settle(due.rule, due.tokens, used)

    def drop_all(self) -> None:
        """Drop and count what is queued: a shutdown does not wait for shadows."""
        while not self._waiting.empty():
            self._drop(self._waiting.get_nowait())
        if self._dropped:
            log.info("shadows_dropped", count=self._dropped)

    def _drop(self, due: _QueuedShadow) -> None:
        self._dropped += 1
        self._observer.shadow_skipped(due.rule, "shutdown")

    async def _send(self, due: _QueuedShadow) -> float:
        """Send a shadow, and its control if it has one; return the tokens used."""
        try:
            primary = await asyncio.to_thread(due.read, due.answer)
        except (Failure, UpstreamProtocolError):  # compressed in some other way, or no completion
            self._observer.shadow_skipped(due.rule, "unreadable")
            return 0.0
        legs = {"shadow": due.shadow.route} | ({"control": due.route} if due.shadow.control else {})
        used = [await self._compare(due, primary, name, leg) for name, leg in legs.items()]
        return sum(used)

    async def _compare(
        self, due: _QueuedShadow, primary: ComparableAnswer, name: str, leg: Route
    ) -> float:
        """Ask by one route and compare; return the tokens that were used, or may have been."""
        spans = due.spans.shadow(name) if due.spans else None
        try:
            answered = await self._answer(due, leg, spans)
        except (AttemptFailed, Failure, TranslationError, TimeoutError) as exc:
            reason = type(exc).__name__
            if isinstance(exc, AttemptFailed):
                reason = f"status {exc.error.status}"
            self._observer.shadow_failed(due.rule, name)
            log.info("shadow_failed", id=due.id, rule=due.rule, leg=name, reason=reason)
            self._keep(_record(due, name, failure=reason))
            # A refusal costs nothing; what an answer that broke off cost is not known.
            is_free = isinstance(exc, (AttemptFailed, KeyRefused, UpstreamUnreachable))
            return 0.0 if is_free else due.tokens / (2 if due.shadow.control else 1)
        comparison = await asyncio.to_thread(compare, primary, answered)
        comparison = comparison.redacted(due.hide)
        self._observer.shadow_compared(due.rule, name, comparison)
        log.info("shadow", id=due.id, rule=due.rule, leg=name, **comparison.as_fields())
        self._keep(_record(due, name, comparison=comparison))
        if due.capture != "off":
            self._keep_answer(
                ShadowAnswer(
                    id=due.id,
                    received=due.received,
                    leg=name,
                    level=due.capture,
                    text=answered.text,
                    stop_reason=answered.stop_reason,
                    hide=due.hide,
                )
            )
        counted = (answered.usage.input_tokens or 0) + (answered.usage.output_tokens or 0)
        # A legacy upstream does not count tokens.
        return counted or (len(due.request.body) + len(answered.text)) / _BYTES_PER_TOKEN

    async def _answer(
        self, due: _QueuedShadow, leg: Route, spans: RequestSpans | None
    ) -> ComparableAnswer:
        """Return the answer of one route, and end the spans of its requests whatever happens."""
        error_type, usage = None, Usage()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answered = await collect_answer(self._dispatcher, due.request, leg, spans)
            usage = answered.usage
            return answered
        except Exception as exc:
            error_type = exc.error.type if isinstance(exc, AttemptFailed) else type(exc).__name__
            raise
        finally:
            if spans is not None:
                spans.end(due.hide, error_type, usage)


def _record(
    due: _QueuedShadow,
    leg: str,
    *,
    failure: str | None = None,
    comparison: Comparison | None = None,
) -> ShadowRecord:
    return ShadowRecord(
        id=due.id,
        ended=to_milliseconds(time.time()),
        rule=due.rule,
        leg=leg,
        failure=failure,
        comparison=None if comparison is None else comparison.as_fields(),
    )


def _reader(context: ExchangeContext) -> Callable[[bytes], ComparableAnswer]:
    """Return a function that reads the client's answer; reading takes time, so it is done later."""
    seconds, plan = time.perf_counter() - context.started, context.plan
    if plan is not None:
        stop_reason, usage = context.stop_reason, context.usage
        return lambda heard: from_translated(heard.decode(), stop_reason, plan, usage, seconds)
    dialect, headers = context.dialect if context.streams else None, context.response_headers

    def read(heard: bytes) -> ComparableAnswer:
        body = decompressed(heard, headers, most=_MAX_BYTES_WAITING)
        return from_forwarded(body, dialect, seconds)

    return read
