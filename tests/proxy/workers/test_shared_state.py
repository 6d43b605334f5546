import os
import threading
import time
from pathlib import Path

from structlog.testing import capture_logs

from proxy.workers.shared_state import SharedState, directory_for


def texts(notes):
    return [(name, note) for name, note, _ in notes]


def test_workers_read_each_others_notes_and_the_last_one_of_each(tmp_path: Path):
    one, other = SharedState(tmp_path), SharedState(tmp_path)
    one.publish("topic", b"1")
    other.publish("topic", b"first")
    other.publish("topic", b"2")
    other.publish("another", b"3")

    assert one.from_peers("topic") == [b"2"]
    assert other.from_peers("topic") == [b"1"]
    assert sorted(note for _, note in texts(one.read("topic"))) == [b"1", b"2"]


def test_a_note_says_when_it_was_written(tmp_path: Path):
    shared_state = SharedState(tmp_path)
    shared_state.write("topic/note", b"")
    os.utime(tmp_path / "topic" / "note", (5, 7))

    assert shared_state.read("topic") == [("note", b"", 7.0)]


def test_a_note_of_nobody_is_taken_down_once(tmp_path: Path):
    shared_state = SharedState(tmp_path)

    assert shared_state.write("tripped/rule", b"why")
    assert shared_state.read("tripped")[0][:2] == ("rule", b"why")
    assert shared_state.remove("tripped/rule")
    assert not shared_state.remove("tripped/rule")
    assert shared_state.read("tripped") == []


def test_a_note_that_is_gone_is_not_brought_back_by_another_text(tmp_path: Path):
    state = SharedState(tmp_path)
    state.write("topic/name", b"a long text")

    assert state.rewrite("topic/name", b"short")
    assert [note for _, note, _ in state.read("topic")] == [b"short"]

    state.remove("topic/name")

    assert not state.rewrite("topic/name", b"another")
    assert state.read("topic") == []


def test_a_note_that_cannot_get_another_text_is_said_so_and_stops_nothing(tmp_path: Path):
    (tmp_path / "topic" / "name").mkdir(parents=True)
    with capture_logs() as log:
        assert not SharedState(tmp_path).rewrite("topic/name", b"text")

    assert [each["event"] for each in log] == ["state_not_shared"]


def test_a_topic_that_nobody_wrote_about_is_empty(tmp_path: Path):
    shared_state = SharedState(tmp_path / "not" / "there")

    assert shared_state.read("topic") == shared_state.try_read("topic") == []


def test_a_note_that_is_being_written_is_not_read(tmp_path: Path):
    shared_state = SharedState(tmp_path)
    shared_state.write("topic/note", b"whole")
    (tmp_path / "topic" / ".note.1-ab").write_bytes(b"ha")

    assert texts(shared_state.read("topic")) == [("note", b"whole")]


def test_a_note_that_is_taken_down_meanwhile_hides_no_other(tmp_path: Path):
    shared_state = SharedState(tmp_path)
    shared_state.write("topic/a", b"a")
    (tmp_path / "topic" / "b").symlink_to("gone")  # listed, and not there
    shared_state.write("topic/c", b"c")

    assert texts(shared_state.try_read("topic") or []) == [("a", b"a"), ("c", b"c")]


def test_what_is_no_file_is_no_note(tmp_path: Path):
    shared_state = SharedState(tmp_path)
    shared_state.write("topic/note", b"")
    os.mkfifo(tmp_path / "topic" / "pipe")
    (tmp_path / "topic" / "directory").mkdir()

    assert texts(shared_state.read("topic")) == [("note", b"")]


def test_a_note_that_may_not_be_read_says_that_it_is_there():
    shared_state = SharedState(Path("/proc/sys/net/ipv4"))

    assert ("flush", b"") in texts(
        shared_state.read("route")
    )  # nobody may read that one, root neither
    assert shared_state.is_usable


def test_nobody_reads_half_a_note(tmp_path: Path):
    shared_state, reader = SharedState(tmp_path), SharedState(tmp_path)
    notes = [bytes([n]) * 100_000 for n in range(50)]
    shared_state.publish("topic", notes[0])

    def write() -> None:
        for note in notes:
            shared_state.publish("topic", note)

    writing = threading.Thread(target=write)
    writing.start()
    read = [note for _ in range(200) for note in reader.from_peers("topic")]
    writing.join()

    assert len(read) == 200
    assert set(read) <= set(notes)


def test_only_what_is_old_is_swept_away(tmp_path: Path):
    shared_state = SharedState(tmp_path)
    shared_state.write("topic/old", b"")
    shared_state.write("topic/new", b"")
    long_ago = time.time() - 100
    os.utime(tmp_path / "topic" / "old", (long_ago, long_ago))

    shared_state.expire("topic", older_than=99)

    assert texts(shared_state.read("topic")) == [("new", b"")]


def test_what_cannot_be_swept_away_stays_and_stops_nothing():
    shared_state = SharedState(Path("/proc/sys/kernel"))

    shared_state.expire("random", older_than=-1e12)

    assert "uuid" in {name for name, _, _ in shared_state.read("random")}


def test_a_directory_that_cannot_be_used_is_logged_once_and_stops_nothing(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    shared_state = SharedState(blocked)

    with capture_logs() as lines:
        shared_state.publish("topic", b"1")
        written = shared_state.write("topic/note", b"2")
        notes, known = shared_state.read("topic"), shared_state.try_read("topic")

    assert not written
    assert (notes, known) == ([], None)
    assert not shared_state.is_usable
    assert lines == [
        {
            "event": "state_not_shared",
            "directory": str(blocked),
            "reason": "Not a directory",
            "log_level": "error",
        }
    ]


def test_a_directory_that_came_back_and_went_again_is_logged_again(tmp_path: Path):
    directory = tmp_path / "state"
    shared_state = SharedState(directory)

    with capture_logs() as lines:
        for _ in range(2):
            directory.write_text("")
            shared_state.publish("topic", b"1")
            directory.unlink()
            shared_state.publish("topic", b"1")
            (directory / "topic").rename(tmp_path / "away")
            (tmp_path / "away").rename(tmp_path / f"away-{time.monotonic_ns()}")
            directory.rmdir()

    assert [line["event"] for line in lines] == ["state_not_shared"] * 2


def test_workers_of_one_settings_file_meet_wherever_a_link_of_that_name_points(tmp_path):
    state, link = tmp_path / "state", tmp_path / "link"
    link.symlink_to(tmp_path / "a")
    before = directory_for(state, link)
    link.unlink()
    link.symlink_to(tmp_path / "b")

    assert directory_for(state, link) == directory_for(state, tmp_path / "x" / ".." / "link")
    assert directory_for(state, link) == before
    assert before != directory_for(state, tmp_path / "a")
    assert before != directory_for(state, None)
    assert before.parent == state


def test_a_lock_is_held_by_one_worker_until_it_lets_go(tmp_path: Path):
    one, other = SharedState(tmp_path / "state"), SharedState(tmp_path / "state")
    taken = one.claim("lock"), other.claim("lock"), one.claim("lock")
    other.release("lock")
    still = other.claim("lock")
    one.release("lock")

    assert taken == (True, False, True)
    assert not still
    assert other.claim("lock")
    assert not one.claim("lock")


def test_where_nothing_can_be_locked_every_worker_goes_on_by_itself(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with capture_logs() as lines:
        workers = [SharedState(tmp_path / "file") for _ in range(2)]
        claimed = [each.claim("lock") for each in workers]
        workers[0].release("lock")

    assert claimed == [True, True]
    assert {line["event"] for line in lines} == {"state_not_shared"}
