"""
Find out whom a rule's share takes, and whom another share would take, from what was recorded.

    RequestGroup, Rollout -> Reach -> Preview

A share that is dealt by callers takes the same ones tomorrow, so they are named. Shares that are
dealt by something else, and callers without a name, whose keys are not recorded, are counted as
what is to be expected of them: a quarter, if the share is 25 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from proxy.config.settings import Settings
from proxy.rollout import Question, Rollout, Rule, basis_points, brown_out_until, bucket, objections
from proxy.rollout.rule_schema import BASIS_POINTS, Campaign, Match
from proxy.security.keyring import Keyring, Site
from proxy.security.redaction import CallerDigest, Digester
from proxy.traffic.store.rule_traffic import Looked, RequestGroup
from translators import CompletionRequest

_RECORDED_HEADERS: Final = frozenset({"user-agent", "anthropic-version"})
_WITHOUT_KEY: Final = "no key"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerReach:
    """A caller whose requests reach a rule."""

    name: str
    """Its name, or the digest of its key."""
    exchanges: float
    """Recorded exchanges that reach the rule; not a whole number if an earlier rule takes some."""
    bucket: int | None
    """The bucket that decides whether it is in a share; None if that is not known."""

    def chance(self, share: int) -> float:
        """Return the part of its requests that a share of so many buckets takes, from 0 to 1."""
        if self.bucket is None:
            return share / BASIS_POINTS
        return float(self.bucket < share)

    @property
    def enters_at(self) -> float | None:
        """The smallest share in percent that it is in; None if that is not known."""
        return None if self.bucket is None else (self.bucket + 1) * 100 / BASIS_POINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """All callers whose requests reach a rule, those with the most requests first."""

    callers: tuple[CallerReach, ...]

    @property
    def exchanges(self) -> float:
        """Recorded exchanges that reach the rule."""
        return sum(caller.exchanges for caller in self.callers)

    @property
    def nameless(self) -> int:
        """Number of callers of which nobody can say whether they are in a share."""
        return sum(caller.bucket is None for caller in self.callers)

    def taken(self, share: int) -> tuple[CallerReach, ...]:
        """Return the callers that a share certainly takes."""
        return tuple(caller for caller in self.callers if caller.chance(share) == 1)

    def part(self, share: int) -> float | None:
        """Return the part of the requests that a share takes; None if there are none."""
        taken = sum(caller.exchanges * caller.chance(share) for caller in self.callers)
        return taken / self.exchanges if self.exchanges else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What changes if a share is moved; shares are in percent."""

    reach: Reach
    before: float
    after: float

    @property
    def taken(self) -> tuple[CallerReach, ...]:
        """Callers that the new share certainly takes."""
        return self.reach.taken(basis_points(self.after))

    @property
    def entering(self) -> tuple[CallerReach, ...]:
        """Callers that come in."""
        return tuple(each for each in self.taken if not each.chance(basis_points(self.before)))

    @property
    def leaving(self) -> tuple[CallerReach, ...]:
        """Callers that go out."""
        after = basis_points(self.after)
        was = self.reach.taken(basis_points(self.before))
        return tuple(each for each in was if not each.chance(after))

    @property
    def part_before(self) -> float | None:
        """Part of the requests that the present share takes."""
        return self.reach.part(basis_points(self.before))

    @property
    def part_after(self) -> float | None:
        """Part of the requests that the new share takes."""
        return self.reach.part(basis_points(self.after))


def looked_at(settings: Settings) -> frozenset[Looked]:
    """Return the columns that any rule looks at."""
    looked: set[Looked] = set()
    for rule in settings.rollout:
        match = rule.match
        headers = {name.lower() for name in match.header}
        if match.model is not None:
            looked.add("asked_model")
        if match.user_agent is not None or "user-agent" in headers:
            looked.add("user_agent")
        if match.anthropic_version is not None or "anthropic-version" in headers:
            looked.add("version")
        if match.streamed is not None:
            looked.add("streamed")
    return frozenset(looked)


def unknown_headers(match: Match) -> tuple[str, ...]:
    """Return the names of headers that a rule looks at and that no record has."""
    return tuple(name for name in match.header if name.lower() not in _RECORDED_HEADERS)


def reach_of_rules(
    settings: Settings,
    rollout: Rollout,
    groups: Iterable[RequestGroup],
    *,
    tripped: frozenset[str],
    now: datetime,
) -> dict[str, Reach]:
    """Return whose recorded requests would reach each rule now, by its name."""
    past = _Past(settings, rollout, tripped, now)
    for group in _merged(rollout.rules, groups):
        past.add(group)
    return {
        rule.name: Reach(
            callers=tuple(
                CallerReach(name=name, exchanges=exchanges, bucket=past.buckets[rule.name, name])
                for name, exchanges in sorted(
                    past.exchanges[rule.name].items(), key=lambda each: (-each[1], each[0])
                )
            )
        )
        for rule in rollout.rules
    }


def _merged(rules: Iterable[Rule], groups: Iterable[RequestGroup]) -> Iterator[RequestGroup]:
    """
    Merge groups between which no pattern tells a difference.

    Clients can send any number of user agents; each is compared with the patterns once.
    """
    matches = [rule.match for rule in rules]
    headers = [(name.lower(), text) for match in matches for name, text in match.header.items()]
    patterns: Mapping[str, set[str | None]] = {
        "asked_model": {match.model for match in matches},
        "user_agent": {match.user_agent for match in matches}
        | {text for name, text in headers if name == "user-agent"},
        "version": {match.anthropic_version for match in matches}
        | {text for name, text in headers if name == "anthropic-version"},
    }
    first_like: dict[tuple[object, ...], str | None] = {}
    """The first value that fits the same patterns, by its column and those."""
    stands_for: dict[tuple[str, str | None], str | None] = {}
    counts: dict[RequestGroup, int] = {}
    for group in groups:
        plain: dict[str, str | None] = {}
        for column, texts in patterns.items():
            value: str | None = getattr(group, column)
            if (column, value) not in stands_for:
                fits = (fnmatchcase(value, text) for text in texts if text and value is not None)
                like = (column, value is None, *fits)
                stands_for[column, value] = first_like.setdefault(like, value)
            plain[column] = stands_for[column, value]
        key = RequestGroup(
            caller=group.caller,
            caller_name=group.caller_name,
            rule=group.rule,
            readable=group.readable,
            asked_model=plain["asked_model"],
            user_agent=plain["user_agent"],
            version=plain["version"],
            streamed=group.streamed,
            exchanges=0,
        )
        counts[key] = counts.get(key, 0) + group.exchanges
    for group, count in counts.items():
        yield replace(group, exchanges=count)


class _Past:
    """Recorded requests, asked again which rules they would reach."""

    def __init__(
        self, settings: Settings, rollout: Rollout, tripped: frozenset[str], now: datetime
    ) -> None:
        self._rules = [(rule, _for_all(rule)) for rule in rollout.rules]
        self._tripped = tripped
        self._now = now
        self._names: Mapping[str, str] = {
            caller.digest: name
            for name, caller in settings.callers.items()
            if caller.digest is not None
        }
        self._callers = frozenset(settings.callers)
        # No key is needed to know a caller by its digest.
        self._keyring = Keyring(
            digester=Digester(None),
            messages=Site(name="upstream", url=settings.upstream_url),
            legacy=None,
            known=(),
        )
        self.exchanges: dict[str, dict[str, float]] = {rule.name: {} for rule in rollout.rules}
        """Exchanges that reach each rule, by caller."""
        self.buckets: dict[tuple[str, str], int | None] = {}
        """Buckets of callers by the names of rule and caller."""

    def add(self, group: RequestGroup) -> None:
        """Let the exchanges of a group pass the rules in their order."""
        name = self._name_of(group)
        shown = name or group.caller or _WITHOUT_KEY
        question = self._question(group, name)
        left = float(group.exchanges)
        for rule, for_all in self._rules:
            if next(objections(for_all, question), None) is not None:
                continue
            has_decided = group.rule == rule.name
            is_known = has_decided or not unknown_headers(rule.match)
            number = self._bucket(rule, name, shown)
            caller = CallerReach(name=shown, exchanges=left, bucket=number)
            reaching = self.exchanges[rule.name]
            reaching[shown] = reaching.get(shown, 0.0) + left
            if is_known and self._is_active(rule):
                left *= 1 - caller.chance(rule.share)
            if not left:
                return

    def _is_active(self, rule: Rule) -> bool:
        if rule.name in self._tripped:
            return False
        is_now_and_then = rule.route.action == "refuse" and rule.campaign.brown_outs
        return not is_now_and_then or brown_out_until(rule.campaign, self._now) is not None

    def _name_of(self, group: RequestGroup) -> str | None:
        """Return the name that the settings have for this caller now."""
        if group.caller_name in self._callers:
            return group.caller_name
        return self._names.get(group.caller) if group.caller is not None else None

    def _bucket(self, rule: Rule, name: str | None, shown: str) -> int | None:
        place = rule.name, shown
        if place not in self.buckets:
            is_known = rule.by == "caller" and name is not None
            self.buckets[place] = bucket(rule.name, (name or "").encode()) if is_known else None
        return self.buckets[place]

    def _question(self, group: RequestGroup, name: str | None) -> Question:
        headers = [
            (field, value.encode("latin-1", "replace"))
            for field, value in (
                (b"user-agent", group.user_agent),
                (b"anthropic-version", group.version),
            )
            if value is not None
        ]
        request = CompletionRequest(
            model=group.asked_model or "",
            prompt="",
            max_tokens_to_sample=1,
            stream=group.streamed,
        )
        return Question(
            caller=self._keyring.absent(
                name=name, digest=CallerDigest(group.caller or ""), identity=b""
            ),
            headers=headers,
            request=request if group.readable else None,
            now=self._now,
        )


def _for_all(rule: Rule) -> Rule:
    """Return the rule with a share of 100 %, and only the conditions that records can answer."""
    known = {
        name: pattern
        for name, pattern in rule.match.header.items()
        if name.lower() in _RECORDED_HEADERS
    }
    match = rule.match.model_copy(update={"header": known})
    return replace(rule, share=BASIS_POINTS, campaign=Campaign(), match=match)
