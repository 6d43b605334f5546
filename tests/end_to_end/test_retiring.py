"""A model that is asked and ends soon is announced: at the start, and at `/readyz`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proxy.security.keyring import hash_token
from tests.fleet import Fleet, rule, running_fleet
from tests.waiting import wait_for

pytestmark = pytest.mark.unmeasured

TOKEN = "holdover-token-of-billing-and-nobody-else"
SOON = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
SETTINGS = f"""
digest_key = "k"
traffic = false
[callers.billing]
token = "sha256:{hash_token(TOKEN.encode())}"
[model_facts."claude-haiku-4-5"]
retires = {SOON}
successor = "claude-haiku-5-5"
[model_facts."claude-sonnet-4-6"]
retires = {SOON}
""" + rule("canary", 'action = "translate"', 'model = "claude-haiku-4-5"')
HAIKU = "claude-haiku-4-5-20251001"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("retiring"), SETTINGS, workers=2) as running:
        yield running


def retiring(fleet: Fleet) -> list[dict[str, dict[str, Any]]]:
    """What each worker says of models that end soon, by model."""
    return [{each["model"]: each for each in said["retiring"]} for said in fleet.ready().values()]


def test_a_rule_that_names_one_is_listed_by_every_worker(fleet: Fleet):
    for worker in retiring(fleet):
        listed = worker[HAIKU]
        assert (listed["retires"], listed["successor"]) == (SOON, "claude-haiku-5-5")
        assert listed["days"] in {29, 30}  # it may be midnight
        assert (listed["rules"], listed["settings"]) == (["canary"], [])


def test_it_is_a_warning_at_the_start(fleet: Fleet):
    (line,) = [
        line for line in fleet.lines("risky_setting") if line["risk"].startswith("rule canary:")
    ]

    assert f"{HAIKU} retires on {SOON}" in line["risk"]
    assert line["level"] == "warning"


def test_callers_that_ask_it_are_shown_as_the_log_shows_them_by_every_worker(fleet: Fleet):
    fleet.post({"x-api-key": TOKEN}, model="claude-sonnet-4-6")
    unnamed = fleet.post(model="claude-sonnet-4-6")
    expected = sorted(["billing", fleet.record(unnamed)["caller"]])

    wait_for(
        lambda: (
            [each.get("claude-sonnet-4-6", {}).get("callers") for each in retiring(fleet)]
            == [expected] * 2
        )
    )


def test_a_model_that_only_may_end_is_not_announced(fleet: Fleet):
    answer = fleet.post(model="claude-opus-4-6")

    assert answer.status_code == 200
    assert all("claude-opus-4-6" not in worker for worker in retiring(fleet))


def test_holdover_is_ready_all_the_same(fleet: Fleet):
    assert {said["status"] for said in fleet.ready().values()} == {"ready"}
