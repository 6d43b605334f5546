"""Metrics that are not counted but read when they are scraped; they say what this worker sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from platform import python_version
from typing import Final, TypeAlias, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.rollout import RetiringModel, Rollout
from proxy.rollout.rule_schema import BASIS_POINTS, Action
from proxy.traffic.status import LoaderStatus, RecordingStatus

_BUILD: Final = {"version": version("holdover"), "python": python_version()}

_Labels: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurrentState(Collector):
    """The settings in force, and the status of the recording."""

    rollout: Rollout
    settings_version: str | None
    settings_loaded: datetime
    retiring: Sequence[RetiringModel]
    """Models that are asked and end within 90 days."""
    recording: RecordingStatus | None
    """Status of journal and loader; None if the server keeps no records."""

    def collect(self) -> Iterable[Metric]:
        """Yield the current values."""
        yield _gauge("build_info", "1; the labels say what runs.", [(_BUILD, 1)])
        yield _gauge(
            "settings_info",
            "1; the label says which version of the settings file is followed.",
            [({"version": self.settings_version or ""}, 1)],
        )
        yield _gauge(
            "settings_loaded_timestamp_seconds",
            "Time at which the settings in force were loaded.",
            [({}, self.settings_loaded.timestamp())],
        )
        yield _gauge(
            "rule_share_ratio",
            "Share of matching requests that a rule takes by the settings, from 0 to 1.",
            [({"rule": rule.name}, rule.share / BASIS_POINTS) for rule in self.rollout.rules],
        )
        chosen = self.rollout.override.action if self.rollout.override else None
        yield _gauge(
            "override_active",
            "1 while the kill switch sends every request by this route.",
            [({"route": action}, action == chosen) for action in get_args(Action)],
        )
        yield _gauge(
            "model_retires_timestamp_seconds",
            "Time at which a model stops answering, of models that are asked and do so in 90 days.",
            [
                (
                    {"model": each.model},
                    datetime.fromisoformat(f"{each.retires}T00:00Z").timestamp(),
                )
                for each in self.retiring
            ],
        )
        if self.recording is not None:
            yield from _recording(self.recording)


def _recording(state: RecordingStatus) -> Iterator[Metric]:
    loader = state.loader or LoaderStatus()
    for name, text, value in (
        (
            "journal_waiting_bytes",
            "Bytes in journals that are not in the store yet.",
            state.waiting_bytes,
        ),
        (
            "journal_failed",
            "1 while the journal cannot be written and records wait in memory.",
            state.problem is not None,
        ),
        ("store_failed", "1 while the store cannot be written.", loader.problem is not None),
        (
            "loader_silent_seconds",
            "Seconds since the loader last reported.",
            state.silent_seconds,
        ),
        (
            "loader_behind_seconds",
            "Seconds since everything that was journalled was in the store.",
            state.behind_seconds,
        ),
    ):
        yield _gauge(name, text, [({}, value)])
    for name, text, value in (
        ("store_rows", "Rows added to the store.", loader.rows),
        ("journal_damaged_bytes", "Damaged bytes skipped in journals.", loader.damaged_bytes),
        (
            "journal_unreadable_entries",
            "Intact journal entries that could not be decoded.",
            loader.unreadable,
        ),
    ):
        yield CounterMetricFamily(f"holdover_{name}", text, value=value)


def _gauge(name: str, text: str, values: Iterable[tuple[_Labels, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"holdover_{name}", text)
    for labels, value in values:
        family.add_sample(f"holdover_{name}", dict(labels), value)
    return family
