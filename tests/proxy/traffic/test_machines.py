"""Machines that share a PostgreSQL count together, trip together, and are re-armed together."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from proxy.comparison.token_budget import Account
from proxy.rollout.rule_schema import Guard
from proxy.traffic import journal_directory
from proxy.traffic.loader_process import run_loader
from proxy.traffic.machines import NoteSharing
from proxy.traffic.status import LoaderConfig
from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.workers.guards import Guards, Trip
from proxy.workers.lessons import LessonSharing
from proxy.workers.shared_state import BUDGETS, TALLIES, TRIPS, Note, SharedState
from tests.fleet import Fleet, rule, running_fleet
from tests.postgres import Postgres, postgres
from tests.waiting import wait_for
from translators import Capabilities

GUARD = Guard(errors_above=10, min_count=20, window=60)


class Unseen:
    """Nobody looks at what guards show."""

    def guards_tripped(self, rules: frozenset[str]) -> None:
        """Take no notice."""


class RearmedOnceRead(SharedState):
    """Notes of a machine whose operator re-arms a guard as soon as its trip has been read."""

    def try_read(self, topic: str) -> list[Note] | None:
        found = super().try_read(topic)
        if topic == TRIPS:
            self.remove(f"{TRIPS}/canary")
        return found


@dataclass
class Machine:
    """One machine with one worker, its guards, and what shares its notes."""

    directory: Path
    url: str

    def __post_init__(self) -> None:
        self.sharing = NoteSharing(SharedState(self.directory), self.url)
        self.guards = Guards(SharedState(self.directory), Unseen())
        self.guards.watch({"canary": GUARD})
        self.lessons = LessonSharing(
            SharedState(self.directory),
            LearnedCapabilities(seconds=3600),
            3600,
            lambda: "http://up",
        )

    def fails(self, count: int = 15) -> None:
        for number in range(count):
            self.guards.count("canary", f"caller {number}", 0.1, is_error=True)

    def judges(self) -> bool:
        """Let the worker judge often enough to trip a guard, and return whether it has."""
        for _ in range(4):
            self.guards.judge()
        return "canary" in self.guards.tripped

    def rearms(self) -> None:
        """Do what `holdover rollout rearm` does."""
        assert self.guards.shared_state.remove(f"{TRIPS}/canary")

    def notes(self, topic: str) -> dict[str, bytes]:
        return {name: note for name, note, _ in self.guards.shared_state.read(topic)}


def share(*machines: Machine) -> None:
    """Let each of them know what all of them knew before."""
    for machine in (*machines, *machines):
        machine.sharing.share()


@pytest.fixture
def database(server: Postgres) -> str:
    return server.new_database()


@pytest.fixture
def two(tmp_path: Path, database: str) -> Iterator[tuple[Machine, Machine]]:
    machines = Machine(tmp_path / "one", database), Machine(tmp_path / "other", database)
    yield machines
    for machine in machines:
        machine.sharing.is_over.set()
        machine.sharing.run()


def test_what_is_too_little_on_each_machine_trips_a_guard_on_both(two):
    one, other = two
    one.fails()
    other.fails()
    alone = one.judges(), other.judges()
    share(one, other)

    assert alone == (False, False)
    assert (one.judges(), other.judges()) == (True, True)


def test_a_trip_on_one_machine_is_one_on_the_others_with_its_reason(two):
    one, other = two
    one.fails(30)
    assert one.judges()
    share(one, other)

    assert other.judges()
    assert other.guards.trips == one.guards.trips


def test_what_a_refusal_taught_one_machine_the_others_need_not_be_taught(two):
    one, other = two
    one.lessons.learned.add("m", Capabilities(prefill=False))
    one.lessons.share()
    share(one, other)
    other.lessons.share()

    assert other.lessons.learned.current() == {"m": Capabilities(prefill=False)}


def test_a_guard_that_is_rearmed_on_one_machine_is_rearmed_on_all_and_stays_so(two):
    one, other = two
    one.fails(30)
    other.fails(30)
    one.judges()
    share(one, other)
    other.judges()
    share(one, other)
    other.rearms()
    other.judges()  # while the first machine has not heard of it
    share(other, one)

    assert (one.judges(), other.judges()) == (False, False)
    share(one, other)
    assert (one.judges(), other.judges()) == (False, False)


@pytest.mark.without_coverage
def test_a_guard_that_trips_anew_before_others_have_heard_of_its_rearming_stays_tripped(two):
    one, other = two
    one.fails(30)
    one.judges()
    share(one, other)
    one.rearms()
    one.judges()
    one.fails(30)
    one.judges()
    share(one, other)

    assert other.judges()
    assert other.guards.trips == one.guards.trips


def test_of_two_machines_that_trip_at_once_both_give_the_same_reason(two):
    one, other = two
    for machine in two:
        machine.fails(30)
        assert machine.judges()
    share(*two)

    assert one.notes(TRIPS) == other.notes(TRIPS) != {}


def test_rearming_is_not_undone_by_a_trip_of_another_machine_that_arrives_at_that_moment(two):
    one, other = two
    one.fails(30)
    one.judges()
    share(one)
    other.fails(40)
    other.judges()
    share(other)
    one.sharing.shared_state = RearmedOnceRead(one.directory)
    one.sharing.share()
    one.sharing.shared_state = one.guards.shared_state
    share(one, other)

    assert one.notes(TRIPS) == other.notes(TRIPS) == {}


def test_a_machine_whose_loader_restarts_keeps_and_forgets_trips_as_before(two, tmp_path, database):
    one, other = two
    one.fails(30)
    one.judges()
    share(one, other)
    one.rearms()
    again = Machine(tmp_path / "one", database)
    again.sharing.share()
    other.sharing.share()
    again.sharing.is_over.set()
    again.sharing.run()

    assert one.notes(TRIPS) == other.notes(TRIPS) == {}


def test_what_a_machine_that_has_gone_counted_is_forgotten(two, server: Postgres, database: str):
    one, other = two
    one.fails()
    one.judges()
    share(one, other)
    assert len(other.notes(TALLIES)) == 1
    long_ago = "UPDATE shared_notes SET written_ms = written_ms - 10000"
    server.execute(database.rpartition("/")[2], long_ago)
    other.sharing.share()

    assert other.notes(TALLIES) == {}


def test_what_a_worker_that_has_ended_counted_is_not_published_anew(two, tmp_path: Path):
    one, other = two
    one.fails()
    one.judges()
    [note] = (tmp_path / "one" / TALLIES).iterdir()
    os.utime(note, (0, 0))
    share(one, other)

    assert other.notes(TALLIES) == {}


def account(day: str, tokens: float) -> bytes:
    return msgspec.json.encode(Account(day, {"canary": tokens}))


def test_tokens_that_one_machine_spends_are_spent_on_the_others(two):
    one, other = two
    one.guards.shared_state.publish(BUDGETS, account("2026-09-01", 60))
    share(one, other)
    first = list(other.notes(BUDGETS).values())
    one.guards.shared_state.publish(BUDGETS, account("2026-09-01", 90))
    share(one, other)
    share(one, other)

    assert first == [account("2026-09-01", 60)]
    assert list(other.notes(BUDGETS).values()) == [account("2026-09-01", 90)]
    assert len(one.notes(BUDGETS)) == 1


def test_a_name_that_leads_out_of_the_directory_is_not_written(
    two, server: Postgres, database: str, tmp_path: Path
):
    one, _ = two
    one.sharing.share()
    server.execute(
        database.rpartition("/")[2],
        "INSERT INTO shared_notes VALUES ('tripped', '../../outside', '', 0)",
    )
    one.sharing.share()

    assert [path for path in tmp_path.rglob("*") if "outside" in path.name] == []


def test_where_trips_cannot_be_read_none_are_taken_back(two, tmp_path: Path):
    one, other = two
    one.fails(30)
    one.judges()
    share(one, other)
    trips = tmp_path / "one" / TRIPS
    trips.rename(tmp_path / "aside")
    trips.write_text("in the way")
    share(one, other)

    assert other.judges()


def test_a_note_that_no_database_takes_does_not_end_the_sharing(two):
    one, _ = two
    name = b"\xff".decode(errors="surrogateescape")
    assert one.guards.shared_state.write(f"{TRIPS}/{name}", b"")
    with capture_logs() as lines:
        one.sharing.share()
        one.sharing.share()
        one.guards.shared_state.remove(f"{TRIPS}/{name}")
        one.sharing.share()

    said = [line["event"] for line in lines if not line["event"].startswith("state")]
    assert said == [
        *("sharing_crashed", "machines_count_alone", "sharing_crashed", "machines_count_together")
    ]


@pytest.mark.thorough
def test_while_the_database_is_away_each_machine_goes_on_with_what_it_knows(tmp_path: Path):
    with postgres() as server, ExitStack() as stack:
        url = server.new_database()
        one, other = Machine(tmp_path / "one", url), Machine(tmp_path / "other", url)
        for machine in (one, other):
            stack.callback(machine.sharing.run)
            stack.callback(machine.sharing.is_over.set)
        one.guards.shared_state.publish(BUDGETS, account("2026-09-01", 60))
        one.fails(30)
        one.judges()
        share(one, other)
        server.stop()
        with capture_logs() as lines:
            one.rearms()
            share(one, other)
            known = other.notes(BUDGETS), other.notes(TRIPS)
            server.start()
            share(one, other)

    assert list(known[0].values()) == [account("2026-09-01", 60)]
    assert set(known[1]) == {"canary"}
    assert [line["event"] for line in lines] == [
        *["machines_count_alone"] * 2,
        *["machines_count_together"] * 2,
    ]
    assert one.notes(TRIPS) == other.notes(TRIPS) == {}


def test_the_loader_shares_notes_as_long_as_it_runs(tmp_path: Path, database: str):
    state = SharedState(tmp_path / "notes")
    trip = Trip("canary", "2026-09-01T00:00:00+00:00", "a reason")
    state.write(f"{TRIPS}/canary", msgspec.json.encode(trip))
    config = LoaderConfig(
        directory=journal_directory(tmp_path),
        url=database,
        days=90,
        max_bytes=0,
        notes=tmp_path / "notes",
    )
    other = Machine(tmp_path / "other", database)

    def has_arrived(_: float) -> bool:
        other.sharing.share()
        return bool(other.notes(TRIPS))

    run_loader(config, has_arrived)
    other.sharing.is_over.set()
    other.sharing.run()

    assert other.judges()
    assert other.guards.trips == {"canary": trip}


FAULTY = rule("canary", 'action = "translate"', "guard = { errors_above = 10, min_count = 20 }")


def tripped(machine: Fleet) -> list[str]:
    return list(machine.client.get(f"{machine.url}/readyz").json()["tripped"])


def has_settled(machine: Fleet) -> bool:
    """Whether a machine and the database have agreed on the trip."""
    return any(machine.state_dir.rglob("tripped_everywhere/canary"))


@pytest.mark.thorough
def test_two_servers_trip_a_guard_together_and_either_rearms_it(tmp_path: Path, database: str):
    with ExitStack() as stack:
        machines: list[Fleet] = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            settings = f'traffic_url = "{database}"\ndigest_key = "the same on both"\n{FAULTY}'
            machines.append(stack.enter_context(running_fleet(tmp_path / name, settings)))
        one, other = machines
        for number in range(13):
            for machine in machines:
                headers = {"simulate-error": "529", "x-api-key": f"caller {number}"}
                assert machine.ask("canary", headers=headers).status_code == 529
        wait_for(lambda: tripped(one) == tripped(other) == ["canary"])
        # A re-arming is told from a trip of which nobody has heard once both machines know of it.
        wait_for(lambda: all(has_settled(machine) for machine in machines))
        done = other.rollout("rearm", "canary")

        assert done.returncode == 0, done.stderr
        wait_for(lambda: tripped(one) == tripped(other) == [])
