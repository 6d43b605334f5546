"""The demo while it serves: its console, its records, and rules that can be moved."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from proxy.cli.demo_clients import OLD_CLIENTS
from proxy.config.history import history_of
from proxy.config.toml_edit import set_share
from tests.command_line import HOLDOVER, run, running
from tests.proxy.console.harness import enter
from tests.servers import fetch, new_client
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.thorough

REQUESTS = 1 + sum(1 for each in OLD_CLIENTS for _ in each.requests())


@dataclass(frozen=True)
class Demo:
    """A demo that serves, and somebody who has opened its console."""

    proxy: str
    state: Path
    console: httpx.Client

    @property
    def config(self) -> Path:
        return self.state / "demo" / "holdover.toml"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    state = tmp_path_factory.mktemp("state")
    with subprocess.Popen(
        [*HOLDOVER, "demo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HOLDOVER_STATE_DIR": str(state), "HOLDOVER_CONSOLE_PORT": "0"},
    ) as process:
        assert process.stdout is not None
        printed = ""
        while not printed.endswith("press Ctrl-C to stop.\n"):
            line = process.stdout.readline()
            assert line, process.communicate()
            printed += line
        [address] = re.findall(r"^The console is at (\S+)$", printed, re.MULTILINE)
        [proxy] = re.findall(r"^Serving on (\S+);", printed, re.MULTILINE)
        with new_client(base_url=address.partition("/enter")[0], follow_redirects=True) as console:
            enter(console, address)
            yield Demo(proxy, state, console)
        process.send_signal(signal.SIGTERM)
        said, complaints = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert said.startswith("Somebody has opened the console.")
    assert complaints == ""


def test_what_has_come_by_is_on_the_console_at_once(demo):
    wait_for(lambda: f"{REQUESTS} requests" in demo.console.get("/").text)


def test_the_proxy_follows_a_share_that_is_moved_in_its_file(demo):
    set_share(demo.config, "trial", 50)
    history = history_of(demo.config.parent, demo.config)

    wait_for(lambda: [each.changes for each in history.read()] == [("share of trial: 25 -> 50 %",)])
    settings = fetch("GET", f"{demo.proxy}/readyz").json()["settings"]
    assert settings["version"] == history.read()[0].version


def test_verbs_about_the_demo_work_beside_it(demo):
    shown = run("log", "--demo", "--format", "json", HOLDOVER_STATE_DIR=str(demo.state))

    assert shown.stdout.count("\n") == REQUESTS
    assert shown.stderr == ""


@pytest.mark.without_coverage
def test_a_second_console_of_the_demo_has_its_rules(demo):
    environment = {"HOLDOVER_STATE_DIR": str(demo.state)}
    with running("console", "--demo", "--port", "0", **environment) as (url, process):
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        [address] = re.findall(r"(http\S+)", said)
        with new_client(follow_redirects=True) as client:
            enter(client, address)
            wait_for(lambda: f"{REQUESTS} requests" in client.get(url).text)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert "Nothing can be changed" not in said + rest  # there is a settings file
