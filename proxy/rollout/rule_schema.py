"""
What an operator may write in `[[rollout]]`: the shapes, and what a rule must be by itself.

What rules must be together, and beside the other settings, is in
`rollout.contradictions`. Types are strict: `share = "25"` is a mistake, not 25.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from translators import AdjustmentKind

Action: TypeAlias = Literal["translate", "forward", "refuse"]
By: TypeAlias = Literal["caller", "user_id", "prompt", "random"]
Strictness: TypeAlias = Literal["strict", "lenient"]
Capture: TypeAlias = Literal["off", "digest", "full"]
"""Of what was said: nothing; how long it was, and a digest; the redacted text."""
Prefill: TypeAlias = Literal["continue", "instruct", "reroute", "reject"]

BASIS_POINTS: Final = 10_000
"""All of the traffic: shares have two decimals of a percent."""


def _as_moment(value: object) -> object:
    """A day stands for its first moment in UTC; a time without its offset stands for nothing."""
    if isinstance(value, str):
        value = _day_or_time(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("say which time that is: end it with Z, or an offset such as +02:00")
        try:
            value.astimezone(UTC)
        except OverflowError as exc:
            raise ValueError("there is no such time in UTC") from exc
    return value


def _day_or_time(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return datetime.fromisoformat(value)


def _as_text(value: object) -> object:
    """`2023-06-01` without quotes is a date to TOML."""
    return value.isoformat() if isinstance(value, date) else value


def _as_route(value: object) -> object:
    return {"action": value} if isinstance(value, str) else value


def _with_two_decimals(value: object) -> object:
    if isinstance(value, float) and math.isfinite(value) and value != round(value, 2):
        raise ValueError("a share has two decimals at most")
    return value


Moment = Annotated[datetime, BeforeValidator(_as_moment)]
Percent = Annotated[float, Field(ge=0, le=100), BeforeValidator(_with_two_decimals)]
Pattern: TypeAlias = str
"""As of a shell: `*`, `?`, `[...]`; case matters."""


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Kind = Annotated[AdjustmentKind, Field(strict=False)]


class Match(_Written):
    """Which requests a rule is about; what is not said matches all."""

    model: Pattern | None = Field(default=None, min_length=1)
    caller: Pattern | None = None
    """The name of a caller, or the digest of one that has none."""
    key: Pattern | None = None
    """The digest of the key that the client sends."""
    user_agent: Pattern | None = None
    anthropic_version: Annotated[Pattern | None, BeforeValidator(_as_text)] = None
    """`none` is a request without the header."""
    header: dict[str, Pattern] = Field(default_factory=dict)
    streamed: bool | None = None


class RouteSettings(_Written):
    """One way to answer a request; what is None is as the settings outside the rules say."""

    action: Action
    model: str | None = Field(default=None, min_length=1)
    prefill: Prefill | None = None
    prefill_model: str | None = Field(default=None, min_length=1)
    strictness: Strictness | None = None
    refuse: Annotated[frozenset[_Kind], Field(strict=False)] = frozenset()

    @model_validator(mode="after")
    def _has_only_what_it_uses(self) -> Self:
        if self.action != "translate":
            for name in ("model", "prefill", "prefill_model", "strictness", "refuse"):
                if getattr(self, name):
                    raise ValueError(f'{name}: only for action = "translate"')
        return self


class ShadowSettings(RouteSettings):
    """A second answer that nobody gets, to be compared with the first."""

    action: Literal["translate", "forward"] = "translate"
    share: Percent = 100
    control: bool = False
    """Send the first request once more too: how much a model differs from itself."""
    daily_tokens: int = Field(default=1_000_000, gt=0)


class FallbackSettings(RouteSettings):
    """A second try, before the client got its first byte."""

    action: Literal["translate", "forward"]
    timeout: Annotated[float | None, Field(gt=0, le=86_400)] = None
    """Seconds that the first try gets until its answer begins."""


class Guard(_Written):
    """When a share falls to zero by itself; compared with the traffic outside the rule."""

    errors_above: float | None = Field(default=None, ge=0, lt=100)
    """By how many points of percent its share of errors may be above that of the rest."""
    p95_ratio: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    """How many times as long as the rest it may take until its answers begin (95th percentile)."""
    window: float = Field(default=60, ge=1, le=3600)
    """Seconds that are looked back."""
    min_count: int = Field(default=50, ge=1)
    """Fewer exchanges in the window say nothing."""

    @model_validator(mode="after")
    def _guards_something(self) -> Self:
        if self.errors_above is None and self.p95_ratio is None:
            raise ValueError("errors_above or p95_ratio: a guard needs one of them")
        return self


class BrownOut(_Written):
    """Some minutes in which requests are refused, so that whoever still sends them notices."""

    start: Moment
    minutes: float = Field(gt=0, le=24 * 60)
    every: Literal["day", "week"] | None = None
    until: Moment | None = None
    """Repetitions that would begin then, or later, do not."""


class Campaign(_Written):
    """What the callers of a rule are told of the end that is coming."""

    deprecated: Moment | None = None
    sunset: Moment | None = None
    link: str | None = Field(default=None, pattern=r"^https?://[!-;=?-~]+$")
    brown_outs: Annotated[tuple[BrownOut, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.deprecated and self.sunset and self.sunset < self.deprecated:
            raise ValueError("sunset: is before deprecated")
        return self


class RuleSettings(RouteSettings):
    """One `[[rollout]]` table."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    match: Match = Match()
    share: Percent = 100
    by: By | None = None
    shadow: Annotated[ShadowSettings | None, BeforeValidator(_as_route)] = None
    on_failure: Annotated[FallbackSettings | None, BeforeValidator(_as_route)] = None
    guard: Guard | None = None
    campaign: Campaign = Campaign()
    capture: Capture | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.by is not None and "share" not in self.model_fields_set:
            raise ValueError("by: there is no share to choose by it")
        if self.action == "refuse":
            for name in ("shadow", "on_failure", "guard"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name}: a refusal asks nobody")
        return self


class OverrideSettings(RouteSettings):
    """`[rollout-override]`: every request goes this way, whatever the rules say."""


Override = Annotated[OverrideSettings | None, BeforeValidator(_as_route)]
