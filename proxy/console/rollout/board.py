"""All that a page about the rules shows: the rules, what was recorded, what has tripped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from proxy.config.build import rollout_of
from proxy.config.settings import Settings
from proxy.console.rollout.preview import Reach, looked_at, reach_of_rules
from proxy.console.rollout.sentences import sentences_of
from proxy.console.rollout.server_state import GuardState, tripped_guards
from proxy.console.server_client import ServerAnswer
from proxy.rollout import basis_points
from proxy.rollout.rule_schema import RuleSettings
from proxy.timestamps import DAY_MS, HOUR_MS
from proxy.traffic.store.rule_traffic import (
    Decided,
    NewestRequests,
    decided_by_rule,
    newest_requests,
)
from proxy.traffic.store.store import Store
from proxy.workers.guards import read_trips
from proxy.workers.shared_state import TRIPS, SharedState, directory_for

MOST_READ: Final = 5_000
"""The newest exchanges from which it is said whom a share takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was recorded that concerns the rules."""

    decided: dict[str | None, Decided]
    """In the last hour, by rule."""
    newest: NewestRequests
    """Of the last day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """One rule."""

    rule: RuleSettings
    sentences: list[str]
    tripped: GuardState | None
    decided: Decided
    reach: Reach | None
    """Callers whose requests reach it; None if the records cannot be read."""

    @property
    def buckets(self) -> int:
        """Its share as it is written, in buckets."""
        return basis_points(self.rule.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The rules in their order."""

    rules: list[RuleView]
    recorded: Recorded | None

    @property
    def undecided(self) -> Decided:
        """Exchanges of the last hour that no rule has decided."""
        return Decided() if self.recorded is None else self.recorded.decided.get(None, Decided())

    def find(self, name: str) -> RuleView | None:
        """Return the rule with this name, if there is one."""
        return next((view for view in self.rules if view.rule.name == name), None)


def recorded_traffic(store: Store, settings: Settings, now_ms: int) -> Recorded:
    """Read what was recorded that concerns these rules."""
    return Recorded(
        decided=decided_by_rule(store, now_ms - HOUR_MS, now_ms + 1),
        newest=newest_requests(store, now_ms - DAY_MS, MOST_READ, looked_at(settings)),
    )


def guard_states(
    settings: Settings, config: Path | None, answer: ServerAnswer
) -> dict[str, GuardState]:
    """Return the guards that have tripped, of rules that have a guard."""
    notes = SharedState(directory_for(settings.state_dir, config)).read(TRIPS)
    tripped = tripped_guards(answer, read_trips(notes))
    guarded = {rule.name for rule in settings.rollout if rule.guard is not None}
    return {rule: state for rule, state in tripped.items() if rule in guarded}


def board_of(
    settings: Settings,
    recorded: Recorded | None,
    guards: dict[str, GuardState],
    now: datetime,
) -> Board:
    """Put everything about the rules together; raises `InvalidSettings`."""
    reaches: dict[str, Reach] = {}
    if recorded is not None:
        reaches = reach_of_rules(
            settings,
            rollout_of(settings),
            recorded.newest.groups,
            tripped=frozenset(guards),
            now=now,
        )
    return Board(
        rules=[
            RuleView(
                rule=rule,
                sentences=sentences_of(rule),
                tripped=guards.get(rule.name),
                decided=Decided()
                if recorded is None
                else recorded.decided.get(rule.name, Decided()),
                reach=reaches.get(rule.name),
            )
            for rule in settings.rollout
        ],
        recorded=recorded,
    )
