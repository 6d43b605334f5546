"""
What differs between two versions of the settings, in words; values of secrets are never said.

    Settings, Settings -> "share of canary: 5 -> 25 %", "upstream_key: changed"

Rules are known by their names, so that a rule that has moved has not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final

from pydantic import BaseModel, SecretStr

from proxy.config.settings import Settings

_MOST_SENTENCES: Final = 50
_LONGEST_VALUE: Final = 80
_IN_WORDS: Final[Mapping[str, str]] = {"rollout_override.action": "kill switch"}
"""Names that people use for settings, by the names that the settings have inside."""
_HIDDEN: Final = frozenset({"token", "header", "redact"})
"""Names of settings whose values may say more about callers than a log should."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """A single value, with the names that lead to it; equal if the values are."""

    value: object
    place: tuple[str, ...] = field(compare=False)

    @property
    def shown(self) -> str | None:
        """The value as it is written in the file, cut to a length; None for a secret."""
        if isinstance(self.value, SecretStr) or not _HIDDEN.isdisjoint(self.place):
            return None
        text = _spelled(self.value)
        return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def changes_between(before: Settings, after: Settings) -> tuple[str, ...]:
    """Return a sentence for each change."""
    sentences: list[str] = []
    old = {rule.name: rule for rule in before.rollout}
    new = {rule.name: rule for rule in after.rollout}
    unit = {"share": " %", "shadow.share": " %"}
    for name, rule in new.items():
        if name in old:
            changed = _differences(_flat(old[name]), _flat(rule), unit)
            sentences += [f"{what} of {name}: {said}" for what, said in changed]
        else:
            sentences.append(f"rule {name}: added ({rule.action} {rule.share:g} %)")
    sentences += [f"rule {name}: removed" for name in old if name not in new]
    if [name for name in old if name in new] != [name for name in new if name in old]:
        sentences.append(f"order of rules: {', '.join(new)}")
    rest = _differences(_flat(before), _flat(after), {})
    sentences += [f"{_IN_WORDS.get(what, what)}: {said}" for what, said in rest]
    if len(sentences) > _MOST_SENTENCES:
        more = len(sentences) - _MOST_SENTENCES
        sentences[_MOST_SENTENCES:] = [f"and {more} more"]
    return tuple(sentences)


def rules_in_words(settings: Settings) -> tuple[str, ...]:
    """Return what the rules and the override are, one sentence each."""
    rules = [f"{rule.name}: {rule.action} {rule.share:g} %" for rule in settings.rollout]
    if settings.rollout_override is not None:
        rules.append(f"override: {settings.rollout_override.action}")
    return tuple(rules)


def _differences(
    old: Mapping[str, _Setting], new: Mapping[str, _Setting], unit: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        shown = [each.shown if each else "not set" for each in (was, now)]
        if None in shown:
            yield name, "removed" if now is None else "added" if was is None else "changed"
        else:
            yield name, f"{shown[0]} -> {shown[1]}{unit.get(name, '')}"


def _flat(settings: BaseModel) -> dict[str, _Setting]:
    return {".".join(each.place): each for each in _values(settings, ())}


def _values(value: object, place: tuple[str, ...]) -> Iterator[_Setting]:
    """Yield all values that are set; the rules of the settings have their own sentences."""
    match value:
        case None:
            return
        case frozenset() if not value:
            return
        case BaseModel():
            inner = {name: getattr(value, name) for name in type(value).model_fields}
        case dict():
            inner = value
        case tuple():
            inner = {str(number): each for number, each in enumerate(value)}
        case _:
            yield _Setting(value, place)
            return
    for name, each in inner.items():
        if not (isinstance(value, Settings) and name == "rollout"):
            yield from _values(each, (*place, str(name)))


def _spelled(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case frozenset():
            return ", ".join(sorted(map(_spelled, value)))
        case Enum():
            return str(value.value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        case date():
            return value.isoformat()
        case _:
            return str(value) or '""'
