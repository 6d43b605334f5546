"""
Profiles of hypothesis: how many examples a law is tried on.

`quick` is the default, `commit` is what `.ci/run` takes, and `thorough` is for every night and
for who looks for faults: subtle cuts between chunks hide so well that a few hundred examples do
not find each of them.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

_QUICK: Final = 60
_COMMIT: Final = 250
_THOROUGH: Final = 1_000
_MIN_EXAMPLES: Final = 20


def register_profiles() -> None:
    """Make all known to `--hypothesis-profile`, and load the quick one."""
    for name, max_examples in {
        "quick": _QUICK,
        "commit": _COMMIT,
        "thorough": _THOROUGH,
    }.items():
        settings.register_profile(
            name, max_examples=max_examples, deadline=None, derandomize="CI" in os.environ
        )
    settings.load_profile("quick")


def is_quick() -> bool:
    """Return True in the profile in which only a sample of all cases is tried."""
    return settings().max_examples <= _QUICK


def is_thorough() -> bool:
    """Return True in the profile in which every case is tried."""
    return settings().max_examples >= _THOROUGH


def scaled(thorough: int, *, at_least: int = _MIN_EXAMPLES) -> int:
    """Return `thorough` in the thorough profile, in proportion fewer in a quicker one.

    For laws whose single examples are expensive, and for tests that do a thing many times.
    """
    share = settings().max_examples / _THOROUGH
    return max(int(thorough * share), min(thorough, at_least))
