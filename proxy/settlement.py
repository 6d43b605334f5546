"""
What is done with an exchange once it is over: kept, counted, judged by, logged.

It is done just before the last bytes leave, so that whoever has seen the end
of an exchange can find it in the evidence, whatever happens to this process.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import structlog

from proxy.capture import Spoken
from proxy.evidence import Evidence
from proxy.failures import Blame
from proxy.guards import Guards
from proxy.metrics import Metrics
from proxy.notes import Notes
from proxy.redaction import Redactor
from proxy.traffic import TrafficRecord

_NOT_LET_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

log = structlog.get_logger("holdover.traffic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Called for every exchange, however it ended; the second time it does nothing."""

    evidence: Evidence | None
    redactor: Redactor
    metrics: Metrics
    guards: Guards

    async def __call__(self, notes: Notes) -> None:
        """Write down what was said, and then the record; tell everybody."""
        if notes.is_settled:
            return
        if self.evidence is not None and notes.tape is not None:
            spoken, notes.tape = _spoken(notes, self.redactor), None
            await self.evidence.contents.write(spoken)
        if not notes.is_settled:  # while that was written, the client may have gone
            notes.is_settled = True
            self.settle(notes.record(self.redactor))

    def settle(self, record: TrafficRecord) -> None:
        """What is done with the record."""
        if self.evidence is not None:
            self.evidence.keeper.keep(record)
        self.metrics.exchange_ended(record)
        if _says_something(record):
            milliseconds = record.total_ms if record.first_byte_ms is None else record.first_byte_ms
            self.guards.count(record.rule, milliseconds / 1000, is_error=_has_failed(record))
        log.info("exchange", **record.as_fields())


def _spoken(notes: Notes, redactor: Redactor) -> Spoken:
    assert notes.tape is not None
    return Spoken(
        id=notes.id,
        received=notes.received_text,
        tape=notes.tape,
        plan=notes.plan,
        dialect=notes.dialect,
        reply_headers=notes.answer_headers,
        hide=notes.hiding(redactor),
    )


def _says_something(record: TrafficRecord) -> bool:
    """
    Whether a leg can be judged by it: somebody was asked, and not in vain for want of a right key.

    What we refuse ourselves, anybody can bring about, and in no time. Who gave
    up waiting says that it took at least that long.
    """
    if record.route in {None, "refuse"} or record.status in _NOT_LET_IN:
        return False
    was_asked = record.upstream_ms is not None or record.first_failure is not None
    return was_asked or record.client_gone or record.blame is Blame.UPSTREAM


def _has_failed(record: TrafficRecord) -> bool:
    """Also what a second try has made good: the guard is about the rule's first leg."""
    if record.first_failure is not None:
        return True
    is_error = (record.status or 0) >= HTTPStatus.BAD_REQUEST
    return not record.client_gone and (is_error or record.error_type is not None)
