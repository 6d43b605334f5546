"""What is done with the record of an exchange once it is over: logged, counted, judged by."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import structlog

from proxy.guards import Guards
from proxy.metrics import Metrics
from proxy.traffic import TrafficRecord

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
        if record.first_byte_ms is not None and _says_something(record):
            seconds = record.first_byte_ms / 1000
            self.guards.count(record.rule, seconds, is_error=_has_failed(record))


def _says_something(record: TrafficRecord) -> bool:
    """A refusal is what the operator wanted, and who is gone got nothing: neither is judged by."""
    return not record.client_gone and record.route != "refuse"


def _has_failed(record: TrafficRecord) -> bool:
    """Also what a second try has made good: the guard is about the rule's first leg."""
    is_error = (record.status or 0) >= HTTPStatus.BAD_REQUEST
    return is_error or record.error_type is not None or record.first_failure is not None
