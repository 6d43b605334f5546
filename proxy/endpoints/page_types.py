"""
The types of what Holdover itself answers, from which the pages and their description are made.

Completions and errors are spelled by the translators; their types are here for the description.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from starlette.responses import Response

from proxy.rollout import RetiringModel
from proxy.traffic.status import RecordingStatus
from proxy.workers.key_health import Refusal
from translators import CompletionStopReason


def json_response(value: msgspec.Struct, status: int = 200) -> Response:
    """Return a response with a value of one of these types."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


class CompletionOf2023June(msgspec.Struct):
    """Answer to `POST /v1/complete` with `anthropic-version: 2023-06-01`."""

    type: Literal["completion"]
    id: str
    completion: str
    stop_reason: CompletionStopReason
    model: str
    stop: str | None
    log_id: str


class CompletionOf2023January(msgspec.Struct):
    """Answer to `POST /v1/complete` with `anthropic-version: 2023-01-01`, or without one."""

    completion: str
    stop: str | None
    stop_reason: CompletionStopReason
    truncated: bool
    log_id: str
    model: str
    exception: None


class ErrorDetail(msgspec.Struct):
    """The kind of an error, and a sentence about it."""

    type: str
    message: str


class Error(msgspec.Struct):
    """Any error, of Holdover or of upstream."""

    type: Literal["error"]
    error: ErrorDetail
    request_id: str | None = None


class LoopDelaySeconds(msgspec.Struct):
    """How late the event loop is, now and at worst in the last ten seconds."""

    seconds: float
    worst_seconds: float


class Alive(msgspec.Struct):
    """Answer of `/healthz`."""

    status: Literal["alive"]
    loop_delay: LoopDelaySeconds


class Reason(msgspec.Struct, frozen=True):
    """Why a worker is less than ready."""

    name: str
    """Name of the reason in snake_case, which never changes."""
    message: str
    """A sentence about what has happened, and one about what to do."""
    turns_away: bool = False
    """True if a balancer should send requests elsewhere meanwhile."""


class FollowedSettings(msgspec.Struct):
    """The version of the settings that is followed, and what is wrong with a newer one."""

    version: str | None
    loaded: str
    problem: str | None
    waiting_for_restart: tuple[str, ...]


class TrippedRule(msgspec.Struct):
    """A rule whose guard keeps its share at zero."""

    since: str
    reason: str


class CurrentProblem(msgspec.Struct):
    """Something that is wrong at present and needs a person, as notices tell it too."""

    kind: str
    """Name of the kind, which never changes."""
    subject: str
    """The rule, setting or model that it is about; empty if there is but one such problem."""
    text: str
    """A sentence about what has happened."""
    advice: str
    """A sentence about what to do; empty if the text says it."""


class Readiness(msgspec.Struct):
    """Answer of `/readyz`."""

    status: Literal["ready", "not_ready", "draining"]
    reasons: list[Reason]
    problems: list[CurrentProblem]
    settings: FollowedSettings
    rules: int
    override: str | None
    tripped: dict[str, TrippedRule]
    state_is_shared: bool
    refused_keys: dict[str, Refusal]
    retiring: tuple[RetiringModel, ...]
    evidence: RecordingStatus | None


class RuleInForce(msgspec.Struct):
    """A rule as it is followed."""

    name: str
    action: str
    share: float
    by: str
    tripped: bool


class RulesInForce(msgspec.Struct):
    """Answer of `/holdover/rollout`."""

    version: str | None
    override: str | None
    rules: list[RuleInForce]


class Lessons(msgspec.Struct):
    """Answer of `/holdover/lessons`."""

    lessons: list[dict[str, Any]]
