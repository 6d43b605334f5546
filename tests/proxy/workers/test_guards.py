import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from proxy.rollout.rule_schema import Guard
from proxy.workers.guards import Guards, Trip
from proxy.workers.shared_state import TRIPS, SharedState

GUARD = Guard(errors_above=10, min_count=10, window=60)


@dataclass
class Seen:
    """What guards show, in order, and the time they go by."""

    tripped: list[frozenset[str]] = field(default_factory=list)
    now: float = 1_000.0

    def guards_tripped(self, rules: frozenset[str]) -> None:
        self.tripped.append(rules)

    def clock(self) -> float:
        return self.now


def worker(directory: Path, seen: Seen | None = None, **guards: Guard) -> Guards:
    seen = seen or Seen()
    made = Guards(SharedState(directory), seen, seen.clock)
    made.watch(guards or {"risky": GUARD})
    return made


def count(  # noqa: PLR0913 - an exchange has so many sides
    guards: Guards,
    rule: str | None,
    many: int,
    *,
    errors: int = 0,
    seconds: float = 0.1,
    caller: str = "ads",
):
    for number in range(many):
        guards.count(rule, caller, seconds, is_error=number < errors)


def judge(guards: Guards, times: int) -> list[frozenset[str]]:
    tripped = []
    for _ in range(times):
        guards.judge()
        tripped.append(guards.tripped)
    return tripped


NONE, RISKY = frozenset[str](), frozenset({"risky"})


def test_a_rule_that_fails_in_three_readings_running_loses_its_share_loudly(tmp_path: Path):
    seen = Seen()
    guards = worker(tmp_path, seen)
    count(guards, "risky", 20, errors=5)
    count(guards, None, 20)

    with capture_logs() as lines:
        readings = judge(guards, 4)

    reason = "25.0 % of 20 exchanges failed, compared with 0.0 % outside the rule"
    assert readings == [NONE, NONE, RISKY, RISKY]
    assert seen.tripped == [RISKY]
    assert guards.trips == {"risky": Trip("risky", guards.trips["risky"].since, reason)}
    assert [(line["event"], line["rule"], line["reason"]) for line in lines] == [
        ("guard_tripped", "risky", reason),
        ("share_is_zero", "risky", reason),
    ]


def test_a_rule_that_recovers_in_between_keeps_its_share(tmp_path: Path):
    seen = Seen()
    guards = worker(tmp_path, seen, risky=Guard(errors_above=10, min_count=10, window=60))
    count(guards, "risky", 10, errors=2)
    readings = judge(guards, 2)
    count(guards, "risky", 20)
    readings += judge(guards, 1)
    count(guards, "risky", 10, errors=10)
    readings += judge(guards, 2)

    assert readings == [NONE] * 5


def test_one_caller_who_always_fails_costs_a_rule_nothing(tmp_path: Path):
    one, other = worker(tmp_path), worker(tmp_path)
    for guards in (one, other):
        count(guards, "risky", 60, errors=60, caller="bad")
        count(guards, "risky", 5, caller="good")
        guards.judge()

    assert judge(one, 4)[-1] == judge(other, 4)[-1] == NONE


def test_what_all_callers_fail_by_costs_it_its_share_in_whatever_worker_they_are_seen(
    tmp_path: Path,
):
    one, other = worker(tmp_path), worker(tmp_path)
    count(one, "risky", 10, errors=5, caller="bad")
    count(other, "risky", 10, errors=5, caller="good")
    other.judge()

    assert judge(one, 3)[-1] == RISKY


def test_invented_keys_do_not_make_a_note_longer_than_it_may_be(tmp_path: Path):
    guards = worker(tmp_path)
    for number in range(2_000):
        guards.count("risky", f"{number:016x}", 0.1, is_error=True)
    guards.judge()

    (note,) = (tmp_path / "tallies").iterdir()
    assert note.stat().st_size < 4_000
    assert guards.tripped == NONE


def test_the_rest_is_what_other_rules_and_none_decided(tmp_path: Path):
    guards = worker(tmp_path, risky=GUARD, other=GUARD)
    count(guards, "risky", 10, errors=3)
    count(guards, "other", 5, errors=2)
    count(guards, None, 5, errors=1)

    readings = judge(guards, 4)

    assert readings[-1] == NONE  # 30 % beside 30 %, and fewer than ten of the other


def test_what_is_older_than_the_window_is_forgotten(tmp_path: Path):
    seen = Seen()
    guards = worker(tmp_path, seen)
    count(guards, "risky", 20, errors=20)
    seen.now += 60

    assert judge(guards, 4)[-1] == NONE


def test_without_guards_nothing_is_judged_and_nothing_written(tmp_path: Path):
    guards = Guards(SharedState(tmp_path), Seen())
    count(guards, "risky", 20, errors=20)
    guards.judge()

    assert list(tmp_path.iterdir()) == []


def test_workers_judge_by_what_all_of_them_counted(tmp_path: Path):
    one, other = worker(tmp_path), worker(tmp_path)
    count(one, "risky", 6, errors=3)
    count(other, "risky", 6, errors=3)
    for guards in (one, other):
        guards.judge()

    readings = [(judge(one, 1)[0], judge(other, 1)[0]) for _ in range(3)]

    assert readings[0] == (NONE, NONE)
    assert readings[-1] == (RISKY, RISKY)


def test_another_version_and_a_worker_that_is_gone_do_not_count(tmp_path: Path):
    gone, guards = worker(tmp_path), worker(tmp_path)
    count(gone, "risky", 50, errors=50)
    gone.judge()
    (note,) = (tmp_path / "tallies").iterdir()
    long_ago = time.time() - 6
    os.utime(note, (long_ago, long_ago))
    (tmp_path / "tallies" / "newer").write_bytes(b"\xc1")
    alone = {"count": 50, "errors": 50, "latencies": {}}
    older = msgspec.msgpack.encode({"risky": {"rule": alone, "rest": alone}})
    (tmp_path / "tallies" / "older").write_bytes(older)
    count(guards, "risky", 10)

    assert judge(guards, 4)[-1] == NONE


def test_a_worker_that_starts_sweeps_away_what_ended_ones_left(tmp_path: Path):
    shared_state = SharedState(tmp_path)
    shared_state.write("tallies/ended", b"")
    os.utime(tmp_path / "tallies" / "ended", (0, 0))

    worker(tmp_path)

    assert shared_state.read("tallies") == []


def test_a_trip_outlives_a_restart_and_is_known_before_the_first_judgement(tmp_path: Path):
    before = worker(tmp_path)
    count(before, "risky", 20, errors=20)
    judge(before, 3)

    seen = Seen()
    after = worker(tmp_path, seen)

    assert after.tripped == RISKY
    assert after.trips == before.trips
    assert seen.tripped == [RISKY]


def test_a_trip_reaches_every_worker_and_so_does_the_re_arming(tmp_path: Path):
    one, other = worker(tmp_path), worker(tmp_path)
    count(one, "risky", 20, errors=20)
    judge(one, 3)
    with capture_logs() as lines:
        other.judge()
        met = other.tripped
        SharedState(tmp_path).remove(f"{TRIPS}/risky")
        other.judge()

    assert met == RISKY
    assert other.tripped == NONE
    assert [line["event"] for line in lines] == ["share_is_zero", "guard_rearmed"]


def test_after_re_arming_the_counting_begins_anew(tmp_path: Path):
    guards = worker(tmp_path)
    count(guards, "risky", 20, errors=20)
    judge(guards, 3)
    SharedState(tmp_path).remove(f"{TRIPS}/risky")

    first = judge(guards, 5)
    count(guards, "risky", 20, errors=20)
    second = judge(guards, 3)

    assert first == [NONE] * 5
    assert second == [NONE, NONE, RISKY]


def test_re_arming_one_leaves_the_others_as_they_are(tmp_path: Path):
    shared_state = SharedState(tmp_path)
    for rule in ("a", "b"):
        shared_state.write(f"{TRIPS}/{rule}", msgspec.json.encode(Trip(rule, "now", "because")))
    guards = worker(tmp_path, b=GUARD)
    shared_state.remove(f"{TRIPS}/a")

    guards.judge()

    assert guards.trips == {"b": Trip("b", "now", "because")}


def test_a_rule_whose_guard_was_taken_away_has_its_share(tmp_path: Path):
    seen = Seen()
    guards = worker(tmp_path, seen)
    count(guards, "risky", 20, errors=20)
    judge(guards, 3)

    guards.watch({})

    assert guards.tripped == NONE
    assert seen.tripped == [RISKY, NONE]


def test_a_note_that_cannot_be_read_keeps_the_share_at_zero(tmp_path: Path):
    SharedState(tmp_path).write(f"{TRIPS}/risky", b"{")

    assert worker(tmp_path).trips == {
        "risky": Trip("risky", "?", "the note about this trip cannot be read")
    }


def test_a_board_that_cannot_be_read_re_arms_nobody(tmp_path: Path):
    directory = tmp_path / "state"
    guards = worker(directory)
    count(guards, "risky", 20, errors=20)
    judge(guards, 3)
    directory.rename(tmp_path / "away")
    directory.write_text("")

    with capture_logs() as lines:
        readings = judge(guards, 2)

    assert readings == [RISKY, RISKY]
    assert "guard_rearmed" not in {line["event"] for line in lines}


def test_without_a_board_a_worker_trips_alone_and_writes_it_down_as_soon_as_it_can(tmp_path: Path):
    directory = tmp_path / "state"
    directory.write_text("")
    guards = worker(directory)
    count(guards, "risky", 20, errors=20)
    readings = judge(guards, 4)
    directory.unlink()
    guards.judge()

    assert readings == [NONE, NONE, RISKY, RISKY]
    assert guards.tripped == RISKY
    assert worker(directory).tripped == RISKY


@pytest.mark.parametrize(
    ("changed", "trips"), [(GUARD, True), (Guard(errors_above=10, min_count=11), False)]
)
def test_a_guard_that_stays_as_it_was_keeps_what_it_has_counted(tmp_path: Path, changed, trips):
    guards = worker(tmp_path)
    count(guards, "risky", 10, errors=10)

    guards.watch({"risky": changed})

    assert (judge(guards, 3)[-1] == RISKY) is trips


def test_a_guard_of_latencies_trips_as_well(tmp_path: Path):
    guards = worker(tmp_path, slow=Guard(p95_ratio=2, min_count=10))
    count(guards, "slow", 10, seconds=0.5)
    count(guards, None, 10, seconds=0.1)
    judge(guards, 3)

    assert guards.trips["slow"].reason == (
        "95 % of 10 answers began within 0.516 s, compared with 0.103 s outside the rule"
    )
