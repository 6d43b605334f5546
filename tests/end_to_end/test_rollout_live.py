"""Rules change while two workers serve: everywhere, at once, and without costing an answer."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from proxy.config import reload
from tests.command_line import run_process
from tests.end_to_end.load import load_on
from tests.fleet import Fleet, marked, running_fleet
from tests.harness import body, frames, text_of
from tests.waiting import wait_for

pytestmark = pytest.mark.unmeasured

PROMISED_SECONDS = 2


def rule(name: str, action: str, rest: str = "") -> str:
    return f'\n[[rollout]]\nname = "{name}"\naction = "{action}"\n{rest}\n'


TRANSLATED = rule("translated", "translate")
FORWARDED = rule("forwarded", "forward")
REFUSED = rule("refused", "refuse")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), TRANSLATED, workers=2) as running:
        yield running


def rules_of_workers(fleet: Fleet) -> set[str | None]:
    """The rules by which the workers decide about one and the same request."""
    return {
        door.post("/v1/complete", headers=marked(), json=body(model="claude-2.1")).headers.get(
            "holdover-rule"
        )
        for door in fleet.doors.values()
    }


def good_reads(fleet: Fleet) -> float:
    return fleet.number("holdover_settings_reads_total", outcome="good")


def wait_for_rule(fleet: Fleet, name: str | None) -> None:
    """Wait until this rule decides, or none, in every worker."""
    wait_for(lambda: rules_of_workers(fleet) == {name})


def test_a_change_is_followed_in_every_worker(fleet: Fleet):
    fleet.write(fleet.text(rule("one", "translate")))

    wait_for_rule(fleet, "one")


def test_the_file_is_looked_at_often_enough_for_what_is_promised():
    """A change is seen at the next look, and followed before another one."""
    assert 2 * reload._POLL_SECONDS < PROMISED_SECONDS


def test_a_hangup_lets_every_worker_read_and_restarts_none(fleet: Fleet):
    fleet.follow(TRANSLATED)
    workers = fleet.workers
    before = good_reads(fleet)
    headers = marked({"simulate-delay-events": "100"})
    content = body(stream=True)
    with fleet.client.stream(
        "POST", f"{fleet.url}/v1/complete", headers=headers, json=content
    ) as answer:
        pieces = answer.iter_raw()
        first = next(pieces)
        fleet.process.send_signal(signal.SIGHUP)
        wait_for(lambda: good_reads(fleet) == before + len(workers))
        whole = first + b"".join(pieces)

    assert fleet.workers == workers
    assert set(fleet.doors) == set(workers)
    assert rules_of_workers(fleet) == {"translated"}
    assert frames(whole)[-1][1]["stop_reason"] == "stop_sequence"
    assert fleet.record(answer)["status"] == 200


def test_a_hangup_makes_a_change_known_to_all(fleet: Fleet):
    fleet.follow(TRANSLATED)
    workers = fleet.workers
    fleet.write(fleet.text(FORWARDED))
    fleet.process.send_signal(signal.SIGHUP)
    wait_for_rule(fleet, "forwarded")

    assert fleet.workers == workers


def test_a_stream_ends_under_the_rules_it_began_with(fleet: Fleet):
    fleet.follow(rule("before", "translate", 'campaign = { link = "https://example.com/a" }'))
    deltas = [f" {number}" for number in range(40)]
    headers = marked({"simulate-delay-events": "100", "simulate-deltas": json.dumps(deltas)})
    with fleet.client.stream(
        "POST", f"{fleet.url}/v1/complete", headers=headers, json=body(stream=True)
    ) as answer:
        pieces = answer.iter_raw()
        first = next(pieces)
        fleet.follow(REFUSED)
        _, still_asked = fleet.upstream_request(answer)
        refused = fleet.post()
        whole = first + b"".join(pieces)

    line = fleet.record(answer)
    assert still_asked["outcome"] == "running"
    assert refused.status_code == 410
    assert text_of(whole) == "".join(deltas)
    assert (line["rule"], line["route"], line["status"]) == ("before", "translate", 200)


def test_a_request_that_is_still_arriving_is_decided_by_the_rules_it_began_with(fleet: Fleet):
    fleet.follow(TRANSLATED)
    address = urlsplit(fleet.url)
    content = json.dumps(body()).encode()
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(
            b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
            b"connection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(content), content[:10])
        )
        fleet.follow(REFUSED)
        connection.sendall(content[10:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nholdover-rule: translated\r\n" in answer


COMMANDS: dict[tuple[str, ...], tuple[str, str | None]] = {
    ("share", "moved", "100"): ("forward", "moved"),
    ("override", "translate"): ("translate", None),
    ("override", "forward"): ("forward", None),
    ("override", "off"): ("forward", "moved"),
    ("share", "moved", "0"): ("translate", "translated"),
}


def test_the_commands_change_what_a_running_fleet_does(fleet: Fleet):
    fleet.follow(
        rule("moved", "forward", "share = 0 # nobody yet") + "# the rest stays\n" + TRANSLATED
    )
    before = fleet.config.read_text()
    config = ("--config", str(fleet.config))
    decided: list[tuple[str, str | None]] = []
    for command in COMMANDS:
        with fleet.changing():
            result = run_process("rollout", *command, *config)
            assert result.returncode == 0, result.stderr
        line = fleet.record(fleet.post(model="claude-2.1"))
        decided.append((line["route"], line["rule"]))

    assert decided == list(COMMANDS.values())
    assert fleet.config.read_text().rstrip() == before.rstrip()
    assert fleet.settings_of_workers("problem") == {None}


def test_a_change_the_command_cannot_make_leaves_the_file_and_the_fleet_alone(fleet: Fleet):
    fleet.follow(TRANSLATED)
    before = fleet.config.read_text()
    config = ("--config", str(fleet.config))
    results = [
        run_process("rollout", *command, *config)
        for command in [("share", "nobody", "5"), ("share", "translated", "101"), ("override", "x")]
    ]

    assert [result.returncode for result in results] == [2, 2, 2]
    assert fleet.config.read_text() == before
    assert rules_of_workers(fleet) == {"translated"}


def test_settings_that_wait_for_a_restart_are_named_by_every_worker(fleet: Fleet):
    fleet.follow(TRANSLATED)
    changed = fleet.text(FORWARDED, "ping_interval = 3\nmount-prefix = 'x'")
    with fleet.changing():
        fleet.write(changed.replace("workers = 2", "workers = 3"))
    waiting = {tuple(ready["settings"]["waiting_for_restart"]) for ready in fleet.ready().values()}
    fleet.follow(TRANSLATED)

    assert waiting == {("mount_prefix", "workers", "ping_interval")}
    assert rules_of_workers(fleet) == {"translated"}
    assert {
        tuple(ready["settings"]["waiting_for_restart"]) for ready in fleet.ready().values()
    } == {()}


def test_changes_under_load_lose_nothing_and_ask_nothing_twice(fleet: Fleet):
    fleet.follow(TRANSLATED)
    changes = [
        rule(f"{action}-{n}", action) for n in range(2) for action in ("forward", "translate")
    ]
    with load_on(fleet) as load:
        for number, rules in enumerate(changes):
            fleet.follow(rules)
            if number == 2:
                fleet.process.send_signal(signal.SIGHUP)
            load.wait_for_more()

    order = list(dict.fromkeys(load.outcomes.values()))
    assert order == ["translated", "forward-0", "translate-0", "forward-1", "translate-1"]
    assert wait_for(lambda: load.is_accounted_for(fleet))


def test_the_history_says_when_which_share_changed(tmp_path: Path):
    with running_fleet(tmp_path, rule("canary", "translate", "share = 5"), workers=2) as fleet:
        fleet.follow(rule("canary", "translate", "share = 25"))
        done = fleet.rollout("history")
        [read, *_] = wait_for(lambda: fleet.lines("settings_read"))

    first, second = done.stdout.splitlines()
    assert first.endswith("Z  start with canary: translate 5 %, by holdover serve")
    assert second.endswith("Z  share of canary: 5 -> 25 %")
    assert read["changes"] == ["share of canary: 5 -> 25 %"]
