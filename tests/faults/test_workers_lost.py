"""Workers that are killed, fall silent or cannot start, and a main process that is killed."""

import os
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx
import pytest

from tests.command_line import run_process
from tests.fleet import Fleet, running_fleet
from tests.harness import KEY, V2, body
from tests.hypothesis_profiles import scaled
from tests.processes import children_of, files_of, is_alive
from tests.servers import fetch, fetch_streamed
from tests.waiting import PATIENCE_SECONDS, wait_for
from tests.worker_connections import far_end

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured, pytest.mark.without_coverage]

HANGING = KEY | V2 | {"simulate-hang-after-events": "5"}
AS_LONG_AS_A_TIMEOUT = 25
"""Seconds that one would wait for a supervisor which waits for a worker, of 30; else it is one."""

BREAKABLE = """
import os
import pathlib
import sys

if "--multiprocessing-fork" in sys.orig_argv:
    broken = pathlib.Path(__file__).with_name("broken")
    if broken.exists():
        os._exit(int(broken.read_text()))
"""


def answers(fleet: Fleet) -> bool:
    """Whether anybody does, on a connection of its own."""
    return fetch("GET", f"{fleet.url}/healthz").status_code == 200


def holders_of(fleet: Fleet, client: socket.socket) -> list[int]:
    """The processes of a fleet that hold the other end of a connection."""
    inode = far_end(theirs=client.getpeername()[1], ours=client.getsockname()[1])
    everybody = [fleet.process.pid, *children_of(fleet.process.pid)]
    return [pid for pid in everybody if f"socket:[{inode}]" in files_of(pid)]


def test_the_connections_of_a_killed_worker_end_with_it(tmp_path):
    with running_fleet(tmp_path, workers=2) as fleet, ExitStack() as stack:
        port = int(fleet.url.rpartition(":")[2])
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS))
            for _ in range(12)
        ]
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        one, other = fleet.both_workers()
        os.kill(one, signal.SIGKILL)
        fleet.wait_for_successor(one)  # which begins while connections of the other are open
        holders = [holders_of(fleet, client) for client in clients]
        os.kill(other, signal.SIGKILL)

        assert [pids for pids in holders if pids not in ([], [other])] == []
        for client in clients:
            wait_for_end(client)


def wait_for_end(client: socket.socket) -> None:
    """Read all that a connection still brings."""
    with suppress(ConnectionResetError):
        while client.recv(65536):
            pass


@pytest.mark.measured
def test_a_worker_that_hangs_is_replaced_while_the_other_serves(tmp_path):
    with running_fleet(tmp_path, workers=2, HOLDOVER_WORKER_TIMEOUT="5") as fleet:
        hung, other = fleet.both_workers()
        door = fleet.doors[other]
        os.kill(hung, signal.SIGSTOP)
        statuses = {door.get("/healthz").status_code}
        while hung in fleet.workers:
            statuses.add(door.get("/healthz").status_code)
        fleet.wait_for_successor(hung)

        assert statuses == {200}
        assert fleet.line("worker_silent", pid=hung)["level"] == "error"
        assert fleet.line("worker_ended", pid=hung)["status"] == -signal.SIGKILL
        assert other in fleet.workers


def lose_a_successor_and_the_other(fleet: Fleet) -> None:
    """Kill one, its successor before it can say anything, and then the other."""
    one, other = fleet.both_workers()
    os.kill(one, signal.SIGKILL)
    successor = wait_for(lambda: next((pid for pid in fleet.workers if pid not in {one, other}), 0))
    os.kill(successor, signal.SIGKILL)
    os.kill(other, signal.SIGKILL)


def test_each_loss_is_noticed_at_once_and_others_serve(tmp_path):
    with running_fleet(tmp_path, workers=2) as fleet:
        lose_a_successor_and_the_other(fleet)
        began = time.monotonic()
        wait_for(lambda: len(fleet.lines("worker_ended", status=-signal.SIGKILL)) == 3)
        noticed = time.monotonic()
        wait_for(lambda: answers(fleet))
        wait_for(lambda: len(fleet.doors) == 2)

        assert noticed - began < AS_LONG_AS_A_TIMEOUT


def test_when_all_are_lost_the_rest_can_be_told_to_stop(tmp_path):
    with running_fleet(tmp_path, workers=2) as fleet:
        lose_a_successor_and_the_other(fleet)
        began = time.monotonic()
        fleet.process.terminate()

        assert fleet.process.wait(timeout=PATIENCE_SECONDS) == 0
        assert time.monotonic() - began < AS_LONG_AS_A_TIMEOUT


@pytest.mark.scaled
def test_workers_that_are_killed_again_and_again_leave_somebody_who_answers(tmp_path):
    with running_fleet(tmp_path, workers=2) as fleet:
        for _ in range(scaled(10, at_least=4)):
            os.kill(wait_for(lambda: fleet.workers)[0], signal.SIGKILL)
            wait_for(lambda: is_served(fleet))
        wait_for(lambda: len(fleet.doors) == 2)


def is_served(fleet: Fleet) -> bool:
    """Whether a client who asks just now is answered, and not by a worker that dies."""
    try:
        return fleet.ask("nothing").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.measured
def test_when_the_main_process_is_killed_its_workers_end_and_say_so(tmp_path):
    with running_fleet(tmp_path, "shutdown_timeout = 3600", workers=2) as fleet:
        everybody = children_of(fleet.process.pid)
        with ThreadPoolExecutor() as threads:
            heard = [threads.submit(hear, fleet) for _ in range(6)]
            wait_for(
                lambda: len(fleet.received_with(fleet.upstream_url, "x-crowd", "1")) == len(heard)
            )
            fleet.process.kill()
            said = [one.result() for one in heard]
        wait_for(lambda: not any(map(is_alive, everybody)))
        fleet.process.wait()

        assert all(b"Holdover is shutting down." in one for one in said)


def hear(fleet: Fleet) -> bytes:
    with fetch_streamed(
        "POST",
        f"{fleet.url}/v1/complete",
        headers=HANGING | {"x-crowd": "1"},
        json=body(stream=True),
    ) as stream:
        return b"".join(stream.iter_raw())


@pytest.mark.measured
@pytest.mark.measured
@pytest.mark.one_in(2)
@pytest.mark.parametrize("status", [1, 3])
def test_a_server_whose_workers_cannot_start_ends_with_status_3(tmp_path, status):
    (tmp_path / "sitecustomize.py").write_text(BREAKABLE)
    (tmp_path / "broken").write_text(str(status))
    ended = run_process("serve", "--port", "0", HOLDOVER_WORKERS="2", PYTHONPATH=str(tmp_path))

    assert ended.returncode == 3
    assert "worker_failed_to_start" in ended.stderr


def test_a_replacement_that_cannot_start_is_tried_less_and_less_often(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BREAKABLE)
    broken = tmp_path / "broken"
    with running_fleet(tmp_path, workers=2, PYTHONPATH=str(tmp_path)) as fleet:
        doomed, other = fleet.both_workers()
        broken.write_text("3")
        os.kill(doomed, signal.SIGKILL)
        wait_for(lambda: len(fleet.lines("worker_ended")) >= 4)
        assert answers(fleet)
        broken.unlink()
        fleet.wait_for_successor(doomed)

        delays = [line["restarted_after_seconds"] for line in fleet.lines("worker_ended")]
        assert delays[:4] == [0, 1, 2, 4]
        assert other in fleet.workers


def test_when_nobody_can_start_it_is_tried_every_second(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BREAKABLE)
    broken = tmp_path / "broken"
    with running_fleet(tmp_path, workers=2, PYTHONPATH=str(tmp_path)) as fleet:
        workers = fleet.both_workers()
        broken.write_text("3")
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: len(fleet.lines("worker_ended")) >= 12)
        broken.unlink()
        wait_for(lambda: answers(fleet))
        wait_for(lambda: len(fleet.workers) == 2)

        assert fleet.process.poll() is None
        assert {line["restarted_after_seconds"] for line in fleet.lines("worker_ended")} <= {0, 1}


@pytest.mark.measured
def test_a_worker_that_the_system_does_not_give_is_tried_again(tmp_path):
    with running_fleet(tmp_path, workers=2) as fleet:
        doomed, other = fleet.both_workers()
        supervisor = fleet.process.pid
        limits = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (6, limits[1]))
        os.kill(doomed, signal.SIGKILL)
        line = fleet.line("worker_not_started")
        assert answers(fleet)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, limits)
        fleet.wait_for_successor(doomed)

        assert line["reason"] == "Too many open files"
        assert other in fleet.workers
