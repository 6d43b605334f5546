"""Which rule decides about a request, as real processes decide it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.security.keyring import hash_token
from proxy.security.redaction import Digester
from tests.fleet import Fleet, marked, running_fleet

pytestmark = pytest.mark.unmeasured

BILLING, SEARCH, STRANGER = "token-of-billing", "token-of-search", "sk-ant-api03-stranger"
DIGESTS = {key: Digester("fleet").caller(key.encode()) for key in (BILLING, SEARCH, STRANGER)}

SETTINGS = f"""
digest_key = "fleet"
[callers.billing]
token = "sha256:{hash_token(BILLING.encode())}"
[callers."team.search"]
token = "sha256:{hash_token(SEARCH.encode())}"
"""
RULES = f"""
[[rollout]]
name = "by-model"
action = "forward"
match = {{ model = "claude-instant-*", header = {{ X-Case = "model" }} }}

[[rollout]]
name = "by-name"
action = "forward"
match = {{ caller = "billing", header = {{ x-case = "name" }} }}

[[rollout]]
name = "by-pattern-of-names"
action = "forward"
match = {{ caller = "team.*", header = {{ x-case = "names" }} }}

[[rollout]]
name = "by-digest"
action = "forward"
match = {{ caller = "{DIGESTS[STRANGER]}", header = {{ x-case = "digest" }} }}

[[rollout]]
name = "by-key"
action = "forward"
match = {{ key = "{DIGESTS[BILLING]}", header = {{ x-case = "key" }} }}

[[rollout]]
name = "by-user-agent"
action = "forward"
match = {{ user-agent = "old-app/[12].*" }}

[[rollout]]
name = "by-version"
action = "forward"
match = {{ anthropic-version = 2023-01-01, header = {{ x-case = "version" }} }}

[[rollout]]
name = "without-version"
action = "forward"
match = {{ anthropic-version = "none", header = {{ x-case = "no-version" }} }}

[[rollout]]
name = "by-header"
action = "forward"
match = {{ header = {{ x-team = "blue*", X-Stage = "canary" }} }}

[[rollout]]
name = "only-streams"
action = "forward"
match = {{ streamed = true, header = {{ x-case = "streamed" }} }}

[[rollout]]
name = "only-whole"
action = "forward"
match = {{ streamed = false, header = {{ x-case = "whole" }} }}

[[rollout]]
name = "first"
action = "forward"
match = {{ model = "claude-2.*", header = {{ x-case = "order" }} }}

[[rollout]]
name = "second"
action = "translate"
match = {{ streamed = false, header = {{ x-case = "order" }} }}

[[rollout]]
name = "nobody"
action = "forward"
share = 0
match = {{ header = {{ x-case = "outside" }} }}

[[rollout]]
name = "half"
action = "forward"
share = 50
match = {{ header = {{ x-case = "outside" }} }}

[[rollout]]
name = "rest"
action = "translate"
match = {{ header = {{ x-case = "outside" }} }}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("fleet")
    with running_fleet(directory, SETTINGS + RULES, workers=2) as running:
        yield running


def case(name: str, **headers: Any) -> dict[str, Any]:
    return {"x-case": name, **{key.replace("_", "-"): value for key, value in headers.items()}}


def old_app(version: str) -> dict[str, Any]:
    return {"user-agent": f"old-app/{version} {uuid.uuid4().hex}"}


@pytest.mark.one_in(5)
@pytest.mark.parametrize(
    ("rule", "headers", "fields"),
    [
        ("by-model", case("model"), {"model": "claude-instant-1.2"}),
        (None, case("model"), {"model": "claude-2.1"}),
        ("by-name", case("name", x_api_key=BILLING), {}),
        ("by-name", case("name", x_api_key=..., authorization=f"Bearer {BILLING}"), {}),
        (None, case("name", x_api_key=SEARCH), {}),
        (None, case("name", x_api_key=STRANGER), {}),
        ("by-pattern-of-names", case("names", x_api_key=SEARCH), {}),
        (None, case("names", x_api_key=BILLING), {}),
        ("by-digest", case("digest", x_api_key=STRANGER), {}),
        ("by-digest", case("digest", x_api_key=..., authorization=f"bearer {STRANGER}"), {}),
        (None, case("digest", x_api_key="sk-ant-api03-other"), {}),
        ("by-key", case("key", x_api_key=BILLING), {}),
        (None, case("key", x_api_key=SEARCH), {}),
        ("by-user-agent", old_app("1.0"), {}),
        (None, old_app("3.0"), {}),
        (None, {}, {}),
        ("by-version", case("version", anthropic_version="2023-01-01"), {}),
        (None, case("version", anthropic_version="2023-06-01"), {}),
        (None, case("version", anthropic_version=...), {}),
        ("without-version", case("no-version", anthropic_version=...), {}),
        (None, case("no-version", anthropic_version="2023-01-01"), {}),
        ("by-header", {"x-team": "blue-2", "x-stage": "canary"}, {}),
        (None, {"x-team": "blue-2"}, {}),
        (None, {"x-team": "red", "x-stage": "canary"}, {}),
        ("only-streams", case("streamed"), {"stream": True}),
        (None, case("streamed"), {"stream": False}),
        (None, case("streamed"), {}),
        ("only-whole", case("whole"), {}),
        ("only-whole", case("whole"), {"stream": None}),
        (None, case("whole"), {"stream": True}),
    ],
)
def test_a_rule_decides_about_what_it_names_and_nothing_else(
    fleet: Fleet, rule: str | None, headers: dict[str, Any], fields: dict[str, Any]
):
    answer = fleet.post(headers, **{"model": "claude-2.1"} | fields)

    who, _ = fleet.upstream_request(answer)
    line = fleet.record(answer)
    assert answer.status_code == 200
    assert answer.headers.get("holdover-rule") == rule
    assert who == ("legacy" if rule else "messages")
    assert (line["route"], line["rule"], line["why"]) == (
        ("forward", rule, "rule") if rule else ("translate", None, "default")
    )


def deciding_rule(fleet: Fleet, headers: dict[str, Any], **fields: Any) -> str | None:
    rule: str | None = fleet.post(headers, **fields).headers.get("holdover-rule")
    return rule


def test_letters_have_a_case_in_patterns(fleet: Fleet):
    assert deciding_rule(fleet, case("model"), model="Claude-Instant-1.2") is None


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("model", "stream", "rule"),
    [
        ("claude-2.1", False, "first"),
        ("claude-2.1", True, "first"),
        ("claude-instant-1", False, "second"),
        ("claude-instant-1", True, None),
    ],
)
def test_the_first_rule_that_matches_decides(
    fleet: Fleet, model: str, stream: bool, rule: str | None
):
    assert deciding_rule(fleet, case("order"), model=model, stream=stream) == rule


def test_what_is_outside_of_a_share_goes_to_the_next_rule_and_stays_there(fleet: Fleet):
    def routes() -> list[str | None]:
        return [
            deciding_rule(fleet, case("outside", x_api_key=f"sk-{number}"), model="claude-2.1")
            for number in range(40)
        ]

    first, again = routes(), routes()

    assert set(first) == {"half", "rest"}
    assert again == first


def test_a_request_that_cannot_be_read_is_decided_by_rules_that_do_not_look_into_it(fleet: Fleet):
    unreadable = b'{"model": "claude-instant-1'
    by_model = fleet.post(case("model"), content=unreadable)
    by_header = fleet.post({"x-team": "blue", "x-stage": "canary"}, content=unreadable)
    direct = fleet.client.post(
        f"{fleet.legacy_url}/v1/complete", content=unreadable, headers=marked()
    )

    assert (by_model.status_code, by_model.headers.get("holdover-rule")) == (400, None)
    assert fleet.record(by_model)["route"] == "translate"
    assert by_header.headers["holdover-rule"] == "by-header"
    assert by_header.status_code == direct.status_code
    assert by_header.json()["error"] == direct.json()["error"]
    assert fleet.upstream_request(by_header)[1]["raw"] == unreadable.decode()


def test_both_workers_decide_alike(fleet: Fleet):
    for door in fleet.doors.values():
        headers = marked(case("name", x_api_key=BILLING))
        answer = door.post("/v1/complete", headers=headers, json={})

        assert answer.headers["holdover-rule"] == "by-name"
