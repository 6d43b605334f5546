"""
Schema of `[[rollout]]`, with the checks that concern a single rule.

`rollout.validation` checks the rules against each other and against the other
settings. Types are strict: `share = "25"` is a mistake, not 25.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from translators import AdjustmentKind

Action: TypeAlias = Literal["translate", "forward", "refuse"]
By: TypeAlias = Literal["caller", "user_id", "prompt", "random"]
Strictness: TypeAlias = Literal["strict", "lenient"]
Capture: TypeAlias = Literal["off", "digest", "full"]
"""Part of prompts and answers to keep: nothing, sizes and digests, or redacted text."""
Prefill: TypeAlias = Literal["continue", "instruct", "reroute", "reject"]

BASIS_POINTS: Final = 10_000
"""Buckets in 100 %: shares have two decimals of a percent."""


def spelled_like(pattern: str, words: str) -> AfterValidator:
    """Return a check that a text is like a pattern; `words` say what is wrong if it is not."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(words)
        return text

    return AfterValidator(check)


def one_spelling_each(plain: Callable[[str], str]) -> BeforeValidator:
    """Return a check that a table has each name once, where `plain` makes spellings alike."""

    def check(written: object) -> object:
        if isinstance(written, dict):
            spellings: dict[str, str] = {}
            for name in map(str, written):
                if (other := spellings.setdefault(plain(name), name)) != name:
                    raise ValueError(f"`{other}` and `{name}` are the same name; keep one of them")
        return written

    return BeforeValidator(check)


def _as_moment(value: object) -> object:
    """Convert a day to its start in UTC; refuse a time without an offset."""
    if isinstance(value, str):
        text = value
        try:
            value = datetime.fromisoformat(text)
        except ValueError as exc:
            raise ValueError(
                "must be a date such as 2027-01-31, or a time such as 2027-01-31T09:00:00Z"
            ) from exc
        with suppress(ValueError):  # a day, which has no time and so no offset
            value = date.fromisoformat(text)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("has no time zone: end it with Z, or an offset such as +02:00")
        try:
            value.astimezone(UTC)
        except OverflowError as exc:
            raise ValueError("is outside the years 1 to 9999 in UTC") from exc
    return value


def _as_route(value: object) -> object:
    return {"action": value} if isinstance(value, str) else value


def _with_two_decimals(value: object) -> object:
    if isinstance(value, float) and math.isfinite(value) and value != round(value, 2):
        raise ValueError("has more than two decimals; round it")
    return value


Moment = Annotated[datetime, BeforeValidator(_as_moment)]
Percent = Annotated[float, Field(ge=0, le=100), BeforeValidator(_with_two_decimals)]
Link = Annotated[
    str,
    spelled_like(
        r"https?://[!-;=?-~]+", "must be a URL that begins with http:// or https://, in ASCII"
    ),
]
RuleName = Annotated[
    str,
    spelled_like(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "must have 1 to 64 letters, digits, `.`, `_` or `-`, and begin with a letter or digit",
    ),
]
Pattern: TypeAlias = str
"""A case-sensitive shell pattern with `*`, `?` and `[...]`."""


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Kind = Annotated[AdjustmentKind, Field(strict=False)]


class Match(_Written):
    """Conditions on requests; a condition that is left out matches all."""

    model: Pattern | None = Field(default=None, min_length=1)
    """Model that is asked for."""
    caller: Pattern | None = None
    """Name of the caller; for callers without a name, the digest of their key, as in the log."""
    key: Pattern | None = None
    """Digest of the key that the client sends."""
    user_agent: Pattern | None = None
    """Value of the `user-agent` header."""
    anthropic_version: Annotated[
        Pattern | None,
        # TOML reads `2023-06-01` without quotes as a date.
        BeforeValidator(lambda value: value.isoformat() if isinstance(value, date) else value),
    ] = None
    """Value of the `anthropic-version` header; `none` matches requests without it."""
    header: Annotated[dict[str, Pattern], one_spelling_each(str.lower)] = Field(
        default_factory=dict
    )
    """Values of other headers by name: `{ x-team = "search-*" }`."""
    streamed: bool | None = None
    """Match only requests for a stream (`true`), or only the others (`false`)."""


class RouteSettings(_Written):
    """A way to answer a request; None means that the setting outside the rules applies."""

    action: Action
    """`translate` asks the Messages API, `forward` sends the request unchanged to `legacy_url`, and
    `refuse` answers 410 and says what to call instead."""
    model: str | None = Field(default=None, min_length=1)
    """Model to ask, for `translate`."""
    prefill: Prefill | None = None
    """Strategy for prefills, for `translate`; see the setting of this name."""
    prefill_model: str | None = Field(default=None, min_length=1)
    """Model for prefills, for `translate`; see the setting of this name."""
    strictness: Strictness | None = None
    """Strictness, for `translate`; see the setting of this name."""
    refuse: Annotated[frozenset[_Kind], Field(strict=False)] = frozenset()
    """Adjustments that are not made, for `translate`, in addition to those of the setting."""

    @model_validator(mode="after")
    def _has_only_what_it_uses(self) -> Self:
        if self.action != "translate":
            for name in ("model", "prefill", "prefill_model", "strictness", "refuse"):
                if getattr(self, name):
                    raise ValueError(f'{name}: needs action = "translate"; change or remove it')
        return self


class ShadowSettings(RouteSettings):
    """A second request whose answer is not sent but compared with the first answer."""

    action: Literal["translate", "forward"] = "translate"
    """Route of the shadow."""
    share: Percent = 100
    """Percent of the rule's traffic that gets a shadow."""
    control: bool = False
    """Send the client's own request once more too, which shows how much a model differs from
    itself."""
    daily_tokens: int = Field(default=1_000_000, gt=0)
    """Tokens that the shadows of this rule may use in a day, in all workers together and on all
    machines that share a PostgreSQL; requests that are on their way may exceed it a little."""


class FallbackSettings(RouteSettings):
    """A second try, before the client got its first byte."""

    action: Literal["translate", "forward"]
    """Route of the second attempt."""
    timeout: Annotated[float | None, Field(gt=0, le=86_400)] = None
    """Seconds until the first attempt must have begun to answer. A ping counts as a beginning;
    upstream's own pings are held back until it has something to say."""


class Guard(_Written):
    """Limits, relative to the traffic outside the rule, beyond which the share becomes zero."""

    errors_above: float | None = Field(default=None, ge=0, lt=100)
    """Percentage points by which the rule's share of errors may exceed that of the traffic outside
    the rule."""
    p95_ratio: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    """Factor by which answers may take longer to begin than those of the traffic outside the rule,
    at the 95th percentile."""
    window: float = Field(default=60, ge=1, le=3600)
    """Seconds of traffic that are compared."""
    min_count: int = Field(default=50, ge=1)
    """Exchanges that each side must have in the window before it is judged."""

    @model_validator(mode="after")
    def _guards_something(self) -> Self:
        if self.errors_above is None and self.p95_ratio is None:
            raise ValueError("errors_above or p95_ratio: a guard needs one of them")
        return self


class BrownOut(_Written):
    """A period in which requests are refused, so that callers notice the coming end."""

    start: Moment
    """Beginning of the first period."""
    minutes: float = Field(gt=0, le=24 * 60)
    """Length of a period."""
    every: Literal["day", "week"] | None = None
    """Interval of repetition."""
    until: Moment | None = None
    """Time from which on no further period begins."""


class Campaign(_Written):
    """Announcement to the callers of a rule that the API will end."""

    deprecated: Moment | None = None
    """Date for the `Deprecation` header of answers."""
    sunset: Moment | None = None
    """Date for the `Sunset` header of answers; from then on requests get 410."""
    link: Link | None = None
    """URL that answers link to: where callers read what to do."""
    brown_outs: Annotated[tuple[BrownOut, ...], Field(strict=False)] = ()
    """Periods in which requests are refused so that callers notice. A `refuse` rule with brown-outs
    refuses only in them."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.deprecated and self.sunset and self.sunset < self.deprecated:
            raise ValueError("sunset: must not be before deprecated")
        return self


class RuleSettings(RouteSettings):
    """A rule: one table `[[rollout]]`."""

    name: RuleName
    """Name of the rule in headers, logs and metrics. Shares are dealt by it too, so renaming a rule
    deals its callers anew."""
    match: Match = Match()
    """Requests that the rule is about; an empty table matches all."""
    share: Percent = 100
    """Percent of the matching requests that the rule takes, with at most two decimals; the others
    go on to the next rule."""
    by: By | None = None
    """Attribute that a share is dealt by. `caller` goes by name, or else by key, so naming a caller
    deals it anew; `user_id` is the caller where there is none; `prompt` spreads the requests of one
    caller; `random` is not sticky. Default: `caller`."""
    shadow: Annotated[ShadowSettings | None, BeforeValidator(_as_route)] = None
    """Second request whose answer only gets compared: a table, or its action alone."""
    on_failure: Annotated[FallbackSettings | None, BeforeValidator(_as_route)] = None
    """Fallback: a second attempt, made once and before the client got its first byte. A table, or
    its action alone."""
    guard: Guard | None = None
    """Limits at which the share falls to zero by itself."""
    campaign: Campaign = Campaign()
    """Announcement that the callers of the rule have to move."""
    capture: Capture | None = None
    """Part of prompts and answers that is kept where this rule decides; see the setting of this
    name."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.by is not None and "share" not in self.model_fields_set:
            raise ValueError("by: has no effect without share; add a share or remove it")
        if self.action == "refuse":
            for name in ("shadow", "on_failure", "guard"):
                if getattr(self, name) is not None:
                    raise ValueError(f'{name}: has no effect with action = "refuse"; remove it')
        return self


class OverrideSettings(RouteSettings):
    """The table `[rollout-override]`, a route for every request that overrides all rules."""


Override = Annotated[OverrideSettings | None, BeforeValidator(_as_route)]
