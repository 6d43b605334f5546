"""Rules compiled from the settings, with all defaults and models filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.rollout.rule_schema import Action, By, Campaign, Capture, Guard, Match
from translators import Catalogue, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to answer a request, with the policy for translating it."""

    action: Action
    policy: Policy = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A second attempt, made if the first one fails before its answer has begun."""

    route: Route
    timeout: float | None
    """Seconds for the first attempt to begin its answer; None for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A second request whose answer is only compared."""

    route: Route
    share: int
    """Share of the rule's traffic, in basis points."""
    control: bool
    daily_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A compiled rollout rule."""

    name: str
    match: Match
    share: int
    """Share of the matching requests, in basis points."""
    by: By
    route: Route
    on_failure: Fallback | None
    shadow: Shadow | None
    guard: Guard | None
    campaign: Campaign
    capture: Capture
    """Part of prompts and answers that is kept for exchanges that the rule decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The rules in order, and the route for requests that no rule decides."""

    otherwise: Route
    rules: tuple[Rule, ...] = ()
    override: Route | None = None
    capture: Capture = "off"
    """Capture level for requests that no rule decides."""

    @property
    def catalogue(self) -> Catalogue:
        """Return the table of models that applies outside the rules."""
        return self.otherwise.policy.catalogue

    @property
    def guards(self) -> Mapping[str, Guard]:
        """Return all guards, by name of the rule."""
        return {rule.name: rule.guard for rule in self.rules if rule.guard is not None}
