"""
Numbers for Prometheus: what is counted, under which names, for all workers together.

Labels are names of rules, routes and adjustments, which are few; never
callers, models or anything else that a client can make up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from proxy.comparison.compare import Comparison
from proxy.private_files import make_directory, open_file
from proxy.traffic import TrafficRecord
from proxy.traffic.status import LoaderStatus, RecordingStatus

log = structlog.get_logger()

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
_FILES: Final = ("counter", "histogram", "gauge_livemax")
_FILE_BYTES: Final = 64 * 1024
"""As large as they begin. Without blocks of their own, the first number on a full disk is a
SIGBUS: they are mapped."""
_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_SIMILARITIES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1)
_NONE: Final = ""


class Metrics:
    """All of them; an observer of everything that happens."""

    def __init__(self) -> None:
        self._shared = _shared_directory()
        self._registry = CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry, multiprocess_mode="livemax")
        self._exchanges = counter(
            "holdover_exchanges",
            "Completion requests answered.",
            ("route", "rule", "status", "blame"),
        )
        self._outcomes = counter(
            "holdover_outcomes",
            "Completion requests by how they ended; each is counted in exactly one outcome.",
            ("route", "rule", "outcome"),
        )
        self._began = histogram(
            "holdover_first_byte_seconds",
            "Time until the answer began.",
            ("route", "rule"),
            buckets=_SECONDS,
        )
        self._adjustments = counter("holdover_adjustments", "Adjustments made.", ("kind",))
        self._second_tries = counter(
            "holdover_second_tries", "Requests that were tried again elsewhere.", ("rule", "route")
        )
        self._skipped = counter(
            "holdover_shadows_skipped", "Shadows that were due and not sent.", ("rule", "reason")
        )
        self._failed = counter(
            "holdover_shadows_failed", "Shadows that came to nothing.", ("rule", "leg")
        )
        self._compared = counter(
            "holdover_shadows_compared",
            "Shadows compared with the client's answer.",
            ("rule", "leg", "equal", "same_stop_reason"),
        )
        self._similarity = histogram(
            "holdover_shadow_similarity",
            "How much of the text is the same, 0 to 1.",
            ("rule", "leg"),
            buckets=_SIMILARITIES,
        )
        self._reads = counter(
            "holdover_settings_reads",
            "Times the settings file was read again, by each worker.",
            ("outcome",),
        )
        self._bad = gauge(
            "holdover_settings_bad", "1 while the settings file is not followed because it is bad."
        )
        self._tripped = gauge(
            "holdover_guard_tripped", "1 while a guard keeps a rule's share at zero.", ("rule",)
        )
        self._refused_keys = counter(
            "holdover_key_refusals",
            "Answers that refuse a key held here, or that miss one.",
            ("setting",),
        )
        self._lost = counter("holdover_records_lost", "Records that are nowhere but in the log.")
        self._dropped = counter(
            "holdover_journal_dropped_bytes",
            "What was not kept, or made room for newer evidence before it was in the store.",
            ("kind",),
        )
        self._admin = counter(
            "holdover_admin_token_refused",
            "Wrong admin tokens, those beyond the limit, and the right one in a wrong place.",
            ("reason",),
        )
        # For every exchange; to find a number by its labels takes longer than to count.
        self._exchanges_of = cache(self._exchanges.labels)
        self._outcomes_of = cache(self._outcomes.labels)
        self._began_of = cache(self._began.labels)
        self._adjustments_of = cache(self._adjustments.labels)
        self._known_trips: frozenset[str] = frozenset()

    def exchange_ended(self, record: TrafficRecord) -> None:
        """One exchange is over, however it ended."""
        route, rule = record.route or _NONE, record.rule or _NONE
        status = str(record.status or _NONE)
        self._exchanges_of(route, rule, status, record.blame.value).inc()
        self._outcomes_of(route, rule, record.outcome.value).inc()
        if record.first_byte_ms is not None:
            self._began_of(route, rule).observe(record.first_byte_ms / 1000)
        for kind in {made.kind for made in record.adjustments}:
            self._adjustments_of(kind).inc()
        if record.first_failure is not None:
            self._second_tries.labels(rule, route).inc()

    def shadow_skipped(self, rule: str, reason: str) -> None:
        """One was due and not sent."""
        self._skipped.labels(rule, reason).inc()

    def shadow_failed(self, rule: str, leg: str) -> None:
        """One was sent and came to nothing."""
        self._failed.labels(rule, leg).inc()

    def shadow_compared(self, rule: str, leg: str, comparison: Comparison) -> None:
        """One came back."""
        equal, stop = str(comparison.equal).lower(), str(comparison.same_stop_reason).lower()
        self._compared.labels(rule, leg, equal, stop).inc()
        self._similarity.labels(rule, leg).observe(comparison.similarity)

    def settings_read(self, *, good: bool) -> None:
        """The settings file was read again."""
        self._reads.labels("good" if good else "bad").inc()
        self._bad.set(0 if good else 1)

    def guards_tripped(self, rules: frozenset[str]) -> None:
        """These guards are tripped, now."""
        self._known_trips |= rules
        for rule in self._known_trips:
            self._tripped.labels(rule).set(rule in rules)

    def key_refused(self, setting: str) -> None:
        """Upstream refused a key of ours; whose, of all callers, is in the log."""
        self._refused_keys.labels(setting.rpartition(".")[2]).inc()

    def records_lost(self, count: int) -> None:
        """So many records are nowhere but in the log."""
        self._lost.inc(count)

    def journal_dropped(self, kind: str, size: int) -> None:
        """So many bytes of `contents` or `records` are not kept."""
        self._dropped.labels(kind).inc(size)

    def admin_token_refused(self, reason: str) -> None:
        """It was `wrong`, `slowed` after too many of these, or right and `misplaced`."""
        self._admin.labels(reason).inc()

    def as_text(self, evidence: RecordingStatus | None = None) -> bytes:
        """All of it, of all workers, in Prometheus's format."""
        text = self._counted()
        if evidence is not None:
            registry = CollectorRegistry()
            registry.register(_OfEvidence(evidence))
            text += generate_latest(registry)
        return text

    def _counted(self) -> bytes:
        if self._shared is None:
            return generate_latest(self._registry)
        make_directory(self._shared)  # who cleans up /tmp may have taken it for old
        _forget_the_dead(self._shared)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
        return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class _OfEvidence(Collector):
    """What no worker counts by itself."""

    state: RecordingStatus

    def collect(self) -> Iterable[Metric]:
        """The numbers as they are now."""
        state, loader = self.state, self.state.loader or LoaderStatus()
        for name, text, value in (
            ("journal_waiting_bytes", "Evidence not in the store yet.", state.waiting_bytes),
            ("journal_failed", "1 while records wait in memory.", state.problem is not None),
            ("store_failed", "1 while the store takes nothing.", loader.problem is not None),
            ("loader_silent_seconds", "Since the loader said something.", state.silent_seconds),
        ):
            yield GaugeMetricFamily(f"holdover_{name}", text, value=value)
        for name, text, value in (
            ("store_rows", "Added to the store.", loader.rows),
            ("journal_damaged_bytes", "Passed over in journals.", loader.damaged_bytes),
            ("journal_unreadable_entries", "Whole, and refused.", loader.unreadable),
        ):
            yield CounterMetricFamily(f"holdover_{name}", text, value=value)


def _shared_directory() -> Path | None:
    """Where workers count together, with room; None: this one counts by itself."""
    if _SHARED not in os.environ:
        return None
    directory = Path(os.environ[_SHARED])
    try:
        make_directory(directory)
        for kind in _FILES:
            handle = open_file(directory / f"{kind}_{os.getpid()}.db", os.O_WRONLY | os.O_APPEND)
            with os.fdopen(handle, "ab") as file:
                if not file.tell():  # else it is of another worker with this number, and counts
                    file.write(bytes(_FILE_BYTES))
    except OSError as exc:
        log.error("metrics_not_shared", directory=str(directory), reason=exc.strerror)
        values.ValueClass = values.MutexValue  # it was chosen when that was imported
        return None
    return directory


def _forget_the_dead(directory: Path) -> None:
    """Gauges say what is; those of workers that are gone say what was."""
    for file in directory.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not _is_alive(pid):
            mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        with suppress(PermissionError):  # somebody else's is no less alive
            os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
