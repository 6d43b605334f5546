"""
The record of an exchange, built from what its context knows once it is over.

Texts of clients and upstreams are redacted and cut here; nothing that leaves
this module contains a key or the text of a prompt.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final, TypeAlias

from proxy.exchange.context import ExchangeContext
from proxy.headers import joined
from proxy.security.redaction import Redacted, Redactor, in_brief
from proxy.traffic import MadeAdjustment, TrafficRecord, detect_sdk

_WORD_LENGTH: Final = 256
"""Longest name that is kept: a client may call itself, or a model, anything."""
_TEXT_LENGTH: Final = 4096
"""Longest sum of a record's texts that is worth remembering in redacted form."""
_MAX_INT64: Final = 2**63 - 1
_REQUEST_ID: Final = re.compile(r"req_[0-9A-Za-z]{1,64}")
"""An id of the API's own form; it is unique and names nobody, so it is not redacted."""

_Words: TypeAlias = tuple[str | None, ...]
_Made: TypeAlias = tuple[tuple[str, str, str, str], ...]
"""Adjustments, as the four texts of a `MadeAdjustment`."""


@dataclass(frozen=True, slots=True)
class _RedactedTexts:
    words: tuple[Redacted | None, ...]
    adjustments: tuple[MadeAdjustment, ...]


def build_record(context: ExchangeContext, redactor: Redactor) -> TrafficRecord:
    """Return the record of an exchange that ends now."""
    plan, decision = context.plan, context.decision
    asked, caller, features = context.request, context.caller, context.features
    request_id = context.request_id
    texts = _redacted(
        redactor,
        (
            context.path,
            None if _REQUEST_ID.fullmatch(request_id) else request_id,
            joined(context.headers, b"user-agent"),
            detect_sdk(context.headers),
            joined(context.headers, b"anthropic-version"),
            context.first_failure,
            asked.model if asked else None,
            plan.sent_model if plan else None,
            context.answered_model,
            context.upstream_stop_reason,
            context.error.type if context.error else None,
        ),
        tuple([(made.kind.value, made.field, made.asked, made.sent) for made in plan.adjustments])
        if plan
        else (),
        context.keys(),
    )
    (path, other_id, user_agent, sdk, version, first_failure, *words) = texts.words
    (asked_model, sent_model, answered_model, upstream_stop_reason, error_type) = words
    assert path is not None

    def milliseconds_until(moment: float | None) -> float | None:
        return None if moment is None else _milliseconds(moment - context.started)

    return TrafficRecord(
        id=context.id,
        request_id=other_id or Redacted(request_id),
        received=context.received_text,
        path=path,
        caller=caller.digest if caller else None,
        caller_name=caller.name if caller else None,
        key=caller.destination(context.route).digest if caller else None,
        user_agent=user_agent,
        sdk=sdk,
        version=version,
        dialect=context.dialect.version if context.dialect else None,
        streamed=context.streams,
        features=features.names if features else (),
        turns=features.turns if features else None,
        prompt_characters=features.prompt_characters if features else None,
        max_tokens=_storable_integer(asked.max_tokens_to_sample) if asked else None,
        temperature=asked.temperature if asked else None,
        top_p=asked.top_p if asked else None,
        top_k=_storable_integer(asked.top_k) if asked else None,
        stops=len(asked.stop_sequences) if asked and asked.stop_sequences is not None else None,
        route=context.route,
        rule=decision.rule.name if decision and decision.rule else None,
        why=decision.why.value if decision else None,
        first_failure=first_failure,
        asked_model=asked_model,
        sent_model=sent_model,
        answered_model=answered_model,
        adjustments=texts.adjustments,
        status=context.status,
        stop_reason=context.stop_reason,
        upstream_stop_reason=upstream_stop_reason,
        error_type=error_type,
        failure=context.failure,
        blame=context.ending.blame,
        client_gone=context.client_gone,
        outcome=context.outcome,
        input_tokens=context.usage.input_tokens,
        output_tokens=context.usage.output_tokens,
        request_bytes=context.request_bytes,
        reply_bytes=context.reply_bytes,
        upstream_ms=milliseconds_until(context.answered),
        first_token_ms=milliseconds_until(context.first_token),
        first_byte_ms=milliseconds_until(context.first_byte),
        total_ms=_milliseconds(time.perf_counter() - context.started),
    )


def _redacted(redactor: Redactor, words: _Words, made: _Made, keys: list[str]) -> _RedactedTexts:
    """Redact the texts of a record; those without a key are remembered for the next record."""
    together = "\0".join(filter(None, chain(words, *made)))
    is_common = len(together) <= _TEXT_LENGTH and together.isascii()
    if is_common and not any(key and key in together for key in keys):
        return _redact_or_recall(redactor.text, words, made)
    return _redact_by(redactor.hiding(keys), words, made)


def _redact_by(hide: Callable[[str], Redacted], words: _Words, made: _Made) -> _RedactedTexts:
    def redacted(word: str) -> Redacted:
        if not word.isascii() or "\0" in word:
            # No store takes NUL (PostgreSQL) or a lone surrogate (UTF-8).
            word = word.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        return in_brief(word, hide, _WORD_LENGTH)

    return _RedactedTexts(
        tuple(None if word is None else redacted(word) for word in words),
        tuple(MadeAdjustment(kind, *map(redacted, rest)) for kind, *rest in made),
    )


_redact_or_recall: Final = lru_cache(1024)(_redact_by)
"""Recalls, since most exchanges of a client repeat the texts of an earlier one."""


def _storable_integer(number: int | None) -> int | None:
    """Return the number as an integer of at most 64 bits, as a column of the store holds it."""
    return None if number is None else min(number, _MAX_INT64)


def _milliseconds(seconds: float) -> float:
    return int(seconds * 1_000_000 + 0.5) / 1_000  # `round` takes three times as long
