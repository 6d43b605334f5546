"""
What is done with an exchange once it is over: kept, counted, judged by, logged.

It is done just before the last bytes leave, so that whoever has seen the end
of an exchange can find it in the evidence, whatever happens to this process.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import structlog

from proxy.errors import Blame, ShuttingDown
from proxy.exchange.context import ExchangeContext
from proxy.observability.metrics import Metrics
from proxy.rollout.guard_stats import OTHERS
from proxy.security.keyring import refuses_key
from proxy.security.redaction import Redactor
from proxy.traffic import TrafficRecord
from proxy.traffic.redact_bodies import ExchangeBodies
from proxy.traffic.status import Recording
from proxy.workers.guards import Guards

log = structlog.get_logger("holdover.traffic")


class Verdict(enum.Enum):
    """What one exchange says about a rule."""

    FINE = enum.auto()
    FAILED = enum.auto()
    LEFT = enum.auto()
    """It took so long at least."""
    NOTHING = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeFinalizer:
    """Called for every exchange, however it ended; the second time it does nothing."""

    evidence: Recording | None
    redactor: Redactor
    metrics: Metrics
    guards: Guards

    async def __call__(self, notes: ExchangeContext) -> None:
        """Write down what was said, and then the record; tell everybody."""
        if notes.is_finalized:
            return
        if self.evidence is not None and notes.capture is not None:
            spoken, notes.capture = _spoken(notes, self.redactor), None
            await self.evidence.contents.write(spoken)
        if not notes.is_finalized:  # while that was written, the client may have gone
            notes.is_finalized = True
            self.finalize(notes.record(self.redactor), lacked_model=notes.lacked_model)

    def finalize(self, record: TrafficRecord, *, lacked_model: bool = False) -> None:
        """What is done with the record."""
        if self.evidence is not None:
            self.evidence.journal_writer.add(record)
        self.metrics.exchange_ended(record)
        verdict = verdict_on(record, lacked_model=lacked_model)
        if verdict is not Verdict.NOTHING:
            milliseconds = record.total_ms if record.first_byte_ms is None else record.first_byte_ms
            caller = record.caller_name or record.caller or OTHERS
            is_error = None if verdict is Verdict.LEFT else verdict is Verdict.FAILED
            self.guards.count(record.rule, caller, milliseconds / 1000, is_error=is_error)
        log.info("exchange", **record.as_fields())


def _spoken(notes: ExchangeContext, redactor: Redactor) -> ExchangeBodies:
    assert notes.capture is not None
    return ExchangeBodies(
        id=notes.id,
        received=notes.received_text,
        capture=notes.capture,
        plan=notes.plan,
        dialect=notes.dialect,
        reply_headers=notes.answer_headers,
        hide=notes.hiding(redactor),
    )


def verdict_on(record: TrafficRecord, *, lacked_model: bool) -> Verdict:
    """
    What an exchange says about the leg that its rule decided on; a second try makes nothing good.

        nobody was asked: a rule refused it, or we did      NOTHING: anybody can bring that about
        a shutdown cut it off                               NOTHING
        there is no such model as the client named          NOTHING: nor is there without the rule
        upstream refused the client's own key (401 to 403)  NOTHING
        it failed in any other way: our key was refused,    FAILED
          another 4xx or 5xx, nobody there, too slow,
          broken off
        the client left before it was answered              LEFT
        it was answered, if only by a model's refusal       FINE
    """
    if _was_not_tried(record) or lacked_model:
        return Verdict.NOTHING
    if record.first_failure is not None:
        return Verdict.FAILED
    if record.status is not None and refuses_key(record.status):
        return Verdict.NOTHING
    if record.client_gone and (record.first_byte_ms is None or record.blame is not Blame.NOBODY):
        return Verdict.LEFT
    return Verdict.FINE if record.blame is Blame.NOBODY else Verdict.FAILED


def _was_not_tried(record: TrafficRecord) -> bool:
    is_cut_off = record.blame is Blame.HOLDOVER and record.status == ShuttingDown.status
    if record.route in {None, "refuse"} or is_cut_off:
        return True
    was_asked = record.upstream_ms is not None or record.first_failure is not None
    return not (was_asked or record.client_gone or record.blame is Blame.UPSTREAM)
