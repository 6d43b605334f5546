"""
The phases in which a server ends.

SIGTERM: it drains (serves, but says that it will not for long), stops (takes no connections, and
lets exchanges end) and is gone. SIGINT, from a person, does not drain. A second signal of either
kind ends everything at once.
"""

from __future__ import annotations

import enum
import signal
from typing import Final


class Phase(enum.IntEnum):
    """How far a server has come; it only ever goes on."""

    SERVING = 0
    DRAINING = 1
    """Serves on, says that it is not ready, and closes each connection after its answer."""
    STOPPING = 2
    """Takes no further connections, and gives running exchanges time to end."""
    ENDING = 3
    """Tells running exchanges that it shuts down, and ends."""


STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def phase_after(phase: Phase, signum: int) -> Phase:
    """Return the phase that one of `STOP_SIGNALS` leads to."""
    if phase is not Phase.SERVING:
        return Phase.ENDING
    return Phase.DRAINING if signum == signal.SIGTERM else Phase.STOPPING
