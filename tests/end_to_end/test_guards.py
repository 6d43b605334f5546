"""Guards: a rule that does badly loses its share, in every worker, until somebody re-arms it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.workers.shared_state import TRIPS, directory_for
from tests.command_line import run
from tests.fleet import Fleet, rule, running_fleet
from tests.waiting import wait_for

pytestmark = pytest.mark.unmeasured

NOWHERE = rule(
    "canary",
    *('action = "translate"', 'model = "claude-nowhere"'),
    "guard = { errors_above = 10, min_count = 20 }",
)
"""Its model does not exist, so its requests fail and nobody else's."""
FAULTY = rule("canary", 'action = "translate"', "guard = { errors_above = 10, min_count = 20 }")
FAIL = {"simulate-error": "529"}


def send(fleet: Fleet, case: str, count: int, **headers: str) -> None:
    """So many exchanges of a case, some at a time."""
    with ThreadPoolExecutor(25) as crowd:
        list(crowd.map(lambda _: fleet.ask(case, headers=headers), range(count)))


def is_decided_by_the_rule(fleet: Fleet) -> bool:
    """Whether the canary's requests go its way."""
    rule_name: str | None = fleet.ask("canary").headers.get("holdover-rule")
    return rule_name == "canary"


def in_each_worker(fleet: Fleet, expected: bool) -> bool:
    """Whether that is so, or not so, in both."""
    workers = map(fleet.only, fleet.both_workers())
    return [is_decided_by_the_rule(one) for one in workers] == [expected, expected]


def wait_for_judgements(fleet: Fleet, times: int = 4) -> None:
    """Until each worker has judged so often, which it writes down each time."""
    seen: dict[Path, set[int]] = {}
    wait_for(lambda: _look(fleet, seen) and min(map(len, seen.values())) > times)


def _look(fleet: Fleet, seen: dict[Path, set[int]]) -> bool:
    notes = list(fleet.state_dir.glob("*/tallies/[!.]*"))
    for note in notes:
        seen.setdefault(note, set()).add(note.stat().st_mtime_ns)
    return len(notes) == max(1, len(fleet.workers))


def test_a_rule_that_fails_loses_its_share_in_every_worker(tmp_path):
    """What each worker has seen is too little; together it is enough."""
    with running_fleet(tmp_path, NOWHERE, workers=2) as fleet:
        for one in map(fleet.only, fleet.both_workers()):
            assert one.ask("canary").status_code == 404
            send(one, "canary", 12)
            send(one, "rest", 12)
        tripped = fleet.line("guard_tripped")
        wait_for(lambda: fleet.lines("share_is_zero")[1:])

        assert (tripped["rule"], tripped["level"]) == ("canary", "error")
        assert tripped["reason"].startswith("100.0 % of ")
        for one in map(fleet.only, fleet.both_workers()):
            answer = one.ask("canary")
            assert answer.status_code == 200
            assert "holdover-rule" not in answer.headers
            assert fleet.record(answer)["why"] == "default"
            said = one.client.get(f"{fleet.url}/readyz").json()["tripped"]
            assert said["canary"]["reason"] == tripped["reason"]
            assert one.number("holdover_guard_tripped", rule="canary") == 1
        assert "TRIPPED" in fleet.rollout("status").stdout


def trip(fleet: Fleet) -> None:
    """Make the canary's guard trip, in each worker."""
    before = len(fleet.lines("share_is_zero"))
    send(fleet, "rest", 25)
    send(fleet, "canary", 25, **FAIL)
    wait_for(lambda: len(fleet.lines("share_is_zero")) - before == 2)


def test_a_trip_outlives_workers_and_restarts_and_the_first_request_knows(tmp_path):
    with running_fleet(tmp_path, FAULTY, workers=2) as fleet:
        trip(fleet)
        old, _ = fleet.both_workers()
        fleet.end_worker(old)
        fleet.wait_for_successor(old)
        assert in_each_worker(fleet, expected=False)
        assert fleet.stop() == 0
    with running_fleet(tmp_path, FAULTY, workers=2) as again:
        first = again.ask("canary")

        assert "holdover-rule" not in first.headers
        assert in_each_worker(again, expected=False)
        assert again.number("holdover_guard_tripped", rule="canary") == 1
        assert not again.lines("guard_tripped")


def test_a_rule_that_is_re_armed_has_its_share_again_and_begins_anew(tmp_path):
    with running_fleet(tmp_path, FAULTY, workers=2) as fleet:
        trip(fleet)
        done = fleet.rollout("rearm", "canary")
        assert (done.returncode, done.stderr) == (0, "")
        wait_for(lambda: fleet.lines("guard_rearmed")[1:])

        assert in_each_worker(fleet, expected=True)
        wait_for_judgements(fleet)  # the window still holds what tripped it
        assert len(fleet.lines("guard_tripped")) <= 2
        assert in_each_worker(fleet, expected=True)
        assert fleet.client.get(f"{fleet.url}/readyz").json()["tripped"] == {}
        assert fleet.number("holdover_guard_tripped", rule="canary") == 0
        trip(fleet)
        assert in_each_worker(fleet, expected=False)


@pytest.mark.parametrize(
    ("name", "instead"),
    [("canary", ""), ("canari", "; did you mean `canary`?"), ("other", "")],
)
def test_re_arming_what_is_not_tripped_is_said_to_be_so(tmp_path, name, instead):
    """Also under a name that no rule has: a trip may outlive its rule."""
    config = tmp_path / "holdover.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n{FAULTY}')
    done = run("rollout", "rearm", name, "--config", str(config))

    assert done.returncode == 1
    assert done.stderr == f"holdover: the guard of {name!r} is not tripped{instead}\n"


@pytest.mark.parametrize("name", ["../../victim", "../tripped/canary", "..", ""])
def test_re_arming_takes_down_no_other_file(tmp_path, name):
    config, victim = tmp_path / "holdover.toml", tmp_path / "victim"
    config.write_text(f'state_dir = "{tmp_path}"\n{FAULTY}')
    victim.touch()
    (directory_for(tmp_path, config) / TRIPS).mkdir(parents=True)
    done = run("rollout", "rearm", name, "--config", str(config))

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert victim.exists()


SLOW = rule("canary", 'action = "translate"', "guard = { p95_ratio = 3, min_count = 20 }")
SLOWLY = {"simulate-delay-headers": "10000"}  # the rest takes a second on a busy machine


def test_a_rule_that_is_slow_beside_the_rest_loses_its_share(tmp_path):
    with running_fleet(tmp_path, SLOW) as fleet:
        send(fleet, "rest", 40)
        send(fleet, "canary", 24, **SLOWLY)

        reason = fleet.line("guard_tripped")["reason"]
        assert reason.startswith("95 % of 24 answers began within ")
        assert not is_decided_by_the_rule(fleet)


def test_a_rule_that_is_slow_where_everybody_is_keeps_its_share(tmp_path):
    with running_fleet(tmp_path, SLOW) as fleet:
        for case in ("rest", "canary"):
            send(fleet, case, 24, **SLOWLY)
        wait_for_judgements(fleet)

        assert not fleet.lines("guard_tripped")
        assert is_decided_by_the_rule(fleet)


def test_failures_that_a_second_try_makes_good_count_all_the_same(tmp_path):
    rules = rule(
        "canary",
        *('action = "translate"', 'model = "claude-nowhere"', 'on_failure = "translate"'),
        "guard = { errors_above = 10, min_count = 20 }",
    )
    with running_fleet(tmp_path, rules) as fleet:
        assert fleet.ask("canary").status_code == 200
        send(fleet, "canary", 25)

        assert fleet.line("guard_tripped")["rule"] == "canary"


CANARIES = "\n".join(
    [
        FAULTY,
        rule(
            "rescued",
            'action = "translate"',
            'on_failure = { action = "translate", model = "claude-haiku-4-5" }',
            "guard = { errors_above = 10, min_count = 20 }",
        ),
        rule(
            "forwarded",
            'action = "forward"',
            "guard = { errors_above = 10, min_count = 20 }",
        ),
    ]
)


@pytest.mark.parametrize(
    ("case", "status"), [("canary", 404), ("rescued", 200), ("forwarded", 404)]
)
def test_a_model_that_does_not_exist_and_that_the_client_named_says_nothing(tmp_path, case, status):
    with running_fleet(tmp_path, CANARIES) as fleet:
        with ThreadPoolExecutor(25) as crowd:
            answers = list(crowd.map(lambda _: fleet.ask(case, model="claude-nowhere"), range(120)))
        wait_for_judgements(fleet)

        assert {answer.status_code for answer in answers} == {status}
        assert not fleet.lines("guard_tripped")


def test_a_path_that_does_not_exist_says_something(tmp_path):
    """It is a web server that says so, and not upstream of a model: the url is wrong."""
    html = {"simulate-error": "404", "simulate-error-shape": "html"}
    with running_fleet(tmp_path, CANARIES) as fleet:
        send(fleet, "forwarded", 24, **html)

        assert fleet.line("guard_tripped")["rule"] == "forwarded"


def test_what_one_caller_does_takes_no_share_away_from_the_others(tmp_path):
    """120 requests that fail, and some of two other callers that do not."""
    with running_fleet(tmp_path, FAULTY) as fleet:
        for caller in ("sk-one", "sk-another"):
            send(fleet, "canary", 5, **{"x-api-key": caller})
        send(fleet, "canary", 120, **{"x-api-key": "sk-nonsense"} | FAIL)
        wait_for_judgements(fleet)

        assert not fleet.lines("guard_tripped")
        assert is_decided_by_the_rule(fleet)


def test_what_fails_for_every_caller_takes_it_away(tmp_path):
    with running_fleet(tmp_path, FAULTY) as fleet:
        for caller in ("sk-one", "sk-another", "sk-third"):
            send(fleet, "canary", 8, **{"x-api-key": caller} | FAIL)

        reason = fleet.line("guard_tripped")["reason"]
        assert reason == "100.0 % of 24 exchanges failed, with too few outside the rule to compare"


def test_too_few_exchanges_say_nothing(tmp_path):
    with running_fleet(tmp_path, FAULTY) as fleet:
        send(fleet, "canary", 19, **FAIL)
        send(fleet, "rest", 40)
        wait_for_judgements(fleet)

        assert not fleet.lines("guard_tripped")
        assert is_decided_by_the_rule(fleet)


@pytest.mark.parametrize(("failing", "of_the_rest"), [(25, 25), (0, 25)])
def test_errors_that_hit_everybody_alike_are_not_the_rules_fault(tmp_path, failing, of_the_rest):
    with running_fleet(tmp_path, FAULTY) as fleet:
        send(fleet, "rest", of_the_rest, **FAIL)
        send(fleet, "canary", failing, **FAIL)
        send(fleet, "canary", 25 - failing)
        wait_for_judgements(fleet)

        assert not fleet.lines("guard_tripped")
        assert is_decided_by_the_rule(fleet)


def test_where_workers_cannot_meet_each_guards_for_itself(tmp_path):
    with running_fleet(tmp_path, FAULTY, workers=2) as fleet:
        (tmp_path / "state").rename(tmp_path / "elsewhere")
        (tmp_path / "state").write_text("not a directory")
        one, other = fleet.both_workers()
        first = fleet.only(one)
        for _ in range(25):
            first.ask("rest")
            first.ask("canary", headers=FAIL)
        fleet.line("share_is_zero")
        assert not is_decided_by_the_rule(first)
        second = fleet.only(other)
        assert is_decided_by_the_rule(second)
        told = [
            line
            for line in fleet.lines("state_not_shared")
            if not line["directory"].endswith("traffic")  # the loader says it of its own
        ]

        assert 1 <= len(told) <= 2
        assert {line["reason"] for line in told} == {"Not a directory"}
        assert fleet.rollout("rearm", "canary").returncode == 2
