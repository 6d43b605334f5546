"""The rules as they are followed: what was written, with everything looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.rollout.rule_schema import Action, By, Campaign, Capture, Guard, Match
from translators import Catalogue, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way to answer a request; the policy is that of a translation."""

    action: Action
    policy: Policy = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What is done when the first leg fails before its answer began."""

    route: Route
    timeout: float | None
    """Seconds that the first leg gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A second leg whose answer is only compared."""

    route: Route
    share: int
    """In basis points of the rule's traffic."""
    control: bool
    daily_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rollout rule."""

    name: str
    match: Match
    share: int
    """In basis points of the requests that reach it."""
    by: By
    route: Route
    on_failure: Fallback | None
    shadow: Shadow | None
    guard: Guard | None
    campaign: Campaign
    capture: Capture
    """How much is kept of what is said in exchanges that it decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """All rules, in order, and what happens to a request that none of them decides."""

    otherwise: Route
    rules: tuple[Rule, ...] = ()
    override: Route | None = None
    capture: Capture = "off"
    """Where no rule decides."""

    @property
    def catalogue(self) -> Catalogue:
        """The models, as outside the rules."""
        return self.otherwise.policy.catalogue

    @property
    def guards(self) -> Mapping[str, Guard]:
        """By the name of their rule."""
        return {rule.name: rule.guard for rule in self.rules if rule.guard is not None}
