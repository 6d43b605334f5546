"""Options of the whole suite, known whichever folder is asked for."""

from __future__ import annotations

import gc
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import pytest

from tests.faults.summary import FaultSummary
from tests.hypothesis_profiles import is_quick, is_thorough, register_profiles

_GC_THRESHOLD: Final = 20_000
"""Objects made between two collections: a tenth of the suite's time went into more of them."""
_MOST_CASES: Final = 12
"""Cases of one test that the quick profile tries of the whole suite; others have no such limit."""
_LAW_TIMEOUT_SECONDS = 1200
_FIRST: Final = {"end_to_end", "faults", "cli"}
"""Folders whose tests start servers and commands."""
_STATE = tempfile.TemporaryDirectory(prefix="holdover-tests-")

register_profiles()  # before hypothesis's plugin is configured, which may load another


def pytest_configure(config: pytest.Config) -> None:
    """Keep what tests record, and the processes that they start, out of the user's own state."""
    os.environ.pop("STATE_DIRECTORY", None)
    # Else each of hundreds of processes compiles all that it imports, which takes a second.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["XDG_STATE_HOME"] = _STATE.name
    config.pluginmanager.register(FaultSummary())
    config.addinivalue_line(
        "markers", "thorough: takes so long that the quick profile leaves it out"
    )
    config.addinivalue_line(
        "markers",
        "unmeasured: takes long, as starting a server does, and reaches lines that others reach, "
        "too: left to CI, and there without coverage, with which it takes half as long again",
    )
    config.addinivalue_line(
        "markers",
        "without_coverage: reaches lines that others reach, too, and takes twice as long where "
        "coverage is measured: CI runs it beside the unmeasured",
    )
    config.addinivalue_line(
        "markers", "measured: belongs to those, and yet is the only one that reaches some line"
    )
    config.addinivalue_line("markers", "one_in(n): of its cases the quick profile tries one in n")
    config.addinivalue_line(
        "markers", "scaled: does the same more often, or with more, in the thorough profile"
    )


def pytest_unconfigure() -> None:
    _STATE.cleanup()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sdk-matrix",
        action="store_true",
        help="install the official SDKs of every era and run them against the proxy",
    )
    parser.addoption(
        "--for-coverage",
        action="store_true",
        help="only the tests that coverage is measured with, in the quick profile",
    )
    parser.addoption(
        "--rest",
        action="store_true",
        help="only what --for-coverage leaves out, and tests that the profile scales; "
        "of many cases a sample, unless the profile is the thorough one",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run three tests a core, because most of them wait for processes half of their time.

    Two where coverage is measured: then no core is idle, and more would only wait for each other.
    Named files and tests run in this process, where nothing delays or hides their output.
    """
    tests_a_core = 2 if "COVERAGE_PROCESS_START" in os.environ else 3
    return 0 if _names_files(config) else tests_a_core * len(os.sched_getaffinity(0))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give a law the time that thousands of examples take on a busy machine, and sample cases."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.timeout(_LAW_TIMEOUT_SECONDS))
            item.add_marker("scaled")
    if (not is_quick() and not config.getoption("--rest")) or _names_files(config):
        return
    items.sort(key=_place_in_queue)
    sample = _sample(items)
    measured = {
        item
        for item in sample
        if _has(item, "measured") or not _has(item, "unmeasured", "without_coverage")
    }
    if config.getoption("--rest"):
        left = (set(items) if is_thorough() else sample) - measured
        chosen = [item for item in items if item in left or _has(item, "scaled")]
    elif config.getoption("--for-coverage"):
        chosen = [item for item in items if item in measured]
    else:
        quick = {item for item in sample if not _has(item, "thorough", "unmeasured")}
        if config.args == config.getini("testpaths"):  # no folder was asked for
            quick = _few_of_each(item for item in quick if not _needs_postgresql(item))
        chosen = [item for item in items if item in quick]
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen


def pytest_collection() -> None:
    """Collect no garbage while tests are imported, which leave none and took a third longer."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let no collection of garbage go through what is there from the first test to the last."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(_GC_THRESHOLD)


def _place_in_queue(item: pytest.Item) -> bool:
    """Return what sorts files first that start servers: what takes long must not begin last."""
    return item.path.parent.name not in _FIRST


def _names_files(config: pytest.Config) -> bool:
    return all(".py" in argument for argument in config.args)


def _sample(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return one in n cases of those tests that are marked so, and all others.

    They are the same cases in each run, whatever order the run shuffles them into.
    """
    seen, sample = Counter[str](), set[pytest.Item]()
    for item in sorted(items, key=_as_defined):
        name = item.nodeid.partition("[")[0]
        one_in = item.get_closest_marker("one_in")
        if one_in is None or seen[name] % one_in.args[0] == 0:
            sample.add(item)
        seen[name] += 1
    return sample


def _few_of_each(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Return all cases of a test that has few, and so many from all over a long table."""
    by_test = defaultdict[str, list[pytest.Item]](list)
    for item in sorted(items, key=_as_defined):
        by_test[item.nodeid.partition("[")[0]].append(item)
    return {case for cases in by_test.values() for case in cases[:: -(-len(cases) // _MOST_CASES)]}


def _needs_postgresql(item: pytest.Item) -> bool:
    """Return True for what a server of PostgreSQL is started for, which each process has to."""
    case = getattr(item, "callspec", None)
    is_its_case = case is not None and "postgresql" in case.params.values()
    return is_its_case or "server" in getattr(item, "fixturenames", ())


def _as_defined(item: pytest.Item) -> tuple[object, ...]:
    """Return what sorts the cases of a test as its parameters are written."""
    case = getattr(item, "callspec", None)
    return item.nodeid.partition("[")[0], tuple(case.indices.values()) if case else ()


def _has(item: pytest.Item, *markers: str) -> bool:
    return any(item.get_closest_marker(marker) for marker in markers)


@pytest.fixture(autouse=True)
def _garbage_is_collected_where_it_was_made() -> Iterator[None]:
    """Let a test that leaves a socket or a pipe open be blamed for it, not one that comes later.

    Only what has files open warns, and collecting after each of ten thousand tests takes minutes.
    """
    before = _open_files()
    yield
    if _open_files() > before:
        gc.collect()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
