"""
What a report consists of: frozen, and as JSON the same.

Moments are ISO 8601, UTC; shares are 0 to 1; durations are milliseconds; money
is US dollars. None is "not known" and never stands for nothing. Strings that
came from clients and upstreams are as recorded: whoever shows them, escapes
them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Outcome: TypeAlias = Literal[
    "answered", "client_error", "upstream_error", "holdover_error", "refused", "client_gone"
]
Step: TypeAlias = Literal["minute", "hour", "day"]
Work: TypeAlias = Literal["nothing", "mechanical", "decision"]
"""What a difference asks of who rewrites a caller: no more than the rewriting itself, a change of
code that changes no meaning, or somebody to decide."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How often something was there, and in which share of the exchanges around it."""

    name: str
    count: int
    share: float


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """From `since` on, before `until`."""

    since: str
    until: str


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How many exchanges ended in which way; every exchange in exactly one."""

    answered: int = 0
    client_error: int = 0
    upstream_error: int = 0
    holdover_error: int = 0
    refused: int = 0
    """By a rule: brown-out, sunset, or a `refuse` rule."""
    client_gone: int = 0


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """The exchanges of one step of time; steps without any are there too."""

    begin: str
    outcomes: Outcomes
    exchanges: int


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges over time, oldest first; the first and last step may be cut by the period."""

    step: Step
    buckets: tuple[Bucket, ...]


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of a duration, rounded up to two digits: half, 95 % and 99 % of exchanges took no longer."""

    p50: float
    p95: float
    p99: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Of the exchanges that got that far; None: none did."""

    total: Percentiles | None
    first_byte: Percentiles | None
    first_token: Percentiles | None


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens, and what they cost at the prices that are known."""

    input_tokens: int
    output_tokens: int
    cost: float | None
    """None: for none of these tokens the price is known."""
    unpriced_models: tuple[str, ...]
    """Models whose price is not known; `cost` leaves them out."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All callers together."""

    exchanges: int
    callers: int
    """With those of `others`."""
    outcomes: Outcomes
    error_share: float
    """Exchanges that ended in an error, whoever's; refusals and clients that left are none."""
    translated: int
    forwarded: int
    """As they are, and at the first try."""
    rescued: int
    """By a second try."""
    streamed: int
    readiness: float | None
    latency: Latency
    spent: Spent


class ModelUse(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, and what was sent instead; None: nothing readable, or nothing was."""

    asked: str | None
    sent: str | None
    count: int
    share: float


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One adjustment as it was made, in the last of so many exchanges that are alike."""

    field: str
    asked: str
    sent: str
    count: int


class AdjustmentUse(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of adjustment: how often, why, and what the caller can do."""

    kind: str
    count: int
    """Exchanges, not adjustments."""
    share: float
    work: Work
    explanation: str
    remedy: str
    examples: tuple[Example, ...]
    """The most frequent ones first; a few."""


class ErrorUse(msgspec.Struct, frozen=True, kw_only=True):
    """One sort of error."""

    status: int | None
    """In an HTTP answer; 200 for an error in the middle of a stream."""
    type: str | None
    blame: str
    count: int
    share: float


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a caller is not ready, or what has to be changed on the way."""

    name: str
    """An adjustment's kind, or `client_error`, `holdover_error`, `refused`, `second_try`,
    `old_dialect`."""
    work: Work
    """`decision` lowers the readiness, `mechanical` does not."""
    count: int
    share: float
    what: str
    what_to_do: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a caller's traffic a current SDK could have sent without a change of meaning."""

    score: float | None
    """None: nothing can be judged, so that nothing is known."""
    judged: int
    """The exchanges that the score is a share of."""
    is_enough: bool
    """Whether they are enough to tell."""
    is_ready: bool
    """Whether it can be cut over: they are enough, almost all of them are ready, and errors are
    few."""
    reasons: tuple[Reason, ...]
    """Decisions first, then the most frequent."""


class CurrentCall(msgspec.Struct, frozen=True, kw_only=True):
    """The call for a current SDK that replaces the old one."""

    language: str
    """`python`, `typescript` or `curl`."""
    code: str
    is_captured: bool
    """From a captured request; else an example with placeholders for its texts."""
    exchange: str
    """The exchange it was made from."""
    asked: str | None
    """The model that the old call asks for."""
    share: float
    """Of the caller's requests: those that ask for this model with these features."""


class CallerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One caller."""

    name: str | None
    """From the settings; None: it has none there."""
    digest: str | None
    """Of its key, or of one of them where it has several; None: it sent none."""
    exchanges: int
    share: float
    first_seen: str
    last_seen: str
    """Both within the period."""
    outcomes: Outcomes
    error_share: float
    rescued: int
    """By a second try."""
    streamed_share: float
    sdks: tuple[Counted, ...]
    user_agents: tuple[Counted, ...]
    dialects: tuple[Counted, ...]
    rules: tuple[Counted, ...]
    routes: tuple[Counted, ...]
    models: tuple[ModelUse, ...]
    features: tuple[Counted, ...]
    adjustments: tuple[AdjustmentUse, ...]
    errors: tuple[ErrorUse, ...]
    latency: Latency
    spent: Spent
    readiness: Readiness
    call: CurrentCall | None
    """None: nothing it sent could be read."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one caller stands; there is one for every caller, shown or not."""

    name: str | None
    digest: str | None
    exchanges: int
    error_share: float
    readiness: float | None
    is_ready: bool


class Others(msgspec.Struct, frozen=True, kw_only=True):
    """The callers that are not shown one by one."""

    callers: int
    exchanges: int
    share: float
    outcomes: Outcomes
    spent: Spent
    lowest_readiness: float | None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers of one kind of second leg came to, beside the clients' own."""

    compared: int
    failed: int
    mean_similarity: float | None
    equal_share: float | None
    failures: tuple[Counted, ...]


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """The shadows of one rule, and how much the clients' own leg differs from itself."""

    rule: str
    shadow: Compared
    control: Compared | None
    """The noise floor; None: the rule asks for none, or none was recorded."""
    beyond_noise: float | None
    """How much less similar shadows are than controls, in similarity; 0: no more than noise."""
    equal_beyond_noise: float | None
    """The same of the share that is equal."""


class HitCaller(msgspec.Struct, frozen=True, kw_only=True):
    """A caller whose requests go to a model that retires."""

    name: str | None
    digest: str | None
    count: int


class Retirement(msgspec.Struct, frozen=True, kw_only=True):
    """A model in use that retires soon, or may, or has."""

    model: str
    retires: str | None
    """The day, where it is certain."""
    not_before: str | None
    """Else the earliest one."""
    days_left: int
    """Until either; not above 0: it has retired, or may any day."""
    successor: str | None
    exchanges: int
    callers: tuple[HitCaller, ...]

    @property
    def is_past(self) -> bool:
        """Whether it has."""
        return self.retires is not None and self.days_left <= 0


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the report can know of the period."""

    recorded_since: str | None
    """The oldest record that is kept; later than the period's begin: the report begins here."""
    with_bodies: int
    """Exchanges whose request was captured in full."""
    lost_records: int | None
    """Known to have been lost; None: nobody counted."""
    dropped_contents: int | None
    """Captured, and let go for want of room; None: nobody counted."""
    notes: tuple[str, ...]
    """Sentences about what else is missing."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    made: str
    period: Period
    caller: str | None
    """Only of the caller of this name or digest."""
    coverage: Coverage
    totals: Totals
    volume: Volume
    callers: tuple[CallerReport, ...]
    """By volume."""
    others: Others | None
    """None: all are shown."""
    standings: tuple[Standing, ...]
    """Of all callers, by volume."""
    shadows: tuple[ShadowReport, ...]
    retirements: tuple[Retirement, ...]
    """The soonest first; what has retired comes last, the latest of it first."""

    @property
    def ready(self) -> tuple[Standing, ...]:
        """The callers that can be cut over."""
        return tuple(standing for standing in self.standings if standing.is_ready)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to report on."""
        return self.totals.exchanges == 0
