"""A key that upstream refuses: the client's own is its affair, one that is held here is ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from proxy.security.keyring import hash_token
from proxy.security.redaction import Digester
from proxy.simulator import create_simulator
from tests.faulty_upstreams import Moody
from tests.fleet import Fleet, rule, running_fleet
from tests.harness import KEY, V2
from tests.servers import serving
from tests.waiting import wait_for

OURS: Final = {
    "type": "api_error",
    "message": "The upstream rejected Holdover's own API key, or requires one that Holdover does "
    "not have. Your key is not the cause: contact the operator of Holdover.",
}
TOKEN: Final = "holdover-token-of-ads-and-nobody-else"
HELD: Final = {"upstream_key": "sk-of-the-server", "legacy_key": "sk-of-the-server-for-legacy"}
KEYS: Final = "".join(f'{name} = "{key}"\n' for name, key in HELD.items())
RULES: Final = "\n".join(
    [
        rule("translate", 'action = "translate"'),
        rule("forward", 'action = "forward"'),
        rule("rescued", 'action = "translate"', 'on_failure = "forward"'),
        rule("watched", 'action = "translate"', "guard = { errors_above = 10, min_count = 5 }"),
        rule("beside", 'action = "translate"', 'shadow = "forward"'),
    ]
)
WAYS: Final[Mapping[str, tuple[str, str]]] = {
    "translate": ("upstream_key", "x-messages"),
    "forward": ("legacy_key", "x-legacy"),
    "/v1/messages": ("upstream_key", "x-messages"),
    "/v1/models": ("upstream_key", "x-messages"),
}
"""The key that is used, and the header that moves who is asked with it."""
MESSAGES: Final = {
    "model": "claude-haiku-4-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hi"}],
}


@contextmanager
def holdover(directory: Path, settings: str, *, workers: int = 1) -> Iterator[Fleet]:
    """Between upstreams that refuse keys when a header tells them to."""
    legacy = create_simulator(legacy_models_alive=True)
    with (
        serving(Moody(create_simulator(), b"x-messages")) as upstream_url,
        serving(Moody(legacy, b"x-legacy")) as legacy_url,
    ):
        known = f'digest_key = "k"\ntraffic = false\n{settings}\n{RULES}'
        with running_fleet(
            directory, known, workers=workers, upstream_url=upstream_url, legacy_url=legacy_url
        ) as running:
            yield running


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with holdover(tmp_path_factory.mktemp("held"), KEYS) as running:
        yield running


def ask(
    fleet: Fleet, way: str, moods: Mapping[str, str] | None = None, **fields: Any
) -> httpx.Response:
    """Ask, of upstreams of which some refuse with a status."""
    refusing = {name: json.dumps({"error": status}) for name, status in (moods or {}).items()}
    headers = KEY | V2 | refusing
    match way:
        case "/v1/models":
            return fleet.client.get(fleet.url + way, headers=headers)
        case "/v1/messages":
            return fleet.client.post(fleet.url + way, headers=headers, json=MESSAGES)
        case _:
            return fleet.ask(way, model="claude-2.1", headers=headers, **fields)


def refused_keys(fleet: Fleet) -> dict[str, Any]:
    """What `/readyz` says of them."""
    said: dict[str, Any] = fleet.client.get(f"{fleet.url}/readyz").json()["refused_keys"]
    return said


@pytest.mark.one_in(3)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", ["401", "402", "403"])
@pytest.mark.parametrize("way", ["translate", "forward"])
def test_a_key_of_ours_that_is_refused_is_our_fault(fleet, way, status, stream):
    setting, mood = WAYS[way]
    answer = ask(fleet, way, {mood: status}, stream=stream)
    record = fleet.record(answer)

    assert (answer.status_code, answer.json()["error"]) == (502, OURS)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["request_id"] == answer.headers["request-id"] == record["id"]
    assert (record["blame"], record["error_type"]) == ("holdover", "api_error")
    assert record["failure"] == f"{setting}: the upstream rejected this key with status {status}"


@pytest.mark.parametrize(
    "message",
    [
        "Access to this model requires an access grant your request does not have.",
        "You don't have access to the model with the specified model ID.",
    ],
)
def test_a_model_that_is_closed_to_a_key_of_ours_is_no_refusal_of_the_key(fleet, message):
    mood = json.dumps({"error": "403", "error-message": json.dumps(message)})
    before = refused_keys(fleet)
    answer = fleet.ask("translate", model="claude-2.1", headers=KEY | V2 | {"x-messages": mood})

    told = {"type": "permission_error", "message": message}
    assert (answer.status_code, answer.json()["error"]) == (403, told)
    assert fleet.record(answer)["failure"] == "status 403"
    assert refused_keys(fleet) == before


@pytest.mark.parametrize("status", ["401", "402", "403"])
@pytest.mark.parametrize("way", ["/v1/messages", "/v1/models"])
def test_so_it_is_on_every_other_path(fleet, way, status):
    answer = ask(fleet, way, {WAYS[way][1]: status})

    assert (answer.status_code, answer.json()["error"]) == (502, OURS)
    assert answer.headers["x-should-retry"] == "false"
    assert fleet.line("forward", path=way, status=502)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_counted_logged_loudly_and_shown_until_upstream_answers(fleet, way):
    setting, mood = WAYS[way]
    assert ask(fleet, way).status_code == 200
    fleet.record(ask(fleet, "translate"))  # then all lines of the tests before are written, too
    lines, number = fleet.lines("key_refused"), refusals(fleet, setting)
    assert setting not in refused_keys(fleet)

    for _ in range(3):
        ask(fleet, way, {mood: "401"})
    shown = refused_keys(fleet)[setting]
    ask(fleet, way, {mood: "529"})  # which says nothing about the key
    still = refused_keys(fleet)[setting]
    assert ask(fleet, way).status_code == 200

    url = fleet.legacy_url if setting == "legacy_key" else fleet.upstream_url
    digest = Digester("k").caller(HELD[setting].encode())
    assert shown == still == {"key": digest, "url": url, "status": 401, "since": shown["since"]}
    [line] = wait_for(lambda: fleet.lines("key_refused")[len(lines) :])
    assert (line["level"], line["setting"], line["key"]) == ("error", setting, digest)
    assert refusals(fleet, setting) == number + 3
    assert setting not in refused_keys(fleet)
    assert fleet.line("key_accepted", setting=setting)


def refusals(fleet: Fleet, setting: str) -> float:
    return fleet.number("holdover_key_refusals_total", setting=setting)


def test_no_key_is_shown(fleet):
    for way, (_, mood) in WAYS.items():
        ask(fleet, way, {mood: "401"})
    pages = [fleet.client.get(fleet.url + page).text for page in ("/readyz", "/metrics")]

    shown = "\n".join([*pages, fleet.log.read_text()])
    assert [key for key in HELD.values() if key in shown] == []


def test_somebody_else_is_asked_where_a_rule_says_so(fleet):
    answer = ask(fleet, "rescued", {"x-messages": "401"})

    assert answer.status_code == 200
    record = fleet.record(answer)
    assert record["route"] == "forward"
    assert record["first_failure"] == (
        "502 api_error: upstream_key: the upstream rejected this key with status 401"
    )


def test_in_a_shadow_it_costs_the_client_nothing_and_is_shown_all_the_same(fleet):
    answer = ask(fleet, "beside", {"x-legacy": "401"})

    assert answer.status_code == 200
    assert fleet.line("shadow_failed")["reason"] == "KeyRefused"
    wait_for(lambda: "legacy_key" in refused_keys(fleet))


def test_a_rule_whose_requests_fail_by_it_loses_its_share(tmp_path):
    with holdover(tmp_path, KEYS) as fleet:
        for _ in range(5):
            assert ask(fleet, "watched", {"x-messages": "401"}).status_code == 502

        assert fleet.line("guard_tripped")["rule"] == "watched"


LISTED: Final = f"""
[callers.ads]
token = "sha256:{hash_token(TOKEN.encode())}"
"""


def test_a_key_that_is_missed_is_our_fault_too(tmp_path):
    """The client's token opens a key of ours, so it is not sent: then nothing is."""
    with holdover(tmp_path, f'{LISTED}upstream_key = "sk-of-ads"\n') as fleet:
        answer = fleet.ask("forward", model="claude-2.1", headers={"x-api-key": TOKEN})
        shown = refused_keys(fleet)

        assert (answer.status_code, answer.json()["error"]) == (502, OURS)
        assert fleet.record(answer)["failure"] == (
            "legacy_key: the upstream rejected this key with status 401"
        )
        assert fleet.record(answer)["key"] is None
        assert shown["legacy_key"]["key"] is None
        risks = [line["risk"] for line in fleet.lines("risky_setting")]
        assert any("set legacy_key, or callers.NAME.legacy_key" in risk for risk in risks)


def test_a_key_of_one_caller_is_named_by_its_setting_and_in_no_metric(tmp_path):
    with holdover(tmp_path, f'{LISTED}upstream_key = "sk-invalid"\n') as fleet:
        answer = fleet.ask("translate", model="claude-2.1", headers={"x-api-key": TOKEN})

        assert answer.status_code == 502
        assert list(refused_keys(fleet)) == ["callers.ads.upstream_key"]
        assert refusals(fleet, "upstream_key") == 1


@pytest.mark.one_in(3)
@pytest.mark.parametrize("status", ["401", "402", "403"])
@pytest.mark.parametrize("way", WAYS)
def test_a_client_s_own_key_is_its_own_affair(own_keys, way, status):
    answer = ask(own_keys, way, {WAYS[way][1]: status})

    assert answer.status_code == int(status)
    assert answer.json()["error"]["type"] != "api_error"
    assert refused_keys(own_keys) == {}
    assert own_keys.lines("key_refused") == []
    if not way.startswith("/"):
        assert own_keys.record(answer)["blame"] == "client"


@pytest.fixture(scope="module")
def own_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with holdover(tmp_path_factory.mktemp("own"), "") as running:
        yield running


@pytest.mark.parametrize(
    ("stream", "mood"),
    [
        (False, {"error": "401", "status": "200"}),
        (True, {"error": "403", "error-after-events": "0"}),
    ],
)
def test_an_upstream_that_says_so_in_a_200_is_understood(fleet, stream, mood):
    headers = {"x-messages": json.dumps(mood)}
    answer = fleet.ask("translate", stream=stream, headers=headers, model="claude-2.1")

    assert (answer.status_code, answer.json()["error"]) == (502, OURS)
    assert fleet.record(answer)["blame"] == "holdover"


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_every_worker_knows_and_forgets_together(tmp_path):
    with holdover(tmp_path, KEYS, workers=2) as fleet:
        one, other = fleet.both_workers()
        first, second = fleet.only(one), fleet.only(other)
        ask(first, "translate", {"x-messages": "403"})
        wait_for(lambda: "upstream_key" in refused_keys(second))
        assert ask(second, "translate").status_code == 200
        assert refused_keys(second) == {}
        wait_for(lambda: refused_keys(first) == {})
