"""
The parts of a report: frozen values that are written as JSON unchanged.

Times are ISO 8601 in UTC; shares are 0 to 1; durations are milliseconds; money
is US dollars. None means "not known", never "nothing". Strings that came from
clients and upstreams are stored unescaped; each format escapes them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Step: TypeAlias = Literal["minute", "hour", "day"]
Work: TypeAlias = Literal["nothing", "mechanical", "decision"]
"""The work that a difference means for the person who rewrites a caller: none beyond rewriting, a
change of code that keeps the meaning, or a decision."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A name, how often it occurred, and in which share of the exchanges."""

    name: str
    count: int
    share: float


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """The reported time: from `since` until just before `until`."""

    since: str
    until: str


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How many exchanges ended in each way; the fields are the values of `Outcome`."""

    answered: int = 0
    client_error: int = 0
    upstream_error: int = 0
    holdover_error: int = 0
    not_admitted: int = 0
    overloaded: int = 0
    cut_off: int = 0
    refused: int = 0
    """Refused by a rule: a brown-out, a sunset, or the action `refuse`."""
    model_refused: int = 0
    client_gone: int = 0


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """The exchanges of one step of time; there may be none."""

    begin: str
    outcomes: Outcomes
    exchanges: int


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges over time, oldest first; the first and last step may be cut by the period."""

    step: Step
    buckets: tuple[Bucket, ...]


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of a duration, within 2 %."""

    p50: float
    p95: float
    p99: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Durations of the exchanges that got so far; None if none of them did."""

    total: Percentiles | None
    first_byte: Percentiles | None
    first_token: Percentiles | None


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens and their cost at the prices that are known."""

    input_tokens: int
    output_tokens: int
    cost: float | None
    """The sum in dollars; None if no price is known for any of these tokens."""
    unpriced_models: tuple[str, ...]
    """Models without a known price; `cost` leaves their tokens out."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over all callers."""

    exchanges: int
    callers: int
    """Number of callers, including those that `others` sums up."""
    outcomes: Outcomes
    error_share: float
    """Share of exchanges that ended in an error of any party; refusals and clients that left do
    not count."""
    translated: int
    forwarded: int
    """Forwarded unchanged at the first try."""
    rescued: int
    """Answered by a second try after the first one failed."""
    streamed: int
    readiness: float | None
    latency: Latency
    spent: Spent


class ModelUse(msgspec.Struct, frozen=True, kw_only=True):
    """A model asked for and the one sent instead; None if unreadable, or if nothing was sent."""

    asked: str | None
    sent: str | None
    count: int
    share: float


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """An adjustment as it was made, and in how many exchanges it was made just like this."""

    field: str
    asked: str
    sent: str
    count: int


class AdjustmentUse(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of adjustment: how often it was made, why, and what the caller can do about it."""

    kind: str
    count: int
    """Number of exchanges, not of adjustments."""
    share: float
    work: Work
    explanation: str
    remedy: str
    examples: tuple[Example, ...]
    """A few examples, the most frequent first."""


class ErrorUse(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of error, and how often it occurred."""

    status: int | None
    """The status of the HTTP response; 200 for an error in the middle of a stream."""
    type: str | None
    blame: str
    count: int
    share: float


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A reason why a caller is not ready, or a change to make while rewriting it."""

    name: str
    """The adjustment's kind, or `client_error`, `holdover_error`, `refused`, `second_try` or
    `old_dialect`."""
    work: Work
    """A `decision` lowers the readiness, `mechanical` work does not."""
    count: int
    share: float
    what: str
    what_to_do: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The share of a caller's traffic that a current SDK could send without a change of meaning."""

    score: float | None
    """The share that is ready; None if no exchange can be judged."""
    judged: int
    """Number of exchanges that the score is a share of."""
    is_enough: bool
    """True if there are enough exchanges to judge by."""
    is_ready: bool
    """True if the caller can be cut over: enough exchanges, almost all ready, and few errors."""
    reasons: tuple[Reason, ...]
    """Decisions first, then the most frequent."""


class CurrentCall(msgspec.Struct, frozen=True, kw_only=True):
    """The call for a current SDK that replaces the old one."""

    language: str
    """`python`, `typescript` or `curl`."""
    code: str
    is_captured: bool
    """True if made from a captured request; otherwise an example with placeholders for texts."""
    exchange: str
    """The id of the exchange that the call was made from."""
    asked: str | None
    """The model that the old call asks for."""
    share: float
    """Share of the caller's requests that ask for this model with these features."""


class CallerReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything reported about one caller."""

    name: str | None
    """The name in the settings; None if the caller is not listed there."""
    digest: str | None
    """The digest of its key, or of one of its keys; None if it sent none."""
    owner: str | None
    """Who changes the caller, by the settings."""
    exchanges: int
    share: float
    first_seen: str
    last_seen: str
    """Time of the last exchange within the period."""
    outcomes: Outcomes
    error_share: float
    rescued: int
    """Number of exchanges answered by a second try."""
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
    """The replacement of the old call; None if no request could be read."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The summary of a caller; there is one for every caller, shown in full or not."""

    name: str | None
    digest: str | None
    owner: str | None
    """Who changes the caller, by the settings."""
    exchanges: int
    share: float
    error_share: float
    readiness: float | None
    is_enough: bool
    """True if there are enough exchanges to judge by."""
    is_ready: bool
    client: str | None
    """Its most frequent SDK, or its most frequent user agent if no SDK is known."""
    model: str | None
    """The model that it asks for most often; None if no request could be read."""
    last_seen: str


class Others(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of the callers that are not shown one by one."""

    callers: int
    exchanges: int
    share: float
    outcomes: Outcomes
    spent: Spent
    lowest_readiness: float | None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Shadows or controls, compared with the answers that the clients got."""

    compared: int
    failed: int
    mean_similarity: float | None
    equal_share: float | None
    failures: tuple[Counted, ...]


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """The shadows of a rule, and how much repeated answers differ without it."""

    rule: str
    shadow: Compared
    control: Compared | None
    """The noise floor; None if the rule asks for no controls, or none were recorded."""
    beyond_noise: float | None
    """Similarity of controls minus that of shadows; 0 if shadows are no less similar."""
    equal_beyond_noise: float | None
    """Share of equal answers among controls minus that among shadows; 0 if not smaller."""


class HitCaller(msgspec.Struct, frozen=True, kw_only=True):
    """A caller whose requests go to a model that retires."""

    name: str | None
    digest: str | None
    count: int


class Retirement(msgspec.Struct, frozen=True, kw_only=True):
    """A model in use that has retired, retires soon, or may."""

    model: str
    retires: str | None
    """The day on which it retires, if that is certain."""
    not_before: str | None
    """The earliest day on which it may retire, if the day is not certain."""
    days_left: int
    """Days until then; 0 or less if it has retired or may do so any day."""
    successor: str | None
    exchanges: int
    callers: tuple[HitCaller, ...]

    @property
    def is_past(self) -> bool:
        """True if the model has retired."""
        return self.retires is not None and self.days_left <= 0


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of what the report can know about the period."""

    recorded_since: str | None
    """Time of the oldest record in the store; if later than `since`, the report begins there."""
    with_bodies: int
    """Number of exchanges whose request was captured in full."""
    lost_records: int | None
    """Number of records known to have been lost; None if they were not counted."""
    dropped_contents: int | None
    """Number of contents deleted because space ran out; None if they were not counted."""
    notes: tuple[str, ...]
    """Sentences about what else is missing."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report."""

    made: str
    period: Period
    caller: str | None
    """Name or digest of the only caller in the report; None if it covers all."""
    coverage: Coverage
    totals: Totals
    adjustments: tuple[AdjustmentUse, ...] = ()
    """Adjustments of all callers together, without examples, the most frequent first."""
    volume: Volume
    callers: tuple[CallerReport, ...]
    """The largest callers, in order of volume."""
    others: Others | None
    """The callers not in `callers`; None if there are no more."""
    standings: tuple[Standing, ...]
    """Summaries of all callers, in order of volume."""
    shadows: tuple[ShadowReport, ...]
    retirements: tuple[Retirement, ...]
    """Soonest first; models that have retired come last, the latest of them first."""

    @property
    def ready(self) -> tuple[Standing, ...]:
        """The callers that can be cut over."""
        return tuple(standing for standing in self.standings if standing.is_ready)

    @property
    def is_empty(self) -> bool:
        """True if no exchange was recorded in the period."""
        return self.totals.exchanges == 0
