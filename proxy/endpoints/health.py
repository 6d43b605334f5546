"""
Health probes and metrics: `/healthz`, `/readyz` and `/metrics`.

`/readyz` names each reason why this worker is less than ready. It answers 503 only for those
that another worker or machine may not have, because a balancer that turned away from all of
them at once, say for a store that is down, would serve nobody.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.admission import Admission
from proxy.config.reload import ConfigReloader
from proxy.endpoints.openapi import as_described
from proxy.endpoints.own_answers import METHODS
from proxy.endpoints.page_types import (
    Alive,
    CurrentProblem,
    FollowedSettings,
    LoopDelaySeconds,
    Readiness,
    Reason,
    TrippedRule,
    json_response,
)
from proxy.loop_delay import LATE_SECONDS, LoopDelay
from proxy.notices.kinds import KINDS, Problem
from proxy.observability.current_state import CurrentState
from proxy.observability.metrics import CONTENT_TYPE, Metrics
from proxy.rollout import RetiringModel, retiring_models
from proxy.traffic.status import Recording
from proxy.workers.guards import Guards
from proxy.workers.key_health import KeyHealth
from proxy.workers.model_users import ModelUsers

_BEHIND_SECONDS: Final = 180


_DRAINING: Final = Reason(
    "draining",
    "The server was told to stop and soon takes no more connections. Send requests elsewhere.",
    turns_away=True,
)

Check: TypeAlias = Callable[[], Reason | None]
"""Returns the reason if there is one at present; is called for each request to `/readyz`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPages:
    """The pages, and what they look at."""

    reloader: ConfigReloader
    guards: Guards
    keys: KeyHealth
    metrics: Metrics
    retiring: Callable[[], tuple[RetiringModel, ...]]
    """Returns the models that are asked and end soon."""
    recording: Recording | None
    loop_delay: LoopDelay
    checks: Sequence[Check]
    find_problems: Callable[[], Iterable[Problem]]
    """Returns all that is wrong at present, also what keeps no request away."""

    def routes(self) -> list[Route]:
        """Return the routes to the pages."""
        pages = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}
        return [
            Route(path, as_described(path, page), methods=METHODS) for path, page in pages.items()
        ]

    async def _healthz(self, _: Request) -> Response:
        # The event loop answers, so the process is alive.
        delay = LoopDelaySeconds(
            round(self.loop_delay.seconds, 3), round(self.loop_delay.worst_seconds, 3)
        )
        return json_response(Alive("alive", delay))

    async def _readyz(self, request: Request) -> Response:
        reloader, guards = self.reloader, self.guards
        version, rollout = reloader.version, reloader.config.rollout
        reasons = [reason for check in self.checks if (reason := check())]
        is_draining = request.scope.get("state", {}).get("draining", False)  # says the server
        if is_draining:
            reasons.insert(0, _DRAINING)
        is_ready = not any(reason.turns_away for reason in reasons)
        readiness = Readiness(
            status="draining" if is_draining else "ready" if is_ready else "not_ready",
            reasons=reasons,
            problems=[
                CurrentProblem(each.kind, each.subject, each.text, KINDS[each.kind].advice)
                for each in self.find_problems()
            ],
            settings=FollowedSettings(
                version=version.digest,
                loaded=version.loaded.isoformat(timespec="seconds"),
                problem=version.problem,
                waiting_for_restart=version.waiting,
            ),
            rules=len(rollout.rules),
            override=rollout.override.action if rollout.override else None,
            tripped={
                trip.rule: TrippedRule(since=trip.since, reason=trip.reason)
                for trip in guards.trips.values()
                if trip.rule in guards.tripped
            },
            state_is_shared=guards.shared_state.is_usable,
            refused_keys=self.keys.problems(reloader.config.keyring),
            retiring=self.retiring(),
            evidence=self.recording.state if self.recording else None,
        )
        return json_response(readiness, 200 if is_ready else 503)

    async def _metrics(self, _: Request) -> Response:
        current = CurrentState(
            rollout=self.reloader.config.rollout,
            settings_version=self.reloader.version.digest,
            settings_loaded=self.reloader.version.loaded,
            retiring=self.retiring(),
            recording=self.recording.state if self.recording else None,
        )
        # In a thread, because the files of many workers and rules take a while to read.
        text = await asyncio.to_thread(self.metrics.as_text, current)
        return Response(text, media_type=CONTENT_TYPE)


def retiring_now(reloader: ConfigReloader, model_users: ModelUsers) -> tuple[RetiringModel, ...]:
    """Return the models that are asked and end soon, by the rules and callers of this moment."""
    today = datetime.now(UTC).date().isoformat()
    return retiring_models(reloader.config.rollout, today, model_users.callers_of)


def health_checks(
    loop_delay: LoopDelay,
    admission: Admission,
    recording: Recording | None,
    *,
    state_dir: Path,
    journal_max_bytes: int,
) -> list[Check]:
    """Return all checks of a worker."""
    checks: list[Check] = [
        partial(late_loop, loop_delay),
        StateDirectoryCheck(state_dir),
        partial(no_room, admission),
    ]
    if recording is not None:
        checks.append(partial(loader_behind, recording, max_bytes=journal_max_bytes))
    return checks


def late_loop(delay: LoopDelay) -> Reason | None:
    """Find out whether the event loop has more to do than it gets done, and not for a moment."""
    if delay.lasting_seconds < LATE_SECONDS:
        return None
    return Reason(
        "loop_late",
        f"The event loop is {delay.lasting_seconds:.3f} seconds late, {LATE_SECONDS} or more: this "
        "worker has more to do than it gets done. Send it less, or run more workers.",
        turns_away=True,
    )


def no_room(admission: Admission) -> Reason | None:
    """Find out whether requests are refused because too many run and wait."""
    if not admission.is_full:
        return None
    return Reason(
        "refusing_requests",
        f"{admission.running} requests run and {admission.waiting} wait, so that others are "
        "refused with 529. Run more workers or machines, or raise `max_exchanges`.",
        turns_away=True,
    )


class StateDirectoryCheck:
    """Finds out whether somebody has removed the state directory since the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first = _identity(path)

    def __call__(self) -> Reason | None:
        """Return the reason, which stays until the restart if the directory was made again."""
        found = _identity(self._path)
        if found is None:
            return Reason(
                "state_directory_missing",
                f"{self._path} (`state_dir`) is gone: workers cannot tell each other anything, and "
                "records wait in memory. Put it back, or let the user of Holdover create it.",
            )
        self._first = self._first or found
        if found == self._first:
            return None
        return Reason(
            "state_directory_replaced",
            f"{self._path} (`state_dir`) is not the one that was there at the start. What the old "
            "one held is missing here: tripped guards, the history of the settings, `digest.key`, "
            "and the store if it was kept there. Put that back if you can, then restart.",
        )


def _identity(directory: Path) -> tuple[int, int] | None:
    try:
        found = directory.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def loader_behind(recording: Recording, *, max_bytes: int) -> Reason | None:
    """Find out whether records wait for the store for long, or fill half of their room."""
    state = recording.state
    if state.behind_seconds < _BEHIND_SECONDS and state.waiting_bytes <= max_bytes / 2:
        return None
    problem = state.loader and state.loader.problem
    return Reason(
        "loader_behind",
        f"{state.waiting_bytes} bytes wait for the store, which has been complete "
        f"{state.behind_seconds:.0f} seconds ago ({problem or 'the loader is slow'}). Above "
        f"{max_bytes} (`journal_max_bytes`) the oldest are dropped. Check `traffic_url`.",
    )
