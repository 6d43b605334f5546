"""
Prometheus metrics, summed over all workers.

Labels are names of rules, routes, adjustments and of callers that the settings name, which are
few; never keys, models or other values that clients choose.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from proxy.comparison.compare import Comparison
from proxy.private_files import make_directory, open_file
from proxy.traffic import TrafficRecord

log = structlog.get_logger()

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
_FILES: Final = ("counter", "histogram", "gauge_livemax", "gauge_livesum")
_FILE_BYTES: Final = 64 * 1024
"""Bytes written to a new file: it is mapped into memory, and to touch a page that a full disk
has no block for raises SIGBUS."""
_HISTOGRAM_FILE_BYTES: Final = 256 * 1024
"""Bytes written to a new file of histograms, whose many buckets need more than a counter."""
_SECONDS: Final = (
    *(0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.09),
    *(float(f"{0.1 * 1.098**step:.4g}") for step in range(70)),
    *(80.0, 100.0, 150.0, 200.0, 300.0, 600.0),
)
"""
Bounds that leave no quantile more than 10 % wrong from a tenth of a second to a minute.

`histogram_quantile` interpolates within a bucket, so that it is wrong by its width at most.
"""
_SIMILARITIES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1)
_NONE: Final = ""


class _FineHistogram(Histogram):
    """A histogram with many buckets; prometheus_client would look at one after the other."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count an amount."""
        assert exemplar is None
        self._sum.inc(amount)
        # The last bound is infinite.
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)


class Metrics:
    """All metrics of one worker; its methods count one event each."""

    def __init__(self) -> None:
        self._shared = _shared_directory()
        self._registry = CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry, multiprocess_mode="livemax")
        self._exchanges = counter(
            "holdover_exchanges",
            "Completion requests that have ended.",
            ("route", "rule", "status", "blame"),
        )
        self._outcomes = counter(
            "holdover_outcomes",
            "Completion requests by how they ended; each is counted in exactly one outcome.",
            ("route", "rule", "outcome"),
        )
        seconds = partial(_FineHistogram, registry=self._registry, buckets=_SECONDS)
        self._began = seconds(
            "holdover_first_byte_seconds",
            "Seconds until the first byte of the response.",
            ("route", "rule"),
        )
        self._duration = seconds(
            "holdover_exchange_duration_seconds",
            "Seconds until the end of the response.",
            ("route", "rule"),
        )
        self._tokens = counter(
            "holdover_tokens",
            "Tokens that the upstream has counted: `input` or `output`.",
            ("route", "rule", "direction"),
        )
        self._named = counter(
            "holdover_caller_exchanges",
            "Completion requests that have ended, by callers that the settings name.",
            ("caller", "route"),
        )
        self._passed = counter(
            "holdover_passthrough_requests",
            "Requests for other paths that have ended; `other` is any path that is not known.",
            ("path", "status"),
        )
        self._adjustments = counter(
            "holdover_adjustments", "Adjustments made to requests or responses.", ("kind",)
        )
        self._second_tries = counter(
            "holdover_second_tries",
            "Requests sent to the fallback after the first try failed.",
            ("rule", "route"),
        )
        self._refused = counter(
            "holdover_exchanges_refused",
            "Requests refused before they were read: 429 to a caller, or 529 to all callers.",
            ("status",),
        )
        total = partial(Gauge, registry=self._registry, multiprocess_mode="livesum")
        self._running = total("holdover_exchanges_running", "Requests that are being served.")
        self._streams = total(
            "holdover_streams_running", "Requests for a stream among those that are being served."
        )
        self._waiting = total("holdover_exchanges_waiting", "Requests that wait for their turn.")
        self._body_bytes = total(
            "holdover_body_bytes_held", "Bytes of request bodies that are held."
        )
        self._connections = Gauge(
            "holdover_upstream_connections",
            "Connections to upstreams, for exchanges or shadows: `active`, `idle`, or `awaited` by "
            "requests whose turn to connect has not come.",
            ("purpose", "state"),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._skipped = counter(
            "holdover_shadows_skipped",
            "Shadow requests that were due but not sent.",
            ("rule", "reason"),
        )
        self._failed = counter(
            "holdover_shadows_failed", "Shadow requests that failed.", ("rule", "leg")
        )
        self._compared = counter(
            "holdover_shadows_compared",
            "Shadow responses compared with the response sent to the client.",
            ("rule", "leg", "equal", "same_stop_reason"),
        )
        self._similarity = histogram(
            "holdover_shadow_similarity",
            "Similarity of the two texts, from 0 to 1.",
            ("rule", "leg"),
            buckets=_SIMILARITIES,
        )
        self._reads = counter(
            "holdover_settings_reads",
            "Reloads of the settings file, counted by each worker.",
            ("outcome",),
        )
        self._bad = gauge(
            "holdover_settings_bad",
            "1 while the settings file is invalid and the last valid settings stay in use.",
        )
        self._tripped = gauge(
            "holdover_guard_tripped", "1 while a guard keeps a rule's share at zero.", ("rule",)
        )
        self._refused_keys = counter(
            "holdover_key_refusals",
            "Upstream responses that reject a key of Holdover's or require one.",
            ("setting",),
        )
        self._lost = counter(
            "holdover_records_lost", "Records that could not be stored; only the log has them."
        )
        self._dropped = counter(
            "holdover_journal_dropped_bytes",
            "Bytes that were not journalled, or were deleted to make room before they were stored.",
            ("kind",),
        )
        self._admin = counter(
            "holdover_admin_token_refused",
            "Refused admin tokens: wrong, sent after too many attempts, or sent as an API key.",
            ("reason",),
        )
        self._notices = counter(
            "holdover_notices",
            "Notices by what became of them: `sent` or `dropped`; `failed` counts attempts.",
            ("outcome",),
        )
        self._lines_dropped = counter(
            "holdover_log_lines_dropped",
            "Lines that the log has lost because nobody read it or its disk was full.",
        )
        self._memory = total("holdover_memory_bytes", "Memory in use by all workers.")
        self._descriptors = gauge(
            "holdover_open_descriptors_ratio",
            "Share of its file descriptors that a worker has open, from 0 to 1, at worst.",
        )
        self._processor = counter("holdover_cpu_seconds", "Processor time that workers have taken.")
        self._loop_delay = gauge(
            "holdover_loop_delay_seconds",
            "Seconds that a worker's event loop was late, at worst in the last ten seconds.",
        )
        # Cached: every exchange needs them, and a look-up by labels is slower than the count.
        self._exchanges_of = cache(self._exchanges.labels)
        self._outcomes_of = cache(self._outcomes.labels)
        self._began_of = cache(self._began.labels)
        self._duration_of = cache(self._duration.labels)
        self._tokens_of = cache(self._tokens.labels)
        self._named_of = cache(self._named.labels)
        self._adjustments_of = cache(self._adjustments.labels)
        self._known_trips: frozenset[str] = frozenset()

    def exchange_ended(self, record: TrafficRecord) -> None:
        """Count an exchange that has ended."""
        route, rule = record.route or _NONE, record.rule or _NONE
        status = str(record.status or _NONE)
        self._exchanges_of(route, rule, status, record.blame.value).inc()
        self._outcomes_of(route, rule, record.outcome.value).inc()
        if record.first_byte_ms is not None:
            self._began_of(route, rule).observe(record.first_byte_ms / 1000)
        self._duration_of(route, rule).observe(record.total_ms / 1000)
        if record.input_tokens:
            self._tokens_of(route, rule, "input").inc(record.input_tokens)
        if record.output_tokens:
            self._tokens_of(route, rule, "output").inc(record.output_tokens)
        if record.caller_name is not None:
            self._named_of(record.caller_name, route).inc()
        for kind in {made.kind for made in record.adjustments}:
            self._adjustments_of(kind).inc()
        if record.first_failure is not None:
            self._second_tries.labels(rule, route).inc()

    def exchanges_now(self, *, running: int, streams: int, waiting: int, body_bytes: int) -> None:
        """Show what is being served, what waits, and how large their bodies are."""
        self._running.set(running)
        self._streams.set(streams)
        self._waiting.set(waiting)
        self._body_bytes.set(body_bytes)

    def exchanges_refused(self, status: int, count: int) -> None:
        """Count requests that were refused before they were read."""
        self._refused.labels(str(status)).inc(count)

    def request_passed(self, path: str, status: int | None) -> None:
        """Count a request for one of a few known paths, or for `other`."""
        self._passed.labels(path, str(status or _NONE)).inc()

    def connections_now(self, purpose: str, *, active: int, idle: int, awaited: int) -> None:
        """Show how many connections to upstreams are open for a purpose, or waited for."""
        self._connections.labels(purpose, "active").set(active)
        self._connections.labels(purpose, "idle").set(idle)
        self._connections.labels(purpose, "awaited").set(awaited)

    def shadow_skipped(self, rule: str, reason: str) -> None:
        """Count a shadow request that was due but not sent."""
        self._skipped.labels(rule, reason).inc()

    def shadow_failed(self, rule: str, leg: str) -> None:
        """Count a shadow request that failed."""
        self._failed.labels(rule, leg).inc()

    def shadow_compared(self, rule: str, leg: str, comparison: Comparison) -> None:
        """Count a shadow response and its comparison."""
        equal, stop = str(comparison.equal).lower(), str(comparison.same_stop_reason).lower()
        self._compared.labels(rule, leg, equal, stop).inc()
        self._similarity.labels(rule, leg).observe(comparison.similarity)

    def settings_read(self, *, good: bool) -> None:
        """Count a reload; `good` if the settings were valid."""
        self._reads.labels("good" if good else "bad").inc()
        self._bad.set(0 if good else 1)

    def guards_tripped(self, rules: frozenset[str]) -> None:
        """Set the gauges of the rules whose guards are tripped now, and clear all others."""
        self._known_trips |= rules
        for rule in self._known_trips:
            self._tripped.labels(rule).set(rule in rules)

    def key_refused(self, setting: str) -> None:
        """Count a rejected key by its kind of setting; the log names the caller."""
        self._refused_keys.labels(setting.rpartition(".")[2]).inc()

    def records_lost(self, count: int) -> None:
        """Count records that could not be stored; only the log has them."""
        self._lost.inc(count)

    def journal_dropped(self, kind: str, size: int) -> None:
        """Count bytes of `contents` or `records` that were lost."""
        self._dropped.labels(kind).inc(size)

    def admin_token_refused(self, reason: str) -> None:
        """Count a token that was `wrong`, `slowed` (too many attempts) or right but `misplaced`."""
        self._admin.labels(reason).inc()

    def notice_ended(self, outcome: str) -> None:
        """Count a notice that was `sent` or `dropped`, or an attempt that `failed`."""
        self._notices.labels(outcome).inc()

    def log_lines_dropped(self, count: int) -> None:
        """Count lines that the log has lost."""
        self._lines_dropped.inc(count)

    def process_uses(
        self, *, memory_bytes: int, descriptors_ratio: float, cpu_seconds: float
    ) -> None:
        """Show what this worker uses, and count the processor time that it has taken since."""
        self._memory.set(memory_bytes)
        self._descriptors.set(descriptors_ratio)
        self._processor.inc(cpu_seconds)

    def loop_delayed(self, seconds: float) -> None:
        """Set how late the event loop of this worker has been."""
        self._loop_delay.set(seconds)

    def as_text(self, current: Collector | None = None) -> bytes:
        """Return the metrics of all workers in Prometheus's text format, and `current` ones."""
        if self._shared is None:
            text = generate_latest(self._registry)
        else:
            make_directory(self._shared)  # a cleaner of /tmp may have deleted it
            # Gauges of dead workers would report old states; their counters stay.
            for file in self._shared.glob("gauge_live*_*.db"):
                pid = int(file.stem.rpartition("_")[2])
                try:
                    with suppress(PermissionError):  # the process lives, under another user
                        os.kill(pid, 0)
                except ProcessLookupError:
                    mark_process_dead(pid, str(self._shared))  # type: ignore[no-untyped-call]
            all_workers = CollectorRegistry()
            MultiProcessCollector(all_workers, str(self._shared))  # type: ignore[no-untyped-call]
            text = generate_latest(all_workers)
        if current is not None:
            registry = CollectorRegistry()
            registry.register(current)
            text += generate_latest(registry)
        return text


def _shared_directory() -> Path | None:
    """Create this worker's files in the shared directory; None if it counts by itself."""
    if _SHARED not in os.environ:
        return None
    directory = Path(os.environ[_SHARED])
    try:
        make_directory(directory)
        for kind in _FILES:
            handle = open_file(directory / f"{kind}_{os.getpid()}.db", os.O_WRONLY | os.O_APPEND)
            with os.fdopen(handle, "ab") as file:
                if not file.tell():  # else an earlier worker with this pid left its counts
                    file.write(bytes(_HISTOGRAM_FILE_BYTES if kind == "histogram" else _FILE_BYTES))
    except OSError as exc:
        log.error("metrics_not_shared", directory=str(directory), reason=exc.strerror)
        values.ValueClass = values.MutexValue  # prometheus_client chose the shared kind at import
        return None
    return directory
