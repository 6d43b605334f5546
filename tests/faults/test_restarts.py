"""A server that is told to stop: it says so, goes on for a while, and loses nobody on its way."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.fleet import Fleet, running_fleet
from tests.harness import KEY, V2, body
from tests.processes import is_stopped
from tests.servers import fetch, fetch_streamed
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured, pytest.mark.without_coverage]

WORKERS = pytest.mark.parametrize("workers", [1, 2])
FOR_EVER = "3600"
SHUTTING_DOWN = "Holdover is shutting down."
CROWD = 20


def servers_of(fleet: Fleet) -> tuple[int, ...]:
    """The processes that serve."""
    return fleet.workers or (fleet.process.pid,)


def status_of(fleet: Fleet) -> int:
    """How it ended, once it has."""
    return fleet.process.wait(timeout=PATIENCE_SECONDS)


def tell(fleet: Fleet, signum: signal.Signals) -> None:
    fleet.process.send_signal(signum)


def readiness_of(fleet: Fleet) -> set[int]:
    """What several connections are told, which may be those of several workers."""
    return {fetch("GET", f"{fleet.url}/readyz").status_code for _ in range(9)}


@WORKERS
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_whoever_ends_because_it_was_told_to_has_not_failed(tmp_path, workers, signum):
    with running_fleet(tmp_path, workers=workers) as fleet:
        tell(fleet, signum)

        assert status_of(fleet) == 0


@pytest.mark.measured
@pytest.mark.one_in(2)
@WORKERS
def test_a_draining_server_says_so_and_serves_but_keeps_no_connection(tmp_path, workers):
    with running_fleet(tmp_path, workers=workers, HOLDOVER_DRAIN_SECONDS=FOR_EVER) as fleet:
        tell(fleet, signal.SIGTERM)
        fleet.line("draining")
        wait_for(
            lambda: [fetch("GET", f"{fleet.url}/readyz").status_code for _ in range(9)] == [503] * 9
        )
        ready = fetch("GET", f"{fleet.url}/readyz")
        answers = [
            fetch("POST", f"{fleet.url}/v1/complete", headers=KEY | V2, json=body(stream=stream))
            for stream in (False, True)
        ]
        tell(fleet, signal.SIGTERM)

        assert status_of(fleet) == 0
        assert ready.json()["status"] == "draining"
        assert ready.headers["connection"] == "close"
        assert [answer.status_code for answer in answers] == [200, 200]
        assert [answer.headers["connection"] for answer in answers] == ["close", "close"]


@pytest.mark.measured
def test_a_drained_server_stops_by_itself(tmp_path):
    with running_fleet(tmp_path, workers=2, HOLDOVER_DRAIN_SECONDS="0.5") as fleet:
        assert fleet.stop() == 0
        assert fleet.lines("draining")
        assert fleet.lines("stopping")


@pytest.mark.one_in(2)
@WORKERS
def test_an_interrupted_server_does_not_drain(tmp_path, workers):
    with running_fleet(tmp_path, workers=workers, HOLDOVER_DRAIN_SECONDS=FOR_EVER) as fleet:
        tell(fleet, signal.SIGINT)

        assert status_of(fleet) == 0
        assert not fleet.lines("draining")


@pytest.mark.one_in(3)
@WORKERS
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once_what_is_running(tmp_path, workers, signum):
    settings = "shutdown_timeout = 3600"
    with running_fleet(tmp_path, settings, workers=workers) as fleet, ExitStack() as stack:
        streams = [
            stack.enter_context(
                fetch_streamed(
                    "POST",
                    f"{fleet.url}/v1/complete",
                    headers=KEY | V2 | {"simulate-hang-after-events": "5"},
                    json=body(stream=True),
                )
            )
            for _ in range(4)
        ]
        pieces = [stream.iter_raw() for stream in streams]
        begun = [next(piece) for piece in pieces]
        tell(fleet, signum)
        fleet.line("stopping")
        for _ in range(2):  # a third has nothing to add
            tell(fleet, signum)
        heard = [first + b"".join(piece) for first, piece in zip(begun, pieces, strict=True)]

        assert status_of(fleet) == 0
        assert all(SHUTTING_DOWN.encode() in one for one in heard)


def asking(**fields: bool) -> bytes:
    """The bytes of a request for a completion; a stream does not end by itself."""
    content = json.dumps(body(**fields)).encode()
    headers = KEY | V2 | {"host": "127.0.0.1", "content-length": str(len(content))}
    headers |= {"simulate-hang-after-events": "5"} if fields else {}
    lines = ["POST /v1/complete HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


@contextmanager
def connected(fleet: Fleet, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that nobody may have accepted yet."""
    port = int(fleet.url.rpartition(":")[2])
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS))
            for _ in range(count)
        ]


def heard_by(connection: socket.socket) -> bytes:
    """All that comes, or what came before the connection was reset."""
    heard = b""
    try:
        while piece := connection.recv(65536):
            heard += piece
    except ConnectionError:
        pass
    return heard


@contextmanager
def asleep(fleet: Fleet) -> Iterator[None]:
    """Nobody who serves does anything, until the block ends."""
    servers = servers_of(fleet)
    for pid in servers:
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(map(is_stopped, servers)))
    try:
        yield
    finally:
        for pid in servers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def tell_sleepers(fleet: Fleet) -> None:
    """Tell a server to stop whose workers sleep; it has heard of it when this ends."""
    tell(fleet, signal.SIGTERM)
    if fleet.workers:
        fleet.line("stopping")


@WORKERS
def test_who_waits_in_the_backlog_is_served(tmp_path, workers):
    with running_fleet(tmp_path, workers=workers) as fleet:
        with asleep(fleet), connected(fleet, CROWD) as waiting:
            for one in waiting:
                one.sendall(asking())
            tell_sleepers(fleet)
            for pid in servers_of(fleet):
                os.kill(pid, signal.SIGCONT)
            heard = [heard_by(one) for one in waiting]

        assert status_of(fleet) == 0
        assert [one[:15] for one in heard] == [b"HTTP/1.1 200 OK"] * CROWD
        assert all(b"\r\nconnection: close\r\n" in one for one in heard)


@WORKERS
def test_who_asks_again_just_then_is_served(tmp_path, workers):
    with running_fleet(tmp_path, workers=workers) as fleet, connected(fleet, CROWD) as kept:
        for one in kept:
            one.sendall(asking())
        first = [one.recv(65536) for one in kept]
        with asleep(fleet):
            for one in kept:
                one.sendall(asking())
            tell_sleepers(fleet)
        second = [heard_by(one) for one in kept]

        assert status_of(fleet) == 0
        assert all(one.startswith(b"HTTP/1.1 200 OK") for one in first)
        assert [one.count(b"HTTP/1.1 200 OK") for one in second] == [1] * CROWD


def test_who_has_sent_half_of_a_request_may_send_the_rest(tmp_path):
    request = asking()
    with running_fleet(tmp_path) as fleet, connected(fleet, 3) as [in_head, in_body, silent]:
        in_head.sendall(request[:20])
        in_body.sendall(request[:-20])
        fleet.ask("nothing")  # so that these are accepted
        tell(fleet, signal.SIGTERM)
        fleet.line("stopping")
        wait_for(lambda: heard_by(silent) == b"")
        in_head.sendall(request[20:])
        in_body.sendall(request[-20:])

        assert heard_by(in_head).startswith(b"HTTP/1.1 200 OK")
        assert heard_by(in_body).startswith(b"HTTP/1.1 200 OK")
        assert status_of(fleet) == 0


@pytest.mark.measured
def test_who_is_refused_by_a_draining_server_keeps_no_connection(tmp_path):
    settings = "max_exchanges = 2\nmax_exchanges_per_caller = 1\nmax_waiting = 2"
    with (
        running_fleet(tmp_path, settings, HOLDOVER_DRAIN_SECONDS=FOR_EVER) as fleet,
        connected(fleet, 3) as [served, waiting, refused],
    ):
        served.sendall(asking(stream=True))
        assert served.recv(1)
        waiting.sendall(asking())
        wait_for(lambda: fleet.number("holdover_exchanges_waiting") == 1)
        tell(fleet, signal.SIGTERM)
        fleet.line("draining")
        refused.sendall(asking())
        heard = heard_by(refused)
        tell(fleet, signal.SIGTERM)

        assert status_of(fleet) == 0
        assert heard.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nconnection: close\r\n" in heard


@pytest.mark.measured
def test_workers_that_do_not_end_are_killed(tmp_path):
    with running_fleet(tmp_path, workers=2) as fleet, asleep(fleet):
        tell(fleet, signal.SIGTERM)
        fleet.line("stopping")
        tell(fleet, signal.SIGTERM)
        wait_for(lambda: len(fleet.lines("stopping")) == 2)
        tell(fleet, signal.SIGTERM)  # which can hurry nobody any more

        assert status_of(fleet) == 0
        assert len(fleet.lines("stopping")) == 2
        killed = fleet.lines("worker_ended", status=-signal.SIGKILL)
        assert len(killed) == 2


def test_a_worker_that_is_told_alone_goes_alone(tmp_path):
    with running_fleet(tmp_path, workers=2) as fleet:
        one, other = fleet.both_workers()
        with ThreadPoolExecutor() as threads:
            fleet.end_worker(one)
            answers = list(threads.map(lambda _: fetch("GET", f"{fleet.url}/healthz"), range(50)))
        fleet.wait_for_successor(one)

        assert {answer.status_code for answer in answers} == {200}
        assert other in fleet.workers
        ended = fleet.line("worker_ended", pid=one)
        assert (ended["status"], ended["restarted_after_seconds"]) == (0, 0)


@WORKERS
def test_whoever_is_told_by_the_service_manager_together_loses_nobody(tmp_path, workers):
    with running_fleet(tmp_path, workers=workers, HOLDOVER_DRAIN_SECONDS=FOR_EVER) as fleet:
        for pid in {fleet.process.pid, *servers_of(fleet)}:
            os.kill(pid, signal.SIGTERM)
        fleet.line("draining")
        wait_for(lambda: readiness_of(fleet) == {503})
        tell(fleet, signal.SIGTERM)

        assert status_of(fleet) == 0


def test_a_port_is_free_as_soon_as_nobody_is_accepted_any_more(tmp_path):
    settings = "shutdown_timeout = 3600"
    with running_fleet(tmp_path, settings, workers=2) as fleet:
        port = int(fleet.url.rpartition(":")[2])
        with fetch_streamed(
            "POST",
            f"{fleet.url}/v1/complete",
            headers=KEY | V2 | {"simulate-hang-after-events": "5"},
            json=body(stream=True),
        ) as stream:
            next(stream.iter_raw())
            tell(fleet, signal.SIGTERM)
            wait_for(lambda: not listens(port))
            tell(fleet, signal.SIGTERM)
            status_of(fleet)


def listens(port: int) -> bool:
    """Whether anybody on this machine listens there."""
    _, *sockets = Path("/proc/net/tcp").read_text().splitlines()
    there = f"0100007F:{port:04X}"
    return any(row[1] == there and row[3] == "0A" for row in map(str.split, sockets))
