"""Modules of ours, loaded once more so that they count what their functions do."""

from __future__ import annotations

import ast
import importlib
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, spec_from_file_location, spec_from_loader
from itertools import pairwise
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple, TypeVar

from tests.work.costs import cost_of, size_of
from tests.work.rewriting import EACH, MADE, OPERATOR, WORK, rewritten

T = TypeVar("T")

_PREFIX: Final = "counted."
_done = [0, 0]


class Work(NamedTuple):
    """What something took."""

    steps: int
    handed: int


def counted(module: str) -> Any:
    """A module, such as `translators.stops`, that counts; with others that do, as it needs them."""
    return importlib.import_module(_PREFIX + module)


def work_of(run: Callable[..., object], *handed: object) -> Work:
    """Call what is made of counted modules; return what they did."""
    _done[:] = 0, 0
    run(*handed)
    return Work(*_done)


def is_linear(works: Iterable[Work]) -> bool:
    """Whether work for n, 2n, 4n and so on doubles each time, or grows less than that."""
    return all(
        more <= 2.2 * less + 100
        for before, after in pairwise(works)
        for less, more in zip(before, after, strict=True)
    )


def _work(function: Callable[..., T], /, *handed: Any, **named: Any) -> T:
    """Call a function, or do as an operator does."""
    _done[0] += 1
    came = None
    try:
        came = function(*handed, **named)
        return came
    finally:
        if not str(getattr(function, "__module__", "")).startswith(_PREFIX):
            _done[1] += cost_of(function, (*handed, *named.values()), came)


def _made(value: T) -> T:
    """A value that was put together in place."""
    _done[1] += size_of(value)
    return value


def _each(items: Iterable[T]) -> Iterator[T]:
    """What a loop is about to go through."""
    for item in items:
        _done[0] += 1
        yield item


class _Finder(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the protocol
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if f"{fullname}." == _PREFIX:
            return spec_from_loader(fullname, None, is_package=True)
        if not fullname.startswith(_PREFIX):
            return None
        real = find_spec(fullname.removeprefix(_PREFIX))
        if real is None or real.origin is None:
            return None
        return spec_from_file_location(
            fullname,
            loader=_Loader(fullname, real.origin),
            submodule_search_locations=real.submodule_search_locations,
        )


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Never from a cache, and under a name that no report of coverage looks for."""
        tree = rewritten(ast.parse(self.get_data(self.path)), _PREFIX)
        return compile(tree, f"<{fullname}>", "exec")

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update({WORK: _work, MADE: _made, EACH: _each, OPERATOR: operator})
        super().exec_module(module)


# In front: the usual one would find the files in their places and load them as they are.
sys.meta_path.insert(0, _Finder())
