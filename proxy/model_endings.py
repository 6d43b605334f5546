"""
When a model ends, and whether that is soon: one definition for reports, commands and probes.

Upstream ends a model at 9 AM Pacific; days are exact enough for plans, so days are counted.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from translators import Model

SOON_DAYS: Final = 90


class ModelEnding(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a model that has come, or is near."""

    day: str
    days_left: int
    """Days until then; 0 or less if it is past."""
    is_certain: bool
    """False if the day is only the earliest possible one."""

    @property
    def is_to_come(self) -> bool:
        """True if it is certain that the model ends, and it still answers."""
        return self.is_certain and self.days_left > 0


def ending_of(model: Model, today: str) -> ModelEnding | None:
    """Return the end of a model if it has ended, or does or may within 90 days, or None."""
    day = model.retires or model.retires_not_before
    if day is None:
        return None
    days_left = (date.fromisoformat(day) - date.fromisoformat(today)).days
    if days_left > SOON_DAYS:
        return None
    return ModelEnding(day=day, days_left=days_left, is_certain=model.retires is not None)
