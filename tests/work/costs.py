"""
How many characters and items something that is not in Python looks at: an upper bound.

Whatever is known nowhere here looks at all that it is handed, texts and items
of collections, and at all that it gives back. So what is missing in these
tables shows as work too much, never as too little. Regular expressions are
not guessed at: the steps of their engine are counted.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, TypeAlias, TypeGuard

from tests.work.backtracking import steps_of

_Rule: TypeAlias = Callable[[Sequence[Any], Any], int]
"""A cost, from what was handed over (to a method: its object first) and what came of it."""


def cost_of(function: Callable[..., object], handed: Sequence[Any], came: object) -> int:
    """The cost of a call that gave `came` back; None, if it raised."""
    name = getattr(function, "__name__", "")
    owner = getattr(function, "__self__", None)
    if isinstance(owner, re.Pattern):
        return steps_of(owner, name, *handed)
    rules = _OF_OTHERS
    if _is_text(owner):
        rules = _OF_TEXTS
    elif getattr(function, "__module__", None) == "_operator":
        rules = _OF_OPERATORS
    if not isinstance(owner, ModuleType | None):
        handed = (owner, *handed)
    return rules.get(name, _everything)(handed, came)


def size_of(value: object) -> int:
    """How many characters and items there are."""
    if _is_text(value):
        return len(value)
    if isinstance(value, Mapping):
        return len(value) + sum(map(size_of, value)) + sum(map(size_of, value.values()))
    if isinstance(value, list | tuple | set | frozenset | deque):
        return len(value) + sum(map(size_of, value))
    return 0


def _is_text(value: object) -> TypeGuard[str | bytes | bytearray | memoryview]:
    return isinstance(value, str | bytes | bytearray | memoryview)


def _everything(handed: Sequence[Any], came: Any) -> int:
    return sum(map(size_of, handed)) + size_of(came)


def _nothing(_handed: Sequence[Any], _came: Any) -> int:
    return 0


def _argument(handed: Sequence[Any], _came: Any) -> int:
    return size_of(handed[1])


def _result(_handed: Sequence[Any], came: Any) -> int:
    return size_of(came)


def _bounds(handed: Sequence[Any]) -> tuple[int, int]:
    start, end, _ = slice(*(*handed[2:], None, None)[:2]).indices(len(handed[0]))
    return start, end


def _up_to_it(handed: Sequence[Any], came: int | None) -> int:
    start, end = _bounds(handed)
    return size_of(handed[1]) + (end if came is None or came < 0 else came) - start


def _down_to_it(handed: Sequence[Any], came: int | None) -> int:
    start, end = _bounds(handed)
    return size_of(handed[1]) + end - (start if came is None or came < 0 else came)


def _between(handed: Sequence[Any], _came: Any) -> int:
    start, end = _bounds(handed)
    return size_of(handed[1]) + end - start


def _looked_up(handed: Sequence[Any], _came: Any) -> int:
    container, item = handed
    is_hashed = isinstance(container, Mapping | set | frozenset)
    return size_of(item) if is_hashed else size_of(container) + size_of(item)


def _compared(handed: Sequence[Any], _came: Any) -> int:
    return min(map(size_of, handed))


def _sliced(handed: Sequence[Any], came: Any) -> int:
    return size_of(came) if isinstance(handed[1], slice) else 0


def _moved(handed: Sequence[Any], _came: Any) -> int:
    return size_of(handed[0]) if isinstance(handed[1], slice) else 0


def _grown(handed: Sequence[Any], came: Any) -> int:
    return size_of(came) if _is_text(came) else size_of(handed[1])


def _popped(handed: Sequence[Any], _came: Any) -> int:
    return len(handed[0]) if isinstance(handed[0], list) and len(handed) > 1 else 0


_OF_TEXTS: Final[Mapping[str, _Rule]] = {
    **dict.fromkeys(("startswith", "endswith"), _argument),
    **dict.fromkeys(("find", "index"), _up_to_it),
    **dict.fromkeys(("rfind", "rindex"), _down_to_it),
    "count": _between,
}
_OF_OPERATORS: Final[Mapping[str, _Rule]] = {
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _compared),
    **dict.fromkeys(("delitem", "setitem"), _moved),
    "contains": _looked_up,
    "getitem": _sliced,
    "iadd": _grown,
}
_OF_OTHERS: Final[Mapping[str, _Rule]] = {
    **dict.fromkeys(("len", "isinstance", "type", "getattr", "hasattr", "iter", "next"), _nothing),
    **dict.fromkeys(("append", "appendleft", "popleft", "add", "clear"), _nothing),
    **dict.fromkeys(("get", "setdefault", "keys", "values", "items"), _nothing),
    **dict.fromkeys(("start", "end", "span"), _nothing),
    **dict.fromkeys(("group", "groups"), _result),
    **dict.fromkeys(("extend", "update", "isdisjoint", "issuperset"), _argument),
    "pop": _popped,
}
