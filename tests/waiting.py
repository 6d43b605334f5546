"""Waiting for what another thread or process does: with more patience than any machine needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

PATIENCE_SECONDS: Final = 240.0
"""What is waited for comes in a second or two; on a slow machine that is busy with more, later."""
STEP_SECONDS: Final = 0.01
MAX_STEP_SECONDS: Final = 0.1
"""Looking is work, too: what has not come soon is looked for less often."""


def wait_for(find: Callable[[], Found | None], about: Callable[[], object] = lambda: None) -> Found:
    """Call `find` until it returns something true, and return that; fail with `about`."""
    deadline, step = time.monotonic() + PATIENCE_SECONDS, STEP_SECONDS
    while not (found := find()):
        assert time.monotonic() < deadline, f"not in {PATIENCE_SECONDS:.0f} seconds: {about()}"
        time.sleep(step)
        step = min(step * 1.2, MAX_STEP_SECONDS)
    return found
