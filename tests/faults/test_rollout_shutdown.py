"""A fleet that is told to stop: who is served is served or told, shadows are let go, all end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.faulty_upstreams import HANGS, Connection, says, treacherous
from tests.faulty_upstreams import WHOLE as TO_BE_JSON
from tests.fleet import Fleet, rule, running_fleet
from tests.harness import KEY, V1, V2, body
from tests.processes import children_of, is_alive
from tests.servers import new_client
from tests.waiting import wait_for

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured, pytest.mark.without_coverage]

RULES = rule("translated", 'action = "translate"') + rule("forwarded", 'action = "forward"')
BESIDE = rule("beside", 'action = "translate"', 'shadow = "forward"')
HANG = {"x-harm": "hangs"}
SHUTTING_DOWN = "Holdover is shutting down."


def test_shadows_are_let_go_and_counted(tmp_path):
    with treacherous(HANGS) as legacy:
        with running_fleet(tmp_path, BESIDE, workers=2, legacy_url=legacy.url) as fleet:
            for one in map(fleet.only, fleet.both_workers()):
                for _ in range(8):
                    assert one.ask("beside", headers=HANG).status_code == 200
            wait_for(lambda: len(legacy.accepted) == 8)  # four for each worker; as many wait
            assert fleet.stop() == 0

        assert [line["count"] for line in fleet.lines("shadows_dropped")] == [8, 8]
        assert not fleet.lines("shadow_failed")
        assert not fleet.lines("shadow_crashed")


def test_shadows_that_a_worker_drops_are_in_the_numbers_of_the_others(tmp_path):
    with (
        treacherous(HANGS) as legacy,
        running_fleet(tmp_path, BESIDE, workers=2, legacy_url=legacy.url) as fleet,
    ):
        one, _ = fleet.both_workers()
        first = fleet.only(one)
        for _ in range(6):
            first.ask("beside", headers=HANG)
        wait_for(lambda: len(legacy.accepted) == 4)
        fleet.end_worker(one)
        fleet.wait_for_successor(one)

        skipped = {"rule": "beside", "reason": "shutdown"}
        assert fleet.number("holdover_shadows_skipped_total", **skipped) == 6
        assert fleet.number("holdover_shadows_skipped_total", rule="beside") == 6


@dataclass(slots=True)
class Heard:
    """What a client hears."""

    status: int = 0
    pieces: list[bytes] = field(default_factory=list)
    broke_off: bool = True

    @property
    def text(self) -> str:
        """All of it."""
        return b"".join(self.pieces).decode()

    def listen(self, url: str, request: dict[str, Any], headers: dict[str, str]) -> None:
        """Until the answer ends, in whatever way."""
        with (
            new_client() as client,
            suppress(httpx.RemoteProtocolError),
            client.stream("POST", url, json=request, headers=headers) as answer,
        ):
            self.status = answer.status_code
            self.pieces.extend(answer.iter_raw())
            self.broke_off = False


Exchange = tuple[str, dict[str, str], bool]
"""Of which rule, in which dialect, and whether it is a stream."""


@contextmanager
def on_their_way(fleet: Fleet, crowd: list[Exchange], **behave: str) -> Iterator[list[Heard]]:
    """Exchanges that have reached their upstreams when this begins, and are over when it ends."""
    everybody = [Heard() for _ in crowd]
    with ThreadPoolExecutor(len(crowd)) as threads:
        for heard, (case, version, stream) in zip(everybody, crowd, strict=True):
            headers = KEY | version | {"x-case": case, "x-crowd": "1"} | behave
            request = body(model="claude-2.1", stream=stream)
            threads.submit(heard.listen, f"{fleet.url}/v1/complete", request, headers)
        wait_for(lambda: _arrived(fleet) == len(crowd))
        yield everybody


def _arrived(fleet: Fleet) -> int:
    """How many an upstream is answering; streams only once something of them was sent."""
    urls = (fleet.upstream_url, fleet.legacy_url)
    received = [one for url in urls for one in fleet.received_with(url, "x-crowd", "1")]
    return sum(one["events_sent"] > 1 or not (one["body"] or {}).get("stream") for one in received)


CASES = ("translated", "forwarded")
STREAMS: list[Exchange] = [(case, version, True) for case in CASES for version in (V1, V2)]
WHOLE: list[Exchange] = [(case, version, False) for case in CASES for version in (V1, V2)]


def processes_of(fleet: Fleet) -> list[int]:
    """All that belong to it, by id."""
    return [fleet.process.pid, *children_of(fleet.process.pid)]


def test_exchanges_that_end_in_time_end_well_and_all_processes_with_them(tmp_path):
    with running_fleet(tmp_path, "shutdown_timeout = 20\n" + RULES, workers=2) as fleet:
        processes = processes_of(fleet)
        slow = {"simulate-delay-headers": "1000", "simulate-delay-events": "50"}
        with on_their_way(fleet, STREAMS * 3 + WHOLE * 3, **slow) as everybody:
            status = fleet.stop()

    assert status == 0
    assert [heard.status for heard in everybody] == [200] * 24
    assert not any(heard.broke_off for heard in everybody)
    assert all('"stop_reason":"stop_sequence"' in heard.text for heard in everybody)
    assert not [heard for heard in everybody if "error" in heard.text]
    wait_for(lambda: not any(map(is_alive, processes)))


@pytest.mark.measured
def test_streams_that_do_not_end_in_time_are_told(tmp_path):
    with running_fleet(tmp_path, "shutdown_timeout = 1\n" + RULES, workers=2) as fleet:
        processes = processes_of(fleet)
        with on_their_way(fleet, STREAMS, **{"simulate-hang-after-events": "6"}) as everybody:
            assert fleet.stop() == 0

        for heard, (case, version, _) in zip(everybody, STREAMS, strict=True):
            is_ours = case == "translated"
            assert heard.status == 200
            assert "You said" in heard.text
            assert heard.text.count("event: error") == heard.text.count(SHUTTING_DOWN) == is_ours
            # In the old dialect it would be taken for complete; so would somebody else's words.
            assert heard.broke_off is (version is V1 or not is_ours)
        told = fleet.lines("exchange", failure=SHUTTING_DOWN, blame="holdover")
        assert len(told) == len(STREAMS)
    wait_for(lambda: not any(map(is_alive, processes)))


def test_whole_answers_that_do_not_come_in_time_are_errors_that_say_so(tmp_path):
    with running_fleet(tmp_path, "shutdown_timeout = 1\n" + RULES, workers=2) as fleet:
        with on_their_way(fleet, WHOLE, **{"simulate-delay-headers": "60000"}) as everybody:
            assert fleet.stop() == 0

        for heard in everybody:
            assert heard.status == 503
            assert f'"message":"{SHUTTING_DOWN}"' in heard.text
        assert len(fleet.lines("exchange", status=503)) == len(WHOLE)


HALF = b'{"completion":" half of'
HALVES = {
    "of known length": says(TO_BE_JSON, b"content-length: 999\r\n\r\n", HALF, then=Connection.hang),
    "of any length": says(TO_BE_JSON, b"\r\n", HALF, then=Connection.hang),
}


@pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("form", HALVES)
def test_half_of_a_forwarded_answer_is_broken_off_and_nothing_is_added(tmp_path, form, version):
    rules = "shutdown_timeout = 1\n" + RULES
    with (
        treacherous(HALVES) as legacy,
        running_fleet(tmp_path, rules, legacy_url=legacy.url) as fleet,
    ):
        heard = Heard()
        headers = KEY | version | {"x-case": "forwarded", "x-harm": form}
        with ThreadPoolExecutor() as threads:
            threads.submit(heard.listen, f"{fleet.url}/v1/complete", body(), headers)
            wait_for(lambda: heard.pieces)
            fleet.stop()

        assert (heard.text, heard.broke_off) == (HALF.decode(), True)
        assert not fleet.lines("Exception in ASGI application\n")
        assert fleet.line("exchange")["failure"] == SHUTTING_DOWN


def test_a_forwarded_path_is_broken_off_where_it_does_not_end_in_time(tmp_path):
    with running_fleet(tmp_path, "shutdown_timeout = 1\n" + RULES, workers=2) as fleet:
        heard = Heard()
        request = {"model": "claude-haiku-4-5", "max_tokens": 99, "stream": True}
        request |= {"messages": [{"role": "user", "content": "Hello"}]}
        headers = KEY | V2 | {"simulate-hang-after-events": "4"}
        with ThreadPoolExecutor() as threads:
            threads.submit(heard.listen, f"{fleet.url}/v1/messages", request, headers)
            wait_for(lambda: heard.pieces)
            assert fleet.stop() == 0

        assert heard.broke_off
        assert fleet.line("forward")["outcome"] == "cut_off"


def test_clients_who_only_keep_their_connections_hold_nobody_up(tmp_path):
    with running_fleet(tmp_path, "shutdown_timeout = 60\n" + RULES, workers=2) as fleet:
        assert fleet.ask("translated").status_code == 200
        assert fleet.stop() == 0
