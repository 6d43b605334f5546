from dataclasses import dataclass
from pathlib import Path

from proxy.workers.model_users import ModelUsers
from proxy.workers.shared_state import SharedState

HOUR = 3600.0
WEEK = 7 * 24 * HOUR


@dataclass
class Clock:
    """The time that workers go by."""

    now: float = 1_000 * HOUR

    def __call__(self) -> float:
        return self.now


def worker(directory: Path, clock: Clock) -> ModelUsers:
    return ModelUsers(SharedState(directory), clock)


def test_callers_are_known_by_model_in_the_order_of_the_alphabet(tmp_path: Path):
    users = worker(tmp_path, Clock())
    for caller in ("search", "billing", "search"):
        users.note("m", caller)
    users.note("other", "ads")

    assert users.callers_of("m") == ("billing", "search")
    assert users.callers_of("other") == ("ads",)
    assert users.callers_of("nobody's") == ()


def test_a_caller_that_has_not_asked_for_a_week_is_forgotten(tmp_path: Path):
    clock = Clock()
    users = worker(tmp_path, clock)
    users.note("m", "gone")
    users.note("m", "stays")

    clock.now += WEEK
    users.note("m", "stays")
    assert users.callers_of("m") == ("gone", "stays")
    clock.now += HOUR
    assert users.callers_of("m") == ("stays",)


def test_those_seen_last_are_kept_where_there_are_too_many(tmp_path: Path):
    clock = Clock()
    users = worker(tmp_path, clock)
    names = [f"c{number:03}" for number in range(101)]
    for name in names[:100]:
        users.note("m", name)
    clock.now += HOUR
    users.note("m", names[0])
    users.note("m", names[100])

    assert users.callers_of("m") == (names[0], *names[2:])


def test_workers_know_each_others_callers_and_those_before_a_restart(tmp_path: Path):
    clock = Clock()
    one, other = worker(tmp_path, clock), worker(tmp_path, clock)
    one.note("m", "billing")
    other.note("m", "search")
    other.note("m", "billing")
    for users in (one, other, one):
        users.compare_notes()

    assert one.callers_of("m") == other.callers_of("m") == ("billing", "search")
    restarted = worker(tmp_path, clock)
    restarted.compare_notes()
    assert restarted.callers_of("m") == ("billing", "search")


def test_of_all_workers_callers_no_more_are_shown_than_of_one(tmp_path: Path):
    clock = Clock()
    one, other = worker(tmp_path, clock), worker(tmp_path, clock)
    for number in range(100):
        one.note("m", f"a{number:03}")
    one.compare_notes()
    clock.now += HOUR
    other.note("m", "z")
    other.compare_notes()

    assert len(other.callers_of("m")) == 100
    assert "z" in other.callers_of("m")


def test_nothing_is_written_without_news(tmp_path: Path):
    users = worker(tmp_path, Clock())
    users.compare_notes()
    assert not any(tmp_path.iterdir())

    users.note("m", "billing")
    users.compare_notes()
    (note,) = (tmp_path / "model_users").iterdir()
    note.unlink()
    users.note("m", "billing")
    users.compare_notes()
    assert not any((tmp_path / "model_users").iterdir())


def test_a_note_that_cannot_be_read_is_passed_over(tmp_path: Path):
    users = worker(tmp_path, Clock())
    SharedState(tmp_path).write("model_users/other", b"{")
    users.note("m", "billing")
    users.compare_notes()

    assert users.callers_of("m") == ("billing",)
