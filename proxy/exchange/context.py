"""
What is known of one exchange so far: notes on the way in, a record at the end.

The only value in here that changes. Everything the record, the log line and
the headers of the reply say is read from it, so they agree.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from itertools import chain
from typing import NamedTuple, TypeAlias

import msgspec

from proxy.error_app import new_request_id
from proxy.errors import Blame, Failure, KeyRefused
from proxy.headers import Headers, end_to_end, first, joined, passed_down
from proxy.rollout import Decision, campaign_headers
from proxy.rollout.rule_schema import Action, Capture
from proxy.security.credentials import secrets_in
from proxy.security.keyring import Caller
from proxy.security.redaction import Redacted, Redactor, in_brief
from proxy.timestamps import to_milliseconds
from proxy.traffic import BodyCapture, MadeAdjustment, TrafficRecord, detect_sdk
from translators import (
    CompletionRequest,
    CompletionStopReason,
    Dialect,
    Features,
    Plan,
    TranslatedError,
    Usage,
    error_type,
)

_HEADER_LENGTH = 1024
"""Of the headers we add: far below what any client refuses."""
_WORD_LENGTH = 256
"""A client may call itself, or a model, whatever it likes; a line of the log is a line."""
_TEXT_LENGTH = 4096
_MAX_INT64 = 2**63 - 1
_REQUEST_ID = re.compile(r"req_[0-9A-Za-z]{1,64}")
"""Never the same twice, so no redactor remembers it; and nobody's name."""
_MAX_COMPARED_BYTES = 32 * 1024 * 1024
"""The old dialect repeats itself: the square of the longest legacy answer fits."""
_NOTHING_USED = Usage()
_OF_THE_API = (b"application/json", b"text/event-stream")


class ExchangeContext(msgspec.Struct, kw_only=True):
    """Notes on one exchange, in the order in which they are learnt."""

    path: str
    headers: Headers
    query: bytes = b""
    id: str = msgspec.field(default_factory=new_request_id)
    started: float = msgspec.field(default_factory=time.perf_counter)
    received: float = msgspec.field(default_factory=time.time)
    caller: Caller | None = None
    dialect: Dialect | None = None
    request_bytes: int = 0
    request: CompletionRequest | None = None
    features: Features | None = None
    decision: Decision | None = None
    route: Action | None = None
    """Of the leg that answers, or has failed last."""
    first_failure: str | None = None
    """Why the first leg failed, where a second one was tried."""
    first_lacked_model: bool = False
    """It failed because there is no such model as the client named."""
    plan: Plan | None = None
    answer_headers: Headers = []
    answered: float | None = None
    """When the head of upstream's answer was there."""
    first_token: float | None = None
    answered_model: str | None = None
    upstream_stop_reason: str | None = None
    stop_reason: CompletionStopReason | None = None
    usage: Usage = _NOTHING_USED
    status: int | None = None
    first_byte: float | None = None
    reply_bytes: int = 0
    error: TranslatedError | None = None
    failure: str | None = None
    """What went wrong, where it is we who say so."""
    blame: Blame = Blame.NOBODY
    client_gone: bool = False
    is_finalized: bool = False
    """Its record is written."""
    heard: list[bytes] | None = None
    """The answer, where somebody wants to compare it: text if translated, else as it came."""
    heard_bytes: int = 0
    capture: BodyCapture | None = None
    """What is said, where the operator wants that kept."""
    when_begun: Callable[[], None] = lambda: None
    """Called as soon as the reply begins, so that it is too late for another."""

    @property
    def request_id(self) -> str:
        """Of upstream, if it gave one; else ours."""
        given = first(self.answer_headers, b"request-id")
        return given.decode("latin-1") if given else self.id

    def begin_capture(self, level: Capture, body: bytes) -> None:
        """Keep what is said, as far as the operator wants that."""
        if level != "off":
            self.capture = BodyCapture(level=level, started=self.started, legacy_in=body)

    def begin_attempt(self, action: Action) -> None:
        """Forget the answer of an earlier leg; what was decided and asked stays."""
        self.route, self.plan = action, None
        self.answer_headers, self.answered, self.first_token = [], None, None
        self.answered_model = self.upstream_stop_reason = self.stop_reason = None
        self.usage, self.failure = _NOTHING_USED, None
        if self.heard is not None:
            self.heard, self.heard_bytes = [], 0
        if self.capture is not None:
            translated_stream = action == "translate" and self.streams
            repeats = self.dialect is not None and self.dialect.is_cumulative
            self.capture.begin_attempt(repeats=translated_stream and repeats)

    def set_plan(self, plan: Plan) -> None:
        """Note how the leg asks."""
        self.plan = plan

    def set_response(self, headers: Headers) -> None:
        """Note that upstream answers."""
        self.answer_headers, self.answered = headers, time.perf_counter()

    def set_failure(self, failure: Failure) -> None:
        """Note that the leg fails by this, and what the client is told beside it."""
        self.failure = failure.detail
        if isinstance(failure, KeyRefused):
            self.set_response(list(failure.headers))

    def set_first_failure(self, error: TranslatedError) -> None:
        """Note that the first leg has failed, and a second one is tried."""
        self.first_failure = f"{error.status} {error.type}"
        self.first_lacked_model = self._lacks_model(error.status)

    @property
    def lacked_model(self) -> bool:
        """Whether the leg that was decided on failed for want of the model that was asked for."""
        if self.first_failure is not None:
            return self.first_lacked_model
        return self._lacks_model(self.error.status if self.error else None)

    def _lacks_model(self, status: int | None) -> bool:
        """Whether upstream itself, no web server before it, knows no model of the client's name."""
        is_chosen_here = self.plan is not None and self.plan.sent_model != self.plan.asked_model
        content_type = first(self.answer_headers, b"content-type") or b""
        is_of_the_api = content_type.lower().startswith(_OF_THE_API)
        return status == HTTPStatus.NOT_FOUND and is_of_the_api and not is_chosen_here

    def mark_first_token(self) -> None:
        """Note that there is text to pass on; called for the first of it."""
        self.first_token = time.perf_counter()

    def note_forwarded_error(self, status: int) -> None:
        """Note that what is passed on is an error, whatever it says."""
        is_client = status < HTTPStatus.INTERNAL_SERVER_ERROR
        self.error = TranslatedError(status, error_type(status), "", None)
        self.blame = Blame.CLIENT if is_client else Blame.UPSTREAM

    def hear(self, said: bytes) -> None:
        """Keep a piece of the answer, if anybody wants it."""
        if self.heard is not None:
            self.heard.append(said)
            self.heard_bytes += len(said)
            if self.heard_bytes > _MAX_COMPARED_BYTES:
                self.heard = None

    @property
    def received_text(self) -> str:
        """When its head was there: ISO 8601, UTC."""
        return to_milliseconds(self.received)

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return bool(self.request and self.request.stream)

    def begin_reply(self, status: int) -> Headers:
        """Note that the reply begins now; return its headers."""
        self._begin(status)
        headers = passed_down(self.answer_headers)
        if first(headers, b"request-id") is None:
            headers.append((b"request-id", self.id.encode()))
        if self.plan is not None and self.plan.adjustments:
            names = ", ".join(self.plan.adjustment_names)
            headers.append((b"holdover-adjustments", _header_value(names)))
        if self.answered_model:
            headers.append((b"holdover-model", _header_value(self.answered_model)))
        if self.upstream_stop_reason:
            headers.append((b"holdover-stop-reason", _header_value(self.upstream_stop_reason)))
        return headers + self._of_the_rule()

    def begin_forwarded_reply(self, status: int) -> Headers:
        """The same for an answer that is passed on as it is."""
        self._begin(status)
        return end_to_end(self.answer_headers) + self._of_the_rule()

    def _begin(self, status: int) -> None:
        self.status, self.first_byte = status, time.perf_counter()
        self.when_begun()

    def _of_the_rule(self) -> Headers:
        if self.decision is None or self.decision.rule is None:
            return []
        rule = self.decision.rule
        return [(b"holdover-rule", rule.name.encode()), *campaign_headers(rule.campaign)]

    def hiding(self, redactor: Redactor) -> Callable[[str], Redacted]:
        """How to redact what was said here: without the keys of this exchange, too."""
        return redactor.hiding(self._keys())

    def _keys(self) -> list[str]:
        keys = secrets_in(self.headers)
        if self.caller is not None:
            keys += self.caller.held_secrets
        return [key.decode("latin-1") for key in keys]

    def record(self, redactor: Redactor) -> TrafficRecord:
        """What is kept of it."""
        plan, decision, asked, caller = self.plan, self.decision, self.request, self.caller
        features = self.features
        request_id = self.request_id
        kept = _kept(
            redactor,
            (
                self.path,
                None if _REQUEST_ID.fullmatch(request_id) else request_id,
                joined(self.headers, b"user-agent"),
                detect_sdk(self.headers),
                joined(self.headers, b"anthropic-version"),
                self.first_failure,
                asked.model if asked else None,
                plan.sent_model if plan else None,
                self.answered_model,
                self.upstream_stop_reason,
                self.error.type if self.error else None,
            ),
            tuple(
                [(made.kind.value, made.field, made.asked, made.sent) for made in plan.adjustments]
            )
            if plan
            else (),
            self._keys(),
        )
        (path, other_id, user_agent, sdk, version, first_failure, *words) = kept.words
        (asked_model, sent_model, answered_model, upstream_stop_reason, error_type) = words
        assert path is not None
        return TrafficRecord(
            id=self.id,
            request_id=other_id or Redacted(request_id),
            received=self.received_text,
            path=path,
            caller=caller.digest if caller else None,
            caller_name=caller.name if caller else None,
            key=caller.destination(self.route).digest if caller else None,
            user_agent=user_agent,
            sdk=sdk,
            version=version,
            dialect=self.dialect.version if self.dialect else None,
            streamed=self.streams,
            features=features.names if features else (),
            turns=features.turns if features else None,
            prompt_characters=features.prompt_characters if features else None,
            max_tokens=_whole(asked.max_tokens_to_sample) if asked else None,
            temperature=asked.temperature if asked else None,
            top_p=asked.top_p if asked else None,
            top_k=_whole(asked.top_k) if asked else None,
            stops=len(asked.stop_sequences) if asked and asked.stop_sequences is not None else None,
            route=self.route,
            rule=decision.rule.name if decision and decision.rule else None,
            why=decision.why.value if decision else None,
            first_failure=first_failure,
            asked_model=asked_model,
            sent_model=sent_model,
            answered_model=answered_model,
            adjustments=kept.adjustments,
            status=self.status,
            stop_reason=self.stop_reason,
            upstream_stop_reason=upstream_stop_reason,
            error_type=error_type,
            failure=self.failure,
            blame=self.blame,
            client_gone=self.client_gone,
            input_tokens=self.usage.input_tokens,
            output_tokens=self.usage.output_tokens,
            request_bytes=self.request_bytes,
            reply_bytes=self.reply_bytes,
            upstream_ms=self._until(self.answered),
            first_token_ms=self._until(self.first_token),
            first_byte_ms=self._until(self.first_byte),
            total_ms=_milliseconds(time.perf_counter() - self.started),
        )

    def _until(self, moment: float | None) -> float | None:
        return None if moment is None else _milliseconds(moment - self.started)


_Words: TypeAlias = tuple[str | None, ...]
_Made: TypeAlias = tuple[tuple[str, str, str, str], ...]
"""Adjustments, as the words of a `MadeAdjustment`."""


class _Kept(NamedTuple):
    words: tuple[Redacted | None, ...]
    adjustments: tuple[MadeAdjustment, ...]


def _kept(redactor: Redactor, words: _Words, made: _Made, keys: list[str]) -> _Kept:
    """What clients and upstreams say of themselves, as it may be kept."""
    together = "\0".join(filter(None, chain(words, *made)))
    if len(together) <= _TEXT_LENGTH and together.isascii():
        for key in keys:
            if key and key in together:
                break
        else:
            return _kept_before(redactor, words, made)
    return _kept_by(redactor.hiding(keys), words, made)


@lru_cache(1024)
def _kept_before(redactor: Redactor, words: _Words, made: _Made) -> _Kept:
    """The same without any of the keys in it: as a rule an exchange is like one before."""
    return _kept_by(redactor.text, words, made)


def _kept_by(hide: Callable[[str], Redacted], words: _Words, made: _Made) -> _Kept:
    def kept(word: str) -> Redacted:
        return in_brief(_storable(word), hide, _WORD_LENGTH)

    return _Kept(
        tuple(None if word is None else kept(word) for word in words),
        tuple(MadeAdjustment(kind, *map(kept, rest)) for kind, *rest in made),
    )


def _storable(word: str) -> str:
    """PostgreSQL takes no NUL; half of a surrogate pair is not UTF-8."""
    if word.isascii() and "\0" not in word:
        return word
    return word.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _whole(number: float | None) -> int | None:
    """A number of tokens; as large as it may be written, a column of the store holds it."""
    return None if number is None else min(int(number), _MAX_INT64)


def _milliseconds(seconds: float) -> float:
    return int(seconds * 1_000_000 + 0.5) / 1_000  # `round` takes three times as long


def _header_value(text: str) -> bytes:
    # Upstream's own words, which need not be fit for a header.
    text = text[:_HEADER_LENGTH]
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if " " <= c <= "~" else "?" for c in text)
    return text.encode("ascii")
