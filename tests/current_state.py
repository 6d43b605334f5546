"""What a worker with given settings shows when it is scraped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from proxy.config.build import build_runtime_config
from proxy.config.sources import load_settings
from proxy.observability.current_state import CurrentState
from proxy.rollout import RetiringModel
from proxy.security.redaction import Digester
from proxy.traffic.status import RecordingStatus


def current_state(
    recording: RecordingStatus | None = None,
    retiring: Sequence[RetiringModel] = (),
    **settings: Any,
) -> CurrentState:
    """The state of a worker that has loaded these settings at the beginning of 2026."""
    runtime = build_runtime_config(load_settings(**settings), Digester(None))
    return CurrentState(
        rollout=runtime.rollout,
        settings_version="0123abcd",
        settings_loaded=datetime(2026, 1, 1, tzinfo=UTC),
        retiring=retiring,
        recording=recording,
    )
