"""
Three instances behind haproxy that share one PostgreSQL, under load, through a bad day.

Each instance is a machine of its own, as far as it can tell: it has its own state directory.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from proxy.simulator import create_simulator
from tests.command_line import run
from tests.deploy.haproxy import Haproxy, haproxy
from tests.fleet import Fleet, running_fleet
from tests.load import Load, asked_all_the_time
from tests.postgres import Postgres, postgres
from tests.processes import children_of, is_alive
from tests.servers import serving, taken_port
from tests.waiting import wait_for

CALLERS = [f"sk-ant-api03-caller-{number}" for number in range(8)]
RULES = """
digest_key = "the same on every machine"
[[rollout]]
name = "half"
action = "forward"
share = 50
"""


@dataclass(slots=True)
class Machines:
    """The instances by name, what is in front of them, and what is behind."""

    by_name: Mapping[str, Fleet]
    ports: Mapping[str, int]
    front: Haproxy
    server: Postgres
    store_url: str
    stack: ExitStack

    def start(self, name: str) -> None:
        """Start an instance again, and wait until haproxy sends it requests."""
        before = Counter(self.front.servers().values())[name]
        self.by_name[name].start(self.stack, environment(self.ports[name]))
        wait_for(lambda: Counter(self.front.servers().values())[name] > before)

    def kill(self, name: str) -> None:
        """Kill all processes of an instance, as when its machine loses power."""
        process = self.by_name[name].process
        pids = [process.pid, *children_of(process.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not any(map(is_alive, pids)))

    def stored(self) -> dict[str, list[tuple[str, str]]]:
        """Return what the store has: caller and route of each record, by marker."""
        found: dict[str, list[tuple[str, str]]] = {}
        with psycopg.connect(self.store_url) as connection:
            rows = connection.execute("SELECT user_agent, caller, route FROM exchanges").fetchall()
        for user_agent, caller, route in rows:
            found.setdefault(user_agent.removeprefix("test/"), []).append((caller, route))
        return found

    def report(self, name: str, since: str, until: str) -> dict[str, Any]:
        """Return what `holdover report` says with the settings of an instance."""
        period = ("--since", since, "--until", until)  # one by default begins with the minute
        config = str(self.by_name[name].config)
        done = run("report", "--config", config, "--format", "json", *period)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = msgspec.json.decode(done.stdout)
        del report["made"]
        return report


def environment(port: int) -> dict[str, Any]:
    return {
        "HOLDOVER_PORT": str(port),
        "HOLDOVER_REUSE_PORT": "true",
        "HOLDOVER_DRAIN_SECONDS": "3",  # as haproxy.cfg asks for
    }


@contextmanager
def three_machines(directory: Path) -> Iterator[Machines]:
    with postgres() as server, ExitStack() as stack:
        store_url = server.new_database()
        upstream_url = stack.enter_context(serving(create_simulator()))
        legacy_url = stack.enter_context(serving(create_simulator(legacy_models_alive=True)))
        holders = {name: stack.enter_context(taken_port()) for name in "abc"}
        ports = {name: holder.getsockname()[1] for name, holder in holders.items()}
        front = stack.enter_context(
            haproxy(directory, {name: f"127.0.0.1:{port}" for name, port in ports.items()})
        )
        by_name: dict[str, Fleet] = {}
        for name, port in ports.items():
            (directory / name).mkdir()
            by_name[name] = stack.enter_context(
                running_fleet(
                    directory / name,
                    f'traffic_url = "{store_url}"\n{RULES}',
                    workers=2,
                    upstream_url=upstream_url,
                    legacy_url=legacy_url,
                    **environment(port),
                )
            )
        yield Machines(by_name, ports, front, server, store_url, stack)


def who_answered(machines: Machines, load: Load, *, but: set[str]) -> set[str]:
    """The names of those who have answered others than these."""
    servers = machines.front.servers()
    new = [one.marker for one in load.asked if one.problem is None and one.marker not in but]
    return {servers[marker] for marker in new if marker in servers}


@pytest.mark.timeout(600)  # a minute, where nobody else needs the processor
def test_a_bad_day_of_three_machines_loses_no_exchange(tmp_path: Path):
    with three_machines(tmp_path) as machines:
        load = Load(machines.front.url, CALLERS, "claude-2.1")
        with asked_all_the_time(load, of_each_kind=1):
            wait_for(lambda: set(machines.front.servers().values()) == set("abc"))
            for name in "abc":
                assert machines.by_name[name].stop() == 0
                machines.start(name)
            reload_began = time.monotonic()
            machines.front.reload()
            load.wait_for_more(50)
            reload_ended = time.monotonic()
            stored_already = {one.marker for one in load.asked}
            machines.server.stop()
            load.wait_for_more(100)
            wait_for(lambda: "b" in who_answered(machines, load, but=stored_already))
            answered = {one.marker for one in load.asked if one.problem is None}
            kill_began = time.monotonic()
            machines.kill("b")
            kill_ended = time.monotonic()
            load.wait_for_more(100)
            machines.server.start()
            servers = machines.front.servers()
            by_others = {marker for marker in answered if servers[marker] != "b"}
            wait_for(lambda: by_others <= machines.stored().keys())
            waiting = answered - machines.stored().keys()
            machines.start("b")
            load.wait_for_more(50)
        whole = {one.marker for one in load.asked if one.problem is None}
        wait_for(lambda: whole <= machines.stored().keys())
        stored, servers = machines.stored(), machines.front.servers()
        until = datetime.now(UTC)
        period = ((until - timedelta(hours=1)).isoformat(), until.isoformat())
        reports = [machines.report(name, *period) for name in "abc"]

    # Nobody but those whom the killed instance was about to answer has seen anything of all this.
    # Of a later request of a kept connection that breaks haproxy logs nothing; a reload ends those
    # that are idle, be a request on its way or not.
    broken = [
        one
        for one in load.asked
        if one.problem is not None
        and not (one.marker not in servers and reload_began < one.ended < reload_ended)
    ]
    assert {servers.get(one.marker, "b") for one in broken} <= {"b"}
    assert [one for one in broken if one.ended < kill_began or one.began > kill_ended] == []
    # Each exchange is there once, also what only the journal of the killed instance had.
    assert waiting
    assert [records for records in stored.values() if len(records) > 1] == []
    # A caller goes the same way, whichever instance it meets.
    ways = {(one.key, *stored[one.marker][0]) for one in load.asked if one.marker in whole}
    met = {(one.key, servers[one.marker]) for one in load.asked if one.marker in whole}
    assert len(ways) == len(CALLERS)
    assert {route for _, _, route in ways} == {"forward", "translate"}
    assert met == set(product(CALLERS, "abc"))
    # One report over all.
    assert reports[0] == reports[1] == reports[2]
    assert reports[0]["totals"]["exchanges"] == len(stored)
