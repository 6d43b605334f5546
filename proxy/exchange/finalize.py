"""
Finishes an exchange that is over: records, counts, judges and logs it.

This happens just before the last bytes leave, so that a client that has seen
the end of an exchange can find its record, whatever happens to this process.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from proxy.errors import Blame
from proxy.exchange.context import ExchangeContext
from proxy.exchange.record_builder import build_record
from proxy.observability.metrics import Metrics
from proxy.outcome import Outcome
from proxy.rollout.guard_stats import OTHERS
from proxy.security.keyring import refuses_key
from proxy.security.redaction import Redactor
from proxy.traffic import TrafficRecord
from proxy.traffic.redact_bodies import ExchangeBodies
from proxy.traffic.status import Recording
from proxy.workers.guards import Guards
from proxy.workers.model_users import ModelUsers
from translators import Catalogue

log = structlog.get_logger("holdover.traffic")

_NOTHING: Final[Mapping[str, object]] = {}
_UNTRIED: Final = (
    Outcome.NOT_ADMITTED,
    Outcome.REFUSED,
    Outcome.OVERLOADED,
    Outcome.CUT_OFF,
)
"""Outcomes that say nothing about a route: no upstream decided them."""


class Verdict(enum.Enum):
    """The evidence that one exchange gives about the rule that decided it."""

    FINE = enum.auto()
    FAILED = enum.auto()
    LEFT = enum.auto()
    """The client left; its wait is the least time that the answer would have taken."""
    NOTHING = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeFinalizer:
    """Finalizes exchanges, each once; called again for the same one it does nothing."""

    evidence: Recording | None
    redactor: Redactor
    metrics: Metrics
    guards: Guards
    model_users: ModelUsers

    async def __call__(self, context: ExchangeContext) -> None:
        """Keep the bodies, if they are captured, and then the record."""
        if context.is_finalized:
            return
        if self.evidence is not None and context.capture is not None:
            bodies = ExchangeBodies(
                id=context.id,
                received=context.received_text,
                capture=context.capture,
                plan=context.plan,
                dialect=context.dialect,
                reply_headers=context.response_headers,
                hide=context.hiding(self.redactor),
            )
            context.capture = None
            await self.evidence.contents.write(bodies)
        if not context.is_finalized:  # while that was written, the client may have gone
            context.is_finalized = True
            record = build_record(context, self.redactor)
            self.finalize(record, context.log_only, lacked_model=context.lacked_model)
            if context.spans is not None:
                context.spans.end(record, context.hiding(self.redactor))
            catalogue = context.decision.route.policy.catalogue if context.decision else None
            if catalogue and (user := user_of_ending_model(record, catalogue)):
                self.model_users.note(*user)

    def finalize(
        self,
        record: TrafficRecord,
        log_only: Mapping[str, object] = _NOTHING,
        *,
        lacked_model: bool = False,
    ) -> None:
        """Store, count, judge and log a record; only the log gets the fields in `log_only`."""
        if self.evidence is not None:
            self.evidence.journal_writer.add(record)
        self.metrics.exchange_ended(record)
        verdict = verdict_on(record, lacked_model=lacked_model)
        if verdict is not Verdict.NOTHING:
            milliseconds = record.total_ms if record.first_byte_ms is None else record.first_byte_ms
            caller = record.caller_name or record.caller or OTHERS
            is_error = None if verdict is Verdict.LEFT else verdict is Verdict.FAILED
            self.guards.count(record.rule, caller, milliseconds / 1000, is_error=is_error)
        log.info("exchange", **record.as_fields(), **log_only)


def user_of_ending_model(record: TrafficRecord, catalogue: Catalogue) -> tuple[str, str] | None:
    """Return model and caller of an exchange if the model's end is known and to come."""
    # A forwarded request went to the model it asks for, even if a first try sent another.
    name = record.asked_model if record.route == "forward" else record.sent_model
    model = catalogue.find(name) if name else None
    caller = record.caller_name or record.caller
    if model is None or model.retires is None or caller is None:
        return None
    return (model.id, caller) if model.retires > record.received else None


def verdict_on(record: TrafficRecord, *, lacked_model: bool) -> Verdict:
    """
    Return what an exchange says about the route that its rule decided on.

    A fallback that answers does not make up for a first route that failed.

        no upstream was asked, or a shutdown cut it off     NOTHING: any client can cause that
        the client's model does not exist there             NOTHING: nor does it without the rule
        the upstream refused the client's own key (401-403) NOTHING
        it failed in any other way                          FAILED
        the client left before the answer began, or         LEFT
          while it was told about an error
        it was answered, if only by a model's refusal       FINE
    """
    was_asked = record.upstream_ms is not None or record.first_failure is not None
    may_be_asked = record.outcome in {Outcome.CLIENT_GONE, Outcome.UPSTREAM_ERROR}
    is_untried = record.route is None or record.outcome in _UNTRIED
    if is_untried or lacked_model or not (was_asked or may_be_asked):
        return Verdict.NOTHING
    if record.first_failure is not None:
        return Verdict.FAILED
    if record.status is not None and refuses_key(record.status):
        return Verdict.NOTHING
    if record.outcome is Outcome.CLIENT_GONE:
        is_told = record.first_byte_ms is not None and record.blame is Blame.NOBODY
        return Verdict.FINE if is_told else Verdict.LEFT
    return Verdict.FAILED if record.outcome.is_error else Verdict.FINE
