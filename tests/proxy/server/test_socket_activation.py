"""Listeners that a service manager has opened."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import activated
from tests.fleet import running_fleet
from tests.servers import taken_port
from tests.waiting import PATIENCE_SECONDS

ASK = """
import json, os
from proxy.server.socket_activation import activated_sockets
print(json.dumps([
    [each.getsockname()[1], each.get_inheritable()] for each in activated_sockets()
] + sorted(set(os.environ) & {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})))
"""


def served(listener: socket.socket) -> subprocess.CompletedProcess[str]:
    """The command `serve` that is handed a descriptor."""
    return subprocess.run(
        activated(listener.fileno(), "serve"),
        pass_fds=[listener.fileno()],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def activated_in(program: str, listener: socket.socket, **environment: str) -> object:
    """What a program says that is handed a descriptor, unless its environment says otherwise."""
    command = activated(listener.fileno())
    command[-2:] = ["-c", program]
    ended = subprocess.run(
        command,
        pass_fds=[listener.fileno()],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=True,
    )
    return json.loads(ended.stdout)


@pytest.mark.unmeasured
def test_a_listener_is_taken_over_and_no_child_sees_it():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert activated_in(ASK, listener) == [[listener.getsockname()[1], False]]


@pytest.mark.unmeasured
@pytest.mark.parametrize("environment", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}])
def test_what_is_meant_for_somebody_else_is_not_taken(environment):
    ended = subprocess.run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=True,
    )

    assert json.loads(ended.stdout) == []


@pytest.mark.thorough
def test_what_is_no_socket_is_refused():
    with open(os.devnull, "rb") as file:
        ended = served(file)  # type: ignore[arg-type]

    assert ended.returncode == 2
    assert "LISTEN_FDS: descriptor 3 is no socket" in ended.stderr


@pytest.mark.measured
@pytest.mark.unmeasured
def test_what_does_not_listen_is_refused():
    with socket.socket() as silent:
        ended = served(silent)

    assert ended.returncode == 2
    assert "LISTEN_FDS: descriptor 3 does not listen for TCP connections" in ended.stderr


@pytest.mark.thorough
def test_it_goes_on_taking_connections_when_its_workers_have_stopped(tmp_path: Path):
    with (
        taken_port(listens=True) as listener,
        running_fleet(tmp_path, workers=2, listener=listener) as fleet,
    ):
        assert fleet.stop() == 0
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE_SECONDS):
            pass  # for the next server that it is handed to
