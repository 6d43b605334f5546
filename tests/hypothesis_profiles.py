"""
Profiles of hypothesis: how many examples a law is tried on.

`quick` is the default. CI runs `thorough` (`pytest --hypothesis-profile thorough`): subtle cuts
between chunks hide so well that a few hundred examples do not find them.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

_QUICK: Final = 60
_THOROUGH: Final = 1_000
_MIN_EXAMPLES: Final = 20


def register_profiles() -> None:
    """Make both known to `--hypothesis-profile`, and load the quick one."""
    for name, max_examples in {"quick": _QUICK, "thorough": _THOROUGH}.items():
        settings.register_profile(
            name, max_examples=max_examples, deadline=None, derandomize="CI" in os.environ
        )
    settings.load_profile("quick")


def is_thorough() -> bool:
    """Return True in the thorough profile, which CI runs."""
    return settings().max_examples >= _THOROUGH


def scaled(thorough: int, *, at_least: int = _MIN_EXAMPLES) -> int:
    """Return `thorough` in the thorough profile, in proportion fewer in a quicker one.

    For laws whose single examples are expensive, and for tests that do a thing many times.
    """
    share = settings().max_examples / _THOROUGH
    return max(int(thorough * share), min(thorough, at_least))
