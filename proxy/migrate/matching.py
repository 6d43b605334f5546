"""
Match recorded requests with what the source of calls says of them, and count.

    rows of records -> `add`           one after the other, newest first
    contents        -> `add_contents`  of those for which `add` has asked
    `evidence_of`   -> Evidence

Memory does not grow with the records: each distinct call has one tally, and counters have a limit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from proxy.migrate.evidence import Contents, Count, Evidence, Places, Skeleton
from proxy.migrate.keys import without_keys
from proxy.migrate.traits import Asked, AskedValue, CallTraits, may_be_same
from proxy.terminal_text import escape_for_terminal
from translators import (
    CompletionRequest,
    InvalidCompletionRequest,
    decode_completion_request,
    parse_request,
)

MOST_CONTENTS: Final = 20
"""Contents that are read for each call, those of the latest requests."""
_MOST_NAMES: Final = 1_000
"""Different names that are counted; a client may send any number of keys or of turns."""
_MOST_SHAPES: Final = 4_096
_LONGEST_SYSTEM: Final = 200
_LONGEST_NAME: Final = 60
_MOST_PLACES: Final = 20
_OTHERS: Final = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One recorded request: its parameters, caller, features and number of turns."""

    id: str
    asked: Asked
    """All that it asked, by the names of the API, in the order of `CallTraits.asked`."""
    caller: str
    features: tuple[str, ...]
    turns: int | None
    has_contents: bool


@dataclass(frozen=True, slots=True)
class NamedCall:
    """A legacy call of which something is known, and its place: `file:line`."""

    place: str
    traits: CallTraits


class Search:
    """Counts the requests that may be of some calls."""

    def __init__(
        self,
        sought: Iterable[NamedCall],
        calls: Iterable[NamedCall],
        *,
        period: str,
        hide: Callable[[str], str] = str,
    ) -> None:
        """
        Prepare to count for the sought ones; all calls are named with those they resemble.

        `hide` does to a text what was done to contents before they were kept.
        """
        self._period = period
        findable = dict.fromkeys(each.traits for each in sought if each.traits.can_be_found)
        self._tallies = {each.asked: _Tally() for each in findable}
        self._contents = {each: _Contents(_literals_of(each, hide)) for each in findable}
        self._matching = lru_cache(_MOST_SHAPES)(self._tallies_for)
        self._places: dict[Asked, list[str]] = {}
        for call in calls:
            if call.traits.can_be_found:
                self._places.setdefault(call.traits.asked, []).append(call.place)

    @property
    def has_calls(self) -> bool:
        """True if there is a call whose requests can be found."""
        return bool(self._tallies)

    def add(self, request: RecordedRequest) -> bool:
        """Count a request for all calls that it may be of; True if its contents are wanted."""
        wanted = [tally.add(request) for tally in self._matching(request.asked)]
        return any(wanted)

    def add_contents(self, request_id: str, body: bytes) -> None:
        """Take what a client sent, as JSON; what is there but cannot be read is only counted."""
        read = _read(body)
        for traits, contents in self._contents.items():
            if request_id in self._tallies[traits.asked].latest:
                contents.add(read)

    def evidence_of(self, call: NamedCall) -> Evidence:
        """Return what was found of a sought call."""
        if not call.traits.can_be_found:
            return Evidence(period=self._period, asked=())
        asked = call.traits.asked
        tally = self._tallies[asked]
        same = [*self._places[asked]]
        same.remove(call.place)
        overlapping = (
            place
            for other, places in self._places.items()
            if other != asked and may_be_same(other, asked)
            for place in places
        )
        return Evidence(
            period=self._period,
            asked=tuple((name, _without_keys(value)) for name, value in asked),
            requests=tally.requests,
            callers=tally.callers.most(),
            features=tally.features.most(),
            turns=tally.turns.most(),
            contents=self._contents[call.traits].found(),
            same=_named(same),
            overlapping=_named(overlapping),
        )

    def _tallies_for(self, asked: Asked) -> tuple[_Tally, ...]:
        return tuple(tally for sought, tally in self._tallies.items() if may_be_same(sought, asked))


class _Names:
    """Counts by name; the names are limited."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str) -> None:
        is_counted = name in self._counts or len(self._counts) < _MOST_NAMES
        self._counts[name if is_counted else _OTHERS] += 1

    def most(self) -> tuple[Count, ...]:
        """Return all counts, the largest first."""
        return tuple(Count(_shown(name), number) for name, number in self._counts.most_common())


@dataclass(slots=True)
class _Tally:
    """The requests of all calls that ask for the same."""

    requests: int = 0
    callers: _Names = field(default_factory=_Names)
    features: _Names = field(default_factory=_Names)
    turns: _Names = field(default_factory=_Names)
    latest: set[str] = field(default_factory=set)
    """Ids of the latest requests whose contents were kept."""

    def add(self, request: RecordedRequest) -> bool:
        self.requests += 1
        self.callers.add(request.caller)
        for feature in request.features:
            self.features.add(feature)
        self.turns.add("unknown" if request.turns is None else str(request.turns))
        is_wanted = request.has_contents and len(self.latest) < MOST_CONTENTS
        if is_wanted:
            self.latest.add(request.id)
        return is_wanted


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A request that can be read."""

    request: CompletionRequest
    system: str | None
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Literals:
    """Literal texts of a call, with secrets hidden in them as in contents that were kept."""

    stops: tuple[str | None, ...]
    words: tuple[str, ...]

    def are_in(self, request: CompletionRequest) -> bool:
        """Return True if a request has these stop sequences, and these words in their order."""
        stops = request.stop_sequences or ()
        for index, stop in enumerate(self.stops):
            if stop is not None and stops[index : index + 1] != (stop,):
                return False
        position = 0
        for piece in self.words:
            position = request.prompt.find(piece, position)
            if position < 0:
                return False
            position += len(piece)
        return True


def _literals_of(traits: CallTraits, hide: Callable[[str], str]) -> _Literals:
    stops = (stop and hide(stop) for stop in traits.stops or ())
    return _Literals(tuple(stops), tuple(map(hide, traits.words)))


@dataclass(slots=True)
class _Contents:
    """Counts over the contents of the requests of one call."""

    literals: _Literals
    read: int = 0
    unreadable: int = 0
    systems: Counter[str] = field(default_factory=Counter)
    skeletons: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, prompt: _Prompt | None) -> None:
        self.read += 1
        if prompt is None:
            self.unreadable += 1
        elif self.literals.are_in(prompt.request):
            self.skeletons[prompt.roles] += 1
            if prompt.system is not None:
                self.systems[prompt.system] += 1

    def found(self) -> Contents | None:
        """Return what was found, or None if nothing was kept."""
        if not self.read:
            return None
        return Contents(
            read=self.read,
            unreadable=self.unreadable,
            meant=self.skeletons.total(),
            has_words=bool(self.literals.words or any(self.literals.stops)),
            system=_quoted(next(iter(self.systems))) if len(self.systems) == 1 else None,
            with_system=self.systems.total(),
            systems=len(self.systems),
            skeletons=tuple(Skeleton(*each) for each in self.skeletons.most_common()),
        )


def _read(body: bytes) -> _Prompt | None:
    try:
        parsed = parse_request(decode_completion_request(body))
    except InvalidCompletionRequest:
        return None
    if parsed.prompt is None:
        return None
    conversation = parsed.prompt.conversation
    roles = [turn.role for turn in conversation.turns]
    prefill = () if conversation.prefill is None else ("prefill",)
    return _Prompt(parsed.decoded.request, conversation.system, (*roles, *prefill))


def _without_keys(value: AskedValue) -> AskedValue:
    return without_keys(value) if isinstance(value, str) else value


def _shown(name: str) -> str:
    name = escape_for_terminal(without_keys(name))
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."


def _quoted(text: str) -> str:
    """Quote a text of a client on one line, cut to a length, without keys."""
    hidden = without_keys(text)
    cut = hidden if len(hidden) <= _LONGEST_SYSTEM else f"{hidden[:_LONGEST_SYSTEM]}..."
    return escape_for_terminal(json.dumps(cut, ensure_ascii=False))


def _named(places: Iterable[str]) -> Places:
    listed = [*dict.fromkeys(places)]
    return Places(tuple(listed[:_MOST_PLACES]), len(listed))
