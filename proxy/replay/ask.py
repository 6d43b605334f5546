"""One recorded request, asked again by the rules, and compared with what was answered then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import structlog

from proxy.comparison.collect import collect_answer
from proxy.comparison.compare import ComparableAnswer, compare
from proxy.config.runtime import RuntimeConfig
from proxy.errors import (
    Failure,
    KeyRefused,
    MissingKey,
    UpstreamBrokeOff,
    UpstreamTooSlow,
    UpstreamUnreachable,
)
from proxy.headers import Headers
from proxy.rollout import Decision, Question, Route, decide
from proxy.security.keyring import Caller, Keyring
from proxy.security.redaction import CallerDigest, Redactor, describe_crash
from proxy.traffic import TrafficRecord
from proxy.traffic.store.replay_results import Recorded, ReplayResult
from proxy.upstream.dispatch import AttemptFailed, Dispatcher, LegacyRequest
from translators import (
    InvalidCompletionRequest,
    ModelRefused,
    TranslationError,
    UpstreamProtocolError,
    Usage,
    read_completion,
)

log = structlog.get_logger()

_SECONDS: Final = 600
"""For one answer, whole."""
_MAX_WAIT_SECONDS: Final = 120
_NONE_TRIPPED: Final = frozenset[str]()
_WORDS: Final[Mapping[type[Exception], str]] = {
    MissingKey: "no key",
    KeyRefused: "key refused",
    UpstreamUnreachable: "unreachable",
    UpstreamTooSlow: "too slow",
    TimeoutError: "too slow",
    UpstreamBrokeOff: "broke off",
    UpstreamProtocolError: "no whole answer",
    InvalidCompletionRequest: "not translatable",
    ModelRefused: "refused by the model",
}
_COST_NOTHING: Final = (
    *(AttemptFailed, KeyRefused, MissingKey),
    *(UpstreamUnreachable, InvalidCompletionRequest),
)
"""Refused, or never sent; of what broke off, nobody can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """How this replay asks; one for all its requests."""

    config: RuntimeConfig
    dispatcher: Dispatcher
    redactor: Redactor
    """New answers go through it, since the recorded ones did."""
    pauses: tuple[float, ...] = (1, 2, 4, 8)
    """Seconds before each further try, where upstream does not say how long."""

    async def ask(self, recorded: Recorded) -> ReplayResult:
        """Ask; whatever happens, there is a result."""
        try:
            return await self._ask(recorded)
        except (AttemptFailed, Failure, TranslationError, TimeoutError) as exc:
            cost = 0.0 if isinstance(exc, _COST_NOTHING) else recorded.tokens
            return _failed(recorded, _words(exc), cost)
        except Exception as exc:  # noqa: BLE001 - nothing about one request may end the replay
            log.error("replay_crashed", id=recorded.record.id, **describe_crash(exc))
            return _failed(recorded, "crashed", recorded.tokens)

    async def _ask(self, recorded: Recorded) -> ReplayResult:
        asked, then, decision = await asyncio.to_thread(self._read, recorded)
        if decision.action == "refuse":
            return _failed(recorded, "refused by a rule", 0)
        if asked.decoded is None:  # nor is it forwarded: what was kept of it may be damaged
            return _failed(recorded, "not readable", 0)
        if then is None:
            return _failed(recorded, "nothing to compare with", 0)
        if not asked.caller.destination(decision.route.action).credential.secret:
            raise MissingKey
        answered = await self._answer(asked, decision.route)
        return await asyncio.to_thread(self._compared, recorded, then, answered)

    def _read(self, recorded: Recorded) -> tuple[LegacyRequest, ComparableAnswer | None, Decision]:
        record = recorded.record
        request, answer = recorded.texts()
        headers, caller = _headers(record), caller_of(record, self.config.keyring)
        asked = LegacyRequest.read(caller, headers, b"", request)
        question = Question(
            caller=caller,
            headers=headers,
            request=asked.decoded.request if asked.decoded else None,
            now=datetime.now(UTC),
        )
        decision = decide(self.config.rollout, question, _NONE_TRIPPED)
        return asked, _answered_then(record, answer), decision

    async def _answer(self, asked: LegacyRequest, leg: Route) -> ComparableAnswer:
        """Ask, and again where waiting may help; the last time, whatever happens counts."""
        for pause in self.pauses:
            try:
                return await self._answer_once(asked, leg)
            except AttemptFailed as exc:
                if not _may_pass(exc.error.status):
                    raise
                wait = pause if exc.retry_after is None else exc.retry_after
            except UpstreamUnreachable:
                wait = pause
            await asyncio.sleep(min(wait, _MAX_WAIT_SECONDS))
        return await self._answer_once(asked, leg)

    async def _answer_once(self, asked: LegacyRequest, leg: Route) -> ComparableAnswer:
        async with asyncio.timeout(_SECONDS):
            return await collect_answer(self.dispatcher, asked, leg)

    def _compared(
        self, recorded: Recorded, then: ComparableAnswer, now: ComparableAnswer
    ) -> ReplayResult:
        counted = (now.usage.input_tokens or 0) + (now.usage.output_tokens or 0)
        now = replace(now, text=self.redactor.text(now.text))
        return ReplayResult(
            id=recorded.record.id,
            failure=None,
            comparison=compare(then, now).redacted(self.redactor.text).as_fields(),
            tokens=counted or recorded.tokens,  # a legacy upstream does not count
        )


def caller_of(record: TrafficRecord, keyring: Keyring) -> Caller:
    """
    Who asked, as far as rules are concerned, with keys of the operator's.

    The digest stands for the key of a caller without a name: it stays in the
    shares that it falls into, but these need not be those of its key.
    """
    return keyring.absent(
        name=record.caller_name,
        digest=record.caller or CallerDigest(""),
        identity=(record.caller_name or record.caller or "").encode(),
    )


def _headers(record: TrafficRecord) -> Headers:
    """What is known of them."""
    said = ((b"anthropic-version", record.version), (b"user-agent", record.user_agent))
    known = [(name, value.encode("latin-1", "replace")) for name, value in said if value]
    return [(b"content-type", b"application/json"), *known]


def _answered_then(record: TrafficRecord, answer: bytes) -> ComparableAnswer | None:
    """None: what was answered cannot be read."""
    try:
        read = read_completion(answer)
    except UpstreamProtocolError:
        return None
    return ComparableAnswer(
        text=read.text,
        stop_reason=read.stop_reason,
        seconds=record.total_ms / 1000,
        model=record.sent_model,
        usage=Usage(record.input_tokens, record.output_tokens),
        adjustments=tuple(dict.fromkeys(made.kind for made in record.adjustments)),
    )


def _failed(recorded: Recorded, failure: str, tokens: float) -> ReplayResult:
    return ReplayResult(id=recorded.record.id, failure=failure, comparison=None, tokens=tokens)


def _words(problem: Exception) -> str:
    if isinstance(problem, AttemptFailed):
        return f"status {problem.error.status}"
    return _WORDS[type(problem)]


def _may_pass(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
