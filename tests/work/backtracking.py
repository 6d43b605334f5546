"""
How many steps `re` takes: it keeps no count, so its patterns are run here, by hand.

CPython's engine backtracks, and so does this one, over the same parsed pattern
and in the same order; only that it knows no short cuts. Where its count grows
linearly, so does the time of the real one; where a pattern backtracks, it shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from re import _compiler, _parser  # type: ignore[attr-defined]
from typing import Any, Final, TypeAlias

_Program: TypeAlias = list[tuple[Any, ...]]
"""Instructions: a name and its operands; jumps are relative."""
_Marks: TypeAlias = dict[object, int]
"""Positions by what they mark: both ends of groups, the latest rounds of loops."""

_ONE_PLACE: Final = frozenset({"LITERAL", "NOT_LITERAL", "IN", "ANY", "AT"})


def steps_of(pattern: re.Pattern[Any], method: str, *arguments: Any) -> int:
    """Count the steps of a call: of `pattern.search(text, 3)`, say."""
    if method in {"sub", "subn"}:
        arguments = arguments[1:2]
    elif method == "split":
        arguments = arguments[:1]
    text, position, end = (*arguments, 0, None)[:3] if len(arguments) < 3 else arguments
    run = Run(pattern, text[:end])
    if method in {"match", "fullmatch"}:
        run.match(position, is_whole=method == "fullmatch")
        return run.steps
    for _ in run.spans(position):
        if method == "search":
            break
    return run.steps


class Run:
    """A pattern over a text."""

    def __init__(self, pattern: re.Pattern[Any], text: Any) -> None:
        self.steps = 0
        self._program = _program_of(pattern)
        self._text = text

    def spans(self, position: int = 0) -> Iterator[tuple[int, int]]:
        """What `finditer` finds."""
        while position <= len(self._text):
            end = self.match(position)
            if end is not None:
                yield position, end
            position = position + 1 if end is None or end == position else end

    def match(self, position: int, *, is_whole: bool = False) -> int | None:
        """Where a match that begins in a position ends."""
        program = [*self._program, ("whole",)] if is_whole else self._program
        found = self._follow(program, position, {})
        return None if found is None else found[0]

    def _follow(self, program: _Program, position: int, marks: _Marks) -> tuple[int, _Marks] | None:
        waiting = [(0, position, marks)]
        while waiting:
            at, position, marks = waiting.pop()
            while at < len(program):
                self.steps += 1
                name, *operands = program[at]
                if name == "split":  # the first way is tried now, the other one if that fails
                    waiting.append((at + operands[1], position, marks))
                    at += operands[0]
                elif name == "jump":
                    at += operands[0]
                else:
                    moved = self._step(name, operands, position, marks)
                    if moved is None:
                        break
                    position, marks = moved
                    at += 1
            else:
                return position, marks
        return None

    def _step(
        self, name: str, operands: list[Any], position: int, marks: _Marks
    ) -> tuple[int, _Marks] | None:
        match name:
            case "place":
                place, comparisons = operands
                self.steps += comparisons
                found = place.match(self._text, position)
                return found and (found.end(), marks)
            case "mark":
                return position, marks | {operands[0]: position}
            case "moved":  # a round that read nothing would be repeated for ever
                return None if marks[operands[0]] == position else (position, marks)
            case "atomic":
                return self._follow(operands[0], position, marks)
            case "look":
                program, back, is_wanted = operands
                start = position - back
                found = self._follow(program, start, marks) if start >= 0 else None
                return (
                    (position, found[1] if found else marks) if bool(found) is is_wanted else None
                )
            case "again":
                begin, end = (marks.get((operands[0], edge), -1) for edge in ("begin", "end"))
                said = self._text[begin:end]
                self.steps += len(said)
                is_said = end >= 0 and self._text.startswith(said, position)
                return (position + len(said), marks) if is_said else None
            case _:
                return (position, marks) if position == len(self._text) else None


@cache
def _program_of(pattern: re.Pattern[Any]) -> _Program:
    return _sequence(_parser.parse(pattern.pattern, pattern.flags), pattern.flags)


def _sequence(parsed: Any, flags: int) -> _Program:
    return [
        instruction
        for name, operand in parsed
        for instruction in _instructions(str(name), operand, flags, parsed.state)
    ]


def _instructions(name: str, operand: Any, flags: int, state: Any) -> _Program:
    match name:
        case "SUBPATTERN":
            group, added, removed, inner = operand
            body = _sequence(inner, flags & ~removed | added)
            return body if group is None else [_mark(group, "begin"), *body, _mark(group, "end")]
        case "BRANCH":
            return _branches([_sequence(way, flags) for way in operand[1]])
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, inner = operand
            body = _sequence(inner, flags)
            return _repeated(body, least, most, is_greedy=name == "MAX_REPEAT")
        case "POSSESSIVE_REPEAT":
            return [("atomic", _instructions("MAX_REPEAT", operand, flags, state))]
        case "ATOMIC_GROUP":
            return [("atomic", _sequence(operand, flags))]
        case "ASSERT" | "ASSERT_NOT":
            direction, inner = operand
            back = inner.getwidth()[0] if direction < 0 else 0
            return [("look", _sequence(inner, flags), back, name == "ASSERT")]
        case "GROUPREF":
            return [("again", operand)]
        case _:
            place = _parser.SubPattern(state, [(getattr(_parser, name), operand)])
            return [("place", _compiler.compile(place, flags), _comparisons(name, operand))]


def _comparisons(name: str, operand: Any) -> int:
    """A class of characters is a table, but for those beyond U+FFFF: they are gone through."""
    members = [member for _, member in operand if member] if name == "IN" else []
    return sum(
        max(member if isinstance(member, tuple) else (member,)) > 0xFFFF for member in members
    )


def _mark(group: int, edge: str) -> tuple[Any, ...]:
    return "mark", (group, edge)


def _branches(ways: list[_Program]) -> _Program:
    *others, last = ways
    program = last
    for way in reversed(others):
        program = [("split", 1, len(way) + 2), *way, ("jump", len(program) + 1), *program]
    return program


def _repeated(body: _Program, least: int, most: int, *, is_greedy: bool) -> _Program:
    def either(inside: int, outside: int) -> tuple[Any, ...]:
        return ("split", inside, outside) if is_greedy else ("split", outside, inside)

    rest: _Program = []
    if most is _parser.MAXREPEAT:
        round_ = object()
        looped = [("mark", round_), *body, ("moved", round_)]
        rest = [either(1, len(looped) + 2), *looped, ("jump", -len(looped) - 1)]
    else:
        for _ in range(most - least):
            rest = [either(1, len(body) + len(rest) + 1), *body, *rest]
    return [*(body * least), *rest]
