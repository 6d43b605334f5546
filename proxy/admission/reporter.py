"""Reports once a second what runs and waits, and how many exchanges of whom were refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final, Protocol

import structlog

from proxy.admission.admission import Admission
from proxy.errors import Failure

log = structlog.get_logger()

_REPORT_SECONDS: Final = 1
_MAX_CALLERS: Final = 1_000
_OTHERS: Final = "others"


class AdmissionObserver(Protocol):
    """Shows admission, for example as metrics."""

    def exchanges_now(self, *, running: int, streams: int, waiting: int, body_bytes: int) -> None:
        """Show how many exchanges and streams run, how many wait, and what their bodies take."""
        ...

    def exchanges_refused(self, status: int, count: int) -> None:
        """Count exchanges that were refused with this status."""
        ...


class AdmissionReporter:
    """
    The exchanges that were refused since the last report.

    A flood that is refused must cost little, so there is no record of each.
    """

    def __init__(self, admission: Admission, observer: AdmissionObserver) -> None:
        self._admission = admission
        self._observer = observer
        self._refused = Counter[tuple[str, int, str]]()

    def count_refused(self, caller: str, failure: Failure) -> None:
        """Count a refused exchange of a caller."""
        key = (caller, failure.status, str(failure))
        if key not in self._refused and len(self._refused) >= _MAX_CALLERS:
            key = (_OTHERS, *key[1:])
        self._refused[key] += 1

    async def keep_reporting(self) -> None:
        """Report once a second."""
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            self.report()

    def report(self) -> None:
        """Log and count what was refused since the last report, and show what runs and waits."""
        admission = self._admission
        self._observer.exchanges_now(
            running=admission.running,
            streams=admission.streams,
            waiting=admission.waiting,
            body_bytes=admission.bodies.held,
        )
        refused, self._refused = self._refused, Counter()
        for (caller, status, reason), count in refused.items():
            self._observer.exchanges_refused(status, count)
            log.warning(
                "exchanges_refused", caller=caller, count=count, status=status, reason=reason
            )
