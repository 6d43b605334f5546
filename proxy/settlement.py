"""What is done with the record of an exchange once it is over: logged, counted, judged by."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import structlog

from proxy.failures import Blame
from proxy.guards import Guards
from proxy.metrics import Metrics
from proxy.traffic import TrafficRecord

_NOT_LET_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

log = structlog.get_logger("holdover.traffic")


@dataclass(frozen=True, slots=True)
class Settlement:
    """Called once for every exchange, however it ended."""

    metrics: Metrics
    guards: Guards

    def __call__(self, record: TrafficRecord) -> None:
        """Tell everybody."""
        log.info("exchange", **record.as_fields())
        self.metrics.exchange_ended(record)
        if _says_something(record):
            milliseconds = record.total_ms if record.first_byte_ms is None else record.first_byte_ms
            self.guards.count(record.rule, milliseconds / 1000, is_error=_has_failed(record))


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
