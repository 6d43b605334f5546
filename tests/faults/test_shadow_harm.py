"""What a shadow's upstream can do to those who wait for their answers: nothing."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy.simulator import create_simulator
from tests.faulty_upstreams import (
    FRAME,
    HANGS,
    HARM,
    LAST_FRAME,
    MEGABYTE,
    OFFERED,
    STREAM,
    Connection,
    ForModel,
    Moody,
    Treacherous,
    says,
    treacherous,
)
from tests.fleet import Fleet, rule, running_fleet
from tests.harness import V1, V2, running_proxy, text_of
from tests.servers import serving
from tests.waiting import wait_for

pytestmark = pytest.mark.faults("upstream")

RULES = rule("alone", 'action = "translate"') + rule(
    "beside", 'action = "translate"', 'shadow = "forward"'
)
OTHER = "claude-sonnet-4-6"
FORMS = [(version, stream) for version in (V1, V2) for stream in (False, True)]


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Treacherous]]:
    """A proxy whose legacy upstream harms whom it can."""
    with treacherous(HARM) as enemy:
        directory = tmp_path_factory.mktemp("harm")
        with running_fleet(directory, RULES, legacy_url=enemy.url) as fleet:
            yield fleet, enemy


def what_is_said(fleet: Fleet, case: str, **headers: str) -> list[tuple[int, str]]:
    """The answers of a case in every form, without the names that each has of its own."""
    answers = [
        fleet.ask(case, version=version, stream=stream, headers=headers)
        for version, stream in FORMS
    ]
    return [(answer.status_code, anonymous(answer.text)) for answer in answers]


def anonymous(text: str) -> str:
    """Frames and answers without ids, and without the padding that goes with them."""
    frames = [line.removeprefix("data: ") for line in text.splitlines()]
    said = [json.loads(frame) for frame in frames if frame.startswith("{")]
    return repr([{**one, "id": None, "log_id": None} for one in said])


def what_became_of_shadows(fleet: Fleet) -> float:
    """How many have come back, in whatever way."""
    return fleet.number("holdover_shadows_compared_total") + fleet.number(
        "holdover_shadows_failed_total"
    )


def peak_megabytes(fleet: Fleet) -> float:
    """The most memory that a process had since it was last forgotten."""
    status = Path(f"/proc/{fleet.process.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1024


def forget_peak(fleet: Fleet) -> float:
    """Begin anew; return how much it is now."""
    Path(f"/proc/{fleet.process.pid}/clear_refs").write_text("5")
    return peak_megabytes(fleet)


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.parametrize("harm", HARM)
def test_answers_are_right_whatever_the_shadow_does(harmed, harm):
    fleet, enemy = harmed
    before, accepted = what_became_of_shadows(fleet), len(enemy.accepted)
    usual, memory = what_is_said(fleet, "alone"), forget_peak(fleet)

    assert what_is_said(fleet, "beside", **{"x-harm": harm}) == usual
    wait_for(lambda: what_became_of_shadows(fleet) - before == len(FORMS))
    assert what_is_said(fleet, "alone") == usual
    assert peak_megabytes(fleet) < memory + 150
    wait_for(lambda: all(connection.is_closed for connection in enemy.accepted[accepted:]))
    assert len(enemy.accepted) > accepted
    assert not fleet.lines("shadow_crashed")


@pytest.mark.thorough
@pytest.mark.one_in(4)
@pytest.mark.parametrize("harm", HANGS)
def test_answers_come_while_every_shadow_hangs(tmp_path, harm):
    with treacherous(HANGS) as enemy, running_fleet(tmp_path, RULES, legacy_url=enemy.url) as fleet:
        usual = what_is_said(fleet, "alone")
        for _ in range(5):
            assert what_is_said(fleet, "beside", **{"x-harm": harm}) == usual

        assert what_became_of_shadows(fleet) == 0
        wait_for(lambda: len(enemy.accepted) >= 4)
        assert len(enemy.accepted) == 4  # so many at a time; the rest waits
        assert not any(connection.is_closed for connection in enemy.accepted)


@pytest.mark.thorough
def test_answers_are_right_where_nobody_lets_the_shadow_in(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with running_fleet(tmp_path, RULES, legacy_url=nobody) as fleet:
            usual = what_is_said(fleet, "alone")

            assert what_is_said(fleet, "beside") == usual
            wait_for(lambda: len(fleet.lines("shadow_failed", reason="UpstreamUnreachable")) == 4)


MOODS = {
    "hangs": {"delay-headers": "60000"},
    "hangs in its stream": {"hang-after-events": "4"},
    "refuses": {"error": "400"},
    "is overloaded": {"error": "529", "error-shape": "html"},
    "fails after a word": {"error-after-deltas": "1"},
    "breaks off": {"break-after-bytes": "300"},
    "ends too soon": {"end-after-events": "4"},
    "is no UTF-8": {"invalid-utf8": "1"},
}


@pytest.mark.thorough
@pytest.mark.one_in(9)
@pytest.mark.parametrize("mood", MOODS)
def test_answers_are_right_whatever_becomes_of_another_translation(tmp_path, mood):
    rules = rule("alone", 'action = "translate"') + rule(
        "beside", 'action = "translate"', f'shadow = {{ model = "{OTHER}" }}'
    )
    simulator = create_simulator()
    upstream = ForModel(simulator, OTHER, Moody(simulator, b"x-mood"))
    with serving(upstream) as url, running_fleet(tmp_path, rules, upstream_url=url) as fleet:
        usual = what_is_said(fleet, "alone")

        for _ in range(3):
            told = {"x-mood": json.dumps(MOODS[mood])}
            assert what_is_said(fleet, "beside", **told) == usual
        assert not fleet.lines("shadow_crashed")
        if not mood.startswith("hangs"):
            wait_for(lambda: what_became_of_shadows(fleet) == 3 * len(FORMS))


@pytest.mark.parametrize("mood", ["fails after a word", "ends too soon"])
def test_a_shadow_that_is_not_whole_is_not_compared(mood):
    simulator = create_simulator()
    upstream = ForModel(simulator, OTHER, Moody(simulator, b"x-mood"))
    rules = [{"name": "beside", "action": "translate", "shadow": {"model": OTHER}}]
    told = {"x-mood": json.dumps(MOODS[mood])}
    with capture_logs() as lines, running_proxy(upstream, rollout=rules) as proxy:
        assert text_of(proxy.stream(headers=V2 | told))
        [failed] = wait_for(lambda: [line for line in lines if line["event"] == "shadow_failed"])

    assert failed["reason"] == "UpstreamProtocolError"
    assert "shadow" not in {line["event"] for line in lines}


FLOODS = 5
START = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "content": []}}
DELTA = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "ha "}}


async def flood_with_deltas(_scope, receive, send):
    """A stream of the Messages API that goes on for as long as anybody listens."""
    await receive()
    gone = asyncio.ensure_future(receive())
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event in [START, *[DELTA] * (OFFERED // MEGABYTE)]:
        piece = b"data: %b\n\n" % json.dumps(event).encode()
        data = piece if event is START else piece * (MEGABYTE // len(piece))
        await send({"type": "http.response.body", "body": data, "more_body": True})
        await asyncio.sleep(0)
        if gone.done():
            return


@pytest.mark.thorough
def test_whoever_waits_has_a_turn_while_shadows_are_read(tmp_path):
    """Floods are read, each of which would keep the process busy for a good while."""
    rules = rule("alone", 'action = "translate"') + rule(
        "beside", 'action = "translate"', 'shadow = { model = "claude-flood" }'
    )
    upstream = ForModel(create_simulator(), "claude-flood", flood_with_deltas)
    with serving(upstream) as url, running_fleet(tmp_path, rules, upstream_url=url) as fleet:
        for _ in range(FLOODS):
            assert fleet.ask("beside", stream=True).status_code == 200
        answered = 0
        while len(fleet.lines("shadow_failed")) < FLOODS:
            assert fleet.ask("alone").status_code == 200
            answered += 1

        assert answered > 6 * FLOODS  # without turns it was 3 for each, with them 12 and more
        assert peak_megabytes(fleet) < 250


@pytest.mark.thorough
def test_an_answer_without_measure_is_passed_on_and_not_kept_for_comparison(tmp_path):
    rules = rule("beside", 'action = "forward"', 'shadow = "translate"')
    size = 100 * MEGABYTE

    def go_on(connection: Connection) -> None:
        connection.flood(FRAME, size=size)
        connection.socket.sendall(LAST_FRAME)

    endless = {"goes on": says(STREAM, b"\r\n", then=go_on)}
    with (
        treacherous(endless) as legacy,
        running_fleet(tmp_path, rules, legacy_url=legacy.url) as fleet,
    ):
        usual = peak_megabytes(fleet)
        answer = fleet.ask("beside", stream=True, headers={"x-harm": "goes on"})

        assert len(answer.content) > size - MEGABYTE
        assert answer.content.endswith(LAST_FRAME)
        assert fleet.number("holdover_shadows_skipped_total", reason="unreadable") == 1
        assert peak_megabytes(fleet) < usual + 90
