"""Evidence: how many recorded requests may be of a legacy call, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.migrate.traits import Asked, AskedValue, is_given

_MOST: Final = 5
"""Entries of a list that a sentence has; the others are counted."""
_MOST_ROLES: Final = 7


@dataclass(frozen=True, slots=True)
class Count:
    """A name, and the number of requests that have it."""

    name: str
    requests: int


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The roles of a prompt's turns in their order; `prefill` is what the answer begins with."""

    roles: tuple[str, ...]
    requests: int


@dataclass(frozen=True, slots=True)
class Places:
    """Some places of other calls, and how many there are in all."""

    some: tuple[str, ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The system prompts and turns of the latest requests whose contents were kept."""

    read: int
    """Number of requests whose contents were read."""
    unreadable: int = 0
    meant: int
    """Number of those that have what is literal in the source; all others count no further."""
    has_words: bool
    """True if something in the source is literal, so that `meant` says something."""
    system: str | None = None
    """The system prompt, shortened, if all that have one have the same."""
    with_system: int = 0
    systems: int = 0
    """Number of different system prompts."""
    skeletons: tuple[Skeleton, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The requests that may be of a call, and what was recorded of them."""

    period: str
    """The time in which they were recorded, in words: `in the last 30 days`."""
    asked: Asked
    """Parameters of all these requests; empty if the source names none to find them by."""
    requests: int = 0
    callers: tuple[Count, ...] = ()
    features: tuple[Count, ...] = ()
    turns: tuple[Count, ...] = ()
    """By the number of messages with the answer, as records have it, or `unknown`."""
    contents: Contents | None = None
    same: Places = Places()
    """Other calls of whose requests the source says the same."""
    overlapping: Places = Places()
    """Other calls some of whose requests may be among these."""


def sentences_of(evidence: Evidence) -> Iterator[str]:
    """Yield what is said of the requests of a call."""
    if not evidence.asked:
        yield (
            "The source names no value by which the requests of this call could be found in what "
            "was recorded."
        )
        return
    asked = in_words(evidence.asked)
    if not evidence.requests:
        yield (
            f"No request {evidence.period} was {asked}: this may be code that does not run, or its"
            " requests go to another base URL."
        )
        return
    were = "1 request" if evidence.requests == 1 else f"{evidence.requests:,} requests"
    yield f"{were} {evidence.period} {'was' if evidence.requests == 1 else 'were'} {asked}."
    yield f"Callers: {_listed(evidence.callers)}."
    if evidence.features:
        yield f"Features: {_listed(evidence.features, most=len(evidence.features))}."
    yield f"Turns, with the answer: {_listed(evidence.turns)}."
    yield from _about_contents(evidence.contents)
    if evidence.same.number:
        yield (
            f"The source says the same of {_places(evidence.same)}, so that these may be requests "
            "of those, too."
        )
    if evidence.overlapping.number:
        yield f"Requests of {_places(evidence.overlapping)} may be among them."


def in_words(asked: Asked) -> str:
    """Say what requests have: `for claude-2.1, with max_tokens_to_sample 300, not streamed`."""
    values = dict(asked)
    words: list[str] = []
    if "model" in values:
        words.append(f"for {values.pop('model')}")
    streams = values.pop("stream", None)
    given = [_given(name, value) for name, value in values.items() if is_given(name, value)]
    missing = [_spelled(name) for name, value in values.items() if not is_given(name, value)]
    if given:
        words.append(f"with {_joined(given, 'and')}")
    if missing:
        words.append(f"without {_joined(missing, 'and')}")
    if streams is not None:
        words.append("streamed" if streams else "not streamed")
    return ", ".join(words)


def data_of(evidence: Evidence) -> dict[str, object]:
    """Return the evidence as JSON data."""
    contents = evidence.contents
    return {
        "period": evidence.period,
        "asked": dict(evidence.asked),
        "requests": evidence.requests,
        "callers": _counts(evidence.callers),
        "features": _counts(evidence.features),
        "turns": _counts(evidence.turns),
        "contents": None
        if contents is None
        else {
            "read": contents.read,
            "unreadable": contents.unreadable,
            "with_literal_words": contents.meant if contents.has_words else None,
            "system": contents.system,
            "with_system": contents.with_system,
            "different_systems": contents.systems,
            "roles": [
                {"roles": each.roles, "requests": each.requests} for each in contents.skeletons
            ],
        },
        "same": evidence.same.some,
        "overlapping": evidence.overlapping.some,
        "said": list(sentences_of(evidence)),
    }


def _about_contents(contents: Contents | None) -> Iterator[str]:
    if contents is None:
        yield (
            'None of their contents were kept: `capture = "full"` would show the system prompt and '
            "the turns of those to come."
        )
        return
    latest = "the latest whose contents were kept"
    if contents.read > 1:
        latest = f"the latest {contents.read} whose contents were kept"
    if contents.unreadable:
        yield f"The contents of {contents.unreadable} of {latest} are no request that can be read."
    if contents.has_words and not contents.meant:
        yield f"None of {latest} has the literal parts of the source: these may be of other calls."
    if not contents.meant:
        return
    whom = f"Of {latest}"
    if contents.has_words:
        have = "has" if contents.meant == 1 else "have"
        whom += f", {contents.meant} {have} the literal parts of the source; of these"
    yield f"{whom}, {_about_system(contents)}."
    yield f"Their turns: {'; '.join(map(_skeleton, contents.skeletons[:_MOST]))}{_rest(contents)}."


def _about_system(contents: Contents) -> str:
    if not contents.with_system:
        return "none has a system prompt"
    every = "1 has" if contents.with_system == 1 else f"{contents.with_system} have"
    if contents.with_system == contents.meant:
        every = "it has" if contents.meant == 1 else "all have"
    if contents.system is not None:
        return f"{every} the system prompt {contents.system}"
    return f"{every} system prompts, {contents.systems} different ones"


def _skeleton(skeleton: Skeleton) -> str:
    roles = skeleton.roles
    if len(roles) > _MOST_ROLES:
        more = len(roles) - _MOST_ROLES
        roles = (*roles[:3], f"{more} more", *roles[-4:])
    return f"{', '.join(roles)} ({skeleton.requests})"


def _rest(contents: Contents) -> str:
    rest = sum(each.requests for each in contents.skeletons[_MOST:])
    return f"; others ({rest})" if rest else ""


def _listed(counts: tuple[Count, ...], most: int = _MOST) -> str:
    shown = [f"{each.name} ({each.requests:,})" for each in counts[:most]]
    if rest := sum(each.requests for each in counts[most:]):
        shown.append(f"others ({rest:,})")
    return ", ".join(shown)


def _places(places: Places) -> str:
    shown = list(places.some[:_MOST])
    if rest := places.number - len(shown):
        shown.append(f"{rest:,} more")
    return _joined(shown, "and")


def _joined(words: list[str], conjunction: str) -> str:
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def _given(name: str, value: AskedValue) -> str:
    if name == "stop_sequences":
        return "1 stop sequence" if value == 1 else f"{value} stop sequences"
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _spelled(name: str) -> str:
    return "stop sequences" if name == "stop_sequences" else name


def _counts(counts: tuple[Count, ...]) -> list[dict[str, object]]:
    return [{"name": each.name, "requests": each.requests} for each in counts]
