"""Ask a recorded request again by the present rules, and compare the answers."""

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
from proxy.traffic.store.replay_results import RecordedExchange, ReplayResult
from proxy.upstream.attempt import AttemptFailed
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.legacy_request import LegacyRequest
from translators import (
    InvalidCompletionRequest,
    ModelRefused,
    TranslationError,
    UpstreamProtocolError,
    Usage,
    read_completion,
)

log = structlog.get_logger()

_MAX_ANSWER_SECONDS: Final = 600
_MAX_WAIT_SECONDS: Final = 120
_RATE_LIMITED: Final = HTTPStatus.TOO_MANY_REQUESTS
_FAILURE_NAMES: Final[Mapping[type[Exception], str]] = {
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
    *(KeyRefused, MissingKey),
    *(UpstreamUnreachable, InvalidCompletionRequest),
)
"""Errors for which no tokens count: the request was refused or never sent. After an answer that
broke off, the cost is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks requests again; one asker serves a whole replay."""

    config: RuntimeConfig
    dispatcher: Dispatcher
    redactor: Redactor
    """Redacts new answers, because the recorded ones were redacted."""
    pauses: tuple[float, ...] = (1, 2, 4, 8)
    """Seconds before each further try, unless upstream says how long to wait."""

    async def ask(self, recorded: RecordedExchange) -> ReplayResult:
        """Ask once more and compare; errors become results too."""
        try:
            request, then, decision = await asyncio.to_thread(self._prepare, recorded)
            if decision.action == "refuse":
                return _failed(recorded, "refused by a rule", 0)
            if request.parsed is None:  # not even forwarded, as recording may have damaged it
                return _failed(recorded, "not readable", 0)
            if then is None:
                return _failed(recorded, "nothing to compare with", 0)
            if not request.caller.destination(decision.route.action).credential.secret:
                raise MissingKey
            now = await self._answer(request, decision.route)
            return await asyncio.to_thread(self._compare, recorded, then, now)
        except AttemptFailed as exc:
            return _failed(recorded, f"status {exc.error.status}", 0)
        except (Failure, TranslationError, TimeoutError) as exc:
            cost = 0.0 if isinstance(exc, _COST_NOTHING) else recorded.tokens
            return _failed(recorded, _FAILURE_NAMES[type(exc)], cost)
        except Exception as exc:  # noqa: BLE001 - nothing about one request may end the replay
            log.error("replay_crashed", id=recorded.record.id, **describe_crash(exc))
            return _failed(recorded, "crashed", recorded.tokens)

    def _prepare(
        self, recorded: RecordedExchange
    ) -> tuple[LegacyRequest, ComparableAnswer | None, Decision]:
        record = recorded.record
        body, answer = recorded.texts()
        caller = caller_of(record, self.config.keyring)
        headers = headers_of(record)
        request = LegacyRequest.read(caller, headers, b"", body)
        question = Question(
            caller=caller,
            headers=headers,
            request=request.completion_request,
            now=datetime.now(UTC),
        )
        decision = decide(self.config.rollout, question)
        try:
            read = read_completion(answer)
        except UpstreamProtocolError:
            return request, None, decision
        then = ComparableAnswer(
            text=read.text,
            stop_reason=read.stop_reason,
            seconds=record.total_ms / 1000,
            model=record.sent_model,
            usage=Usage(record.input_tokens, record.output_tokens),
            adjustments=tuple(dict.fromkeys(made.kind for made in record.adjustments)),
        )
        return request, then, decision

    async def _answer(self, request: LegacyRequest, route: Route) -> ComparableAnswer:
        """Ask, and try again where waiting may help; errors of the last try are raised."""
        for pause in self.pauses:
            try:
                return await self._answer_once(request, route)
            except AttemptFailed as exc:
                status = exc.error.status
                if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != _RATE_LIMITED:
                    raise
                wait = pause if exc.retry_after is None else exc.retry_after
            except UpstreamUnreachable:
                wait = pause
            await asyncio.sleep(min(wait, _MAX_WAIT_SECONDS))
        return await self._answer_once(request, route)

    async def _answer_once(self, request: LegacyRequest, route: Route) -> ComparableAnswer:
        async with asyncio.timeout(_MAX_ANSWER_SECONDS):
            return await collect_answer(self.dispatcher, request, route)

    def _compare(
        self, recorded: RecordedExchange, then: ComparableAnswer, now: ComparableAnswer
    ) -> ReplayResult:
        counted = (now.usage.input_tokens or 0) + (now.usage.output_tokens or 0)
        now = replace(now, text=self.redactor.text(now.text))
        return ReplayResult(
            id=recorded.record.id,
            failure=None,
            comparison=compare(then, now).redacted(self.redactor.text).as_fields(),
            tokens=counted or recorded.tokens,  # legacy upstreams report no usage
        )


def caller_of(record: TrafficRecord, keyring: Keyring) -> Caller:
    """
    Return the caller as rules see it, with the operator's keys.

    A caller without a name is identified by the digest of its key. It always
    falls into the same shares, but they may differ from those of the key itself.
    """
    return keyring.absent(
        name=record.caller_name,
        digest=record.caller or CallerDigest(""),
        identity=(record.caller_name or record.caller or "").encode(),
    )


def headers_of(record: TrafficRecord) -> Headers:
    """Return the headers that are known of a recorded request."""
    known = ((b"anthropic-version", record.version), (b"user-agent", record.user_agent))
    return [
        (b"content-type", b"application/json"),
        *((name, value.encode("latin-1", "replace")) for name, value in known if value),
    ]


def _failed(recorded: RecordedExchange, failure: str, tokens: float) -> ReplayResult:
    return ReplayResult(id=recorded.record.id, failure=failure, comparison=None, tokens=tokens)
