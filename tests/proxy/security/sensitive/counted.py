"""
Regular expressions that count their steps: `re` itself says nothing of its work.

A backtracking matcher in the order in which `re` tries, for what the table
uses. Each look at a character, and each assertion, is a step; time would be
another on each machine and each day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

# Nothing describes their types, and whether they are said to exist depends on what else is checked.
op: Any = import_module("re._constants")
parser: Any = import_module("re._parser")

Groups = dict[int, tuple[int, int]]
Node = Callable[["Text", int, Groups], "Ended | None"]


class Ended(NamedTuple):
    at: int
    groups: Groups

    @classmethod
    def here(cls, _: Text, at: int, groups: Groups) -> Ended:
        return cls(at, groups)

    @classmethod
    def at_the_end(cls, text: Text, at: int, groups: Groups) -> Ended | None:
        return cls(at, groups) if at == text.end else None


class Steps:
    """How many there were, of all expressions that were compiled here."""

    def __init__(self) -> None:
        self.count = 0

    def compiled(self, expression: str) -> Any:
        return Pattern(expression, self)


class Text(NamedTuple):
    string: str
    end: int
    steps: Steps


class Match:
    def __init__(self, pattern: Pattern, string: str, start: int, ended: Ended) -> None:
        self.re, self.string = pattern, string
        closed = {group: span for group, span in ended.groups.items() if group < OPEN}
        self._spans = {0: (start, ended.at), **closed}
        last = list(closed)[-1:]  # they are in the order in which they ended
        self.lastgroup = next((n for n, i in pattern.groupindex.items() if [i] == last), None)

    def span(self, group: int | str = 0) -> tuple[int, int]:
        index = self.re.groupindex[group] if isinstance(group, str) else group
        return self._spans.get(index, (-1, -1))

    def start(self, group: int | str = 0) -> int:
        return self.span(group)[0]

    def end(self, group: int | str = 0) -> int:
        return self.span(group)[1]

    def __getitem__(self, group: int | str) -> str | None:
        start, end = self.span(group)
        return None if start < 0 else self.string[start:end]


class Pattern:
    def __init__(self, expression: str, steps: Steps) -> None:
        parsed = parser.parse(expression)
        self.groupindex: dict[str, int] = dict(parsed.state.groupdict)
        self._anywhere = sequence(parsed, Ended.here, ignoring_case=False)
        self._whole = sequence(parsed, Ended.at_the_end, ignoring_case=False)
        self._steps = steps

    def match(self, string: str, at: int = 0, end: int | None = None) -> Match | None:
        return self._matched(self._anywhere, string, at, end)

    def fullmatch(self, string: str, at: int = 0, end: int | None = None) -> Match | None:
        return self._matched(self._whole, string, at, end)

    def search(self, string: str, at: int = 0, end: int | None = None) -> Match | None:
        return next(self.finditer(string, at, end), None)

    def findall(self, string: str, at: int = 0, end: int | None = None) -> list[str | None]:
        return [found[0] for found in self.finditer(string, at, end)]

    def finditer(self, string: str, at: int = 0, end: int | None = None) -> Iterator[Match]:
        last = len(string) if end is None else min(end, len(string))
        while at <= last:
            found = self.match(string, at, last)
            if found is not None:
                yield found
            at = at + 1 if found is None else max(found.end(), at + 1)

    def _matched(self, node: Node, string: str, at: int, end: int | None) -> Match | None:
        last = len(string) if end is None else min(end, len(string))
        self._steps.count += 1
        ended = node(Text(string, last, self._steps), at, {})
        return None if ended is None else Match(self, string, at, ended)


def sequence(parsed: Any, then: Node, *, ignoring_case: bool) -> Node:
    """What comes later is put together first: each node knows what follows it."""
    for code, given in reversed(list(parsed)):
        then = node(code, given, then, ignoring_case=ignoring_case)
    return then


def node(code: Any, given: Any, then: Node, *, ignoring_case: bool) -> Node:
    if code in SINGLE:
        return one(one_of(code, given, ignoring_case=ignoring_case), then)
    return NODES[code](code, given, then, ignoring_case)


def in_a_group(_: Any, given: Any, then: Node, ignoring_case: bool) -> Node:
    group, added, _, parsed = given
    ignoring_case = ignoring_case or bool(added & op.SRE_FLAG_IGNORECASE)
    if group is None:
        return sequence(parsed, then, ignoring_case=ignoring_case)
    return opened(group, sequence(parsed, closed(group, then), ignoring_case=ignoring_case))


def in_a_branch(_: Any, given: Any, then: Node, ignoring_case: bool) -> Node:
    return branch([sequence(way, then, ignoring_case=ignoring_case) for way in given[1]])


def in_one_go(_: Any, given: Any, then: Node, ignoring_case: bool) -> Node:
    return atomic(sequence(given, Ended.here, ignoring_case=ignoring_case), then)


def asserted(code: Any, given: Any, then: Node, ignoring_case: bool) -> Node:
    direction, parsed = given
    back = parsed.getwidth()[0] if direction < 0 else None
    inner = sequence(parsed, Ended.here, ignoring_case=ignoring_case)
    return looking(inner, back, then, wanted=code is op.ASSERT)


SINGLE = {op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY}
Holds = Callable[[str], bool]


def one_of(code: Any, given: Any, *, ignoring_case: bool) -> Holds:
    if code is op.ANY:
        code, given = op.NOT_LITERAL, ord("\n")
    negated = code is op.NOT_LITERAL
    members = given if code is op.IN else [(op.LITERAL, given)]
    tests = [MEMBERS[kind](value) for kind, value in members if kind is not op.NEGATE]
    negated = negated or len(tests) < len(members)

    def holds(character: str) -> bool:
        spelled = {character, character.lower(), character.upper()} if ignoring_case else character
        return any(test(each) for each in spelled for test in tests if len(each) == 1) != negated

    return cache(holds)


def is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


CATEGORIES: dict[Any, Holds] = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_NOT_DIGIT: lambda character: not character.isdecimal(),
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_NOT_SPACE: lambda character: not character.isspace(),
    op.CATEGORY_WORD: is_word,
    op.CATEGORY_NOT_WORD: lambda character: not is_word(character),
}
MEMBERS: dict[Any, Callable[[Any], Holds]] = {
    op.LITERAL: lambda code: lambda character: ord(character) == code,
    op.RANGE: lambda ends: lambda character: ends[0] <= ord(character) <= ends[1],
    op.CATEGORY: CATEGORIES.__getitem__,
}


def one(holds: Holds, then: Node) -> Node:
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        text.steps.count += 1
        if at < text.end and holds(text.string[at]):
            return then(text, at + 1, groups)
        return None

    return run


def repeat(code: Any, given: Any, then: Node, ignoring_case: bool) -> Node:
    least, most, parsed = given
    most = 1 << 60 if most is op.MAXREPEAT else most
    if len(parsed) == 1 and parsed[0][0] in SINGLE:
        holds = one_of(*parsed[0], ignoring_case=ignoring_case)
        if code is op.MIN_REPEAT:
            return few(least, most, holds, then)
        return many(least, most, holds, then, gives_back=code is op.MAX_REPEAT)
    if code is op.POSSESSIVE_REPEAT:
        return rounds(least, most, sequence(parsed, Ended.here, ignoring_case=ignoring_case), then)

    def once(then: Node) -> Node:
        return sequence(parsed, then, ignoring_case=ignoring_case)

    return more_and_more(least, most, once, then, prefers_more=code is op.MAX_REPEAT)


def more_and_more(
    least: int, most: int, once: Callable[[Node], Node], then: Node, *, prefers_more: bool
) -> Node:
    def after(times: int) -> Node:
        def run(text: Text, at: int, groups: Groups) -> Ended | None:
            def go_on(text: Text, end: int, groups: Groups) -> Ended | None:
                return after(times + 1)(text, end, groups) if end > at else None

            ways = [once(go_on)] if times < most else []
            if times >= least:
                ways.insert(len(ways) if prefers_more else 0, then)
            return branch(ways)(text, at, groups)

        return run

    return after(0)


def few(least: int, most: int, holds: Holds, then: Node) -> Node:
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        for end in range(at, min(text.end, at + most) + 1):
            if end - at >= least and (ended := then(text, end, groups)):
                return ended
            text.steps.count += 1
            if end == text.end or not holds(text.string[end]):
                break
        return None

    return run


def many(least: int, most: int, holds: Holds, then: Node, *, gives_back: bool) -> Node:
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        end, last = at, min(text.end, at + most)
        while end < last and holds(text.string[end]):
            end += 1
        text.steps.count += end - at + 1
        if not gives_back:
            return then(text, end, groups) if end - at >= least else None
        tried = (then(text, each, groups) for each in range(end, at + least - 1, -1))
        return next(filter(None, tried), None)

    return run


def rounds(least: int, most: int, once: Node, then: Node) -> Node:
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        times = 0
        while times < most:
            ended = once(text, at, groups)
            if ended is None or ended.at == at:
                break
            (at, groups), times = ended, times + 1
        return then(text, at, groups) if times >= least else None

    return run


def atomic(inner: Node, then: Node) -> Node:
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        ended = inner(text, at, groups)
        return None if ended is None else then(text, *ended)

    return run


OPEN = 1 << 20
"""Where a group begins is kept under its number and this, until it is closed."""


def opened(group: int, then: Node) -> Node:
    return lambda text, at, groups: then(text, at, {**groups, group + OPEN: (at, at)})


def closed(group: int, then: Node) -> Node:
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        others = {i: span for i, span in groups.items() if i not in {group, group + OPEN}}
        return then(text, at, {**others, group: (groups[group + OPEN][0], at)})

    return run


def branch(ways: list[Node]) -> Node:
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        for way in ways:
            if ended := way(text, at, groups):
                return ended
        return None

    return run


def looking(inner: Node, back: int | None, then: Node, *, wanted: bool) -> Node:
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        text.steps.count += 1
        if back is None:
            ended = inner(text, at, groups)
        else:
            ended = inner(text._replace(end=at), at - back, groups) if at >= back else None
        if (ended is not None) != wanted:
            return None
        return then(text, at, ended.groups if ended else groups)

    return run


def place(_: Any, code: Any, then: Node, ignoring_case: bool) -> Node:  # noqa: ARG001
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        text.steps.count += 1
        around = [0 <= i < text.end and is_word(text.string[i]) for i in (at - 1, at)]
        is_there = {
            op.AT_BEGINNING_STRING: at == 0,
            op.AT_END_STRING: at == text.end,
            op.AT_BOUNDARY: around[0] != around[1],
        }[code]
        return then(text, at, groups) if is_there else None

    return run


def again(_: Any, group: int, then: Node, ignoring_case: bool) -> Node:  # noqa: ARG001
    def run(text: Text, at: int, groups: Groups) -> Ended | None:
        start, end = groups.get(group, (0, -1))
        said = text.string[start:end]
        text.steps.count += len(said) + 1
        if end >= start and text.string.startswith(said, at, text.end):
            return then(text, at + len(said), groups)
        return None

    return run


NODES: dict[Any, Callable[[Any, Any, Node, bool], Node]] = {
    op.MAX_REPEAT: repeat,
    op.MIN_REPEAT: repeat,
    op.POSSESSIVE_REPEAT: repeat,
    op.SUBPATTERN: in_a_group,
    op.BRANCH: in_a_branch,
    op.ATOMIC_GROUP: in_one_go,
    op.ASSERT: asserted,
    op.ASSERT_NOT: asserted,
    op.AT: place,
    op.GROUPREF: again,
    op.FAILURE: lambda *_: lambda *_: None,
}
