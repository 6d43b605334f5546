"""Skip the matrix unless it is asked for; build its environments before the first test."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Final

import pytest

from tests.clients.environments import CannotBuild, build_all
from tests.clients.sdks import Client

_HERE: Final = f"{Path(__file__).parent}/"
_COMMAND: Final = "uv run pytest tests/clients --sdk-matrix"
_BUILT: Final = pytest.StashKey[dict[str, Future[None]]]()
_SKIPPED: Final = pytest.StashKey[Counter[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in _ours(items):
        if reason := _reason_to_skip(item):
            item.add_marker(pytest.mark.skip(reason=reason))


def _ours(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return those in this folder of all tests of the run, which are ten thousand."""
    return [item for item in items if str(item.path).startswith(_HERE)]


def _reason_to_skip(item: pytest.Item) -> str | None:
    if not item.config.getoption("--sdk-matrix"):
        return f"installs old SDKs, which takes minutes; {_COMMAND}"
    tools = (client.environment.missing_tool for client in _clients_of(item))
    missing = next((tool for tool in tools if tool), None)
    return f"{missing} is not installed" if missing else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Here no test's own timeout is running yet."""
    config, ours = session.config, _ours(session.items)
    reasons = (_reason_to_skip(item) for item in ours)
    config.stash[_SKIPPED] = Counter(reason for reason in reasons if reason)
    if not config.getoption("--sdk-matrix") or config.option.collectonly:
        return
    clients = [client for item in ours for client in _clients_of(item)]
    environments = {each.environment for each in clients if not each.environment.missing_tool}
    begun = time.monotonic()
    config.stash[_BUILT] = build_all(environments)
    took = time.monotonic() - begun
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"{len(environments)} environments of old SDKs ready in {took:.0f} s")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for reason, number in config.stash.get(_SKIPPED, Counter()).items():
        terminalreporter.write_line(f"{number} tests of real clients skipped: {reason}")


@pytest.fixture(autouse=True)
def _environment(request: pytest.FixtureRequest) -> None:
    """A test whose client could not be installed fails, and says what the installer said."""
    for client in _clients_of(request.node):
        problem = request.config.stash[_BUILT][client.environment.name].exception()
        if isinstance(problem, CannotBuild):
            pytest.fail(str(problem), pytrace=False)
        if problem is not None:
            raise problem


def _clients_of(item: pytest.Item) -> list[Client]:
    """Return all clients that a test is about: most are about one, and some compare two."""
    callspec = getattr(item, "callspec", None)
    given = callspec.params.values() if callspec is not None else ()
    return [each for each in given if isinstance(each, Client)]
