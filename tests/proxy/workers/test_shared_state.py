import os
import threading
import time
from pathlib import Path

from structlog.testing import capture_logs

from proxy.workers.shared_state import Noticeboard, directory_for


def texts(notes):
    return [(name, note) for name, note, _ in notes]


def test_workers_read_each_others_notes_and_the_last_one_of_each(tmp_path: Path):
    one, other = Noticeboard(tmp_path), Noticeboard(tmp_path)
    one.pin("topic", b"1")
    other.pin("topic", b"first")
    other.pin("topic", b"2")
    other.pin("another", b"3")

    assert [note for note, _ in one.others("topic")] == [b"2"]
    assert [note for note, _ in other.others("topic")] == [b"1"]
    assert sorted(note for _, note in texts(one.all("topic"))) == [b"1", b"2"]


def test_a_note_says_when_it_was_written(tmp_path: Path):
    board = Noticeboard(tmp_path)
    board.put("topic/note", b"")
    os.utime(tmp_path / "topic" / "note", (5, 7))

    assert board.all("topic") == [("note", b"", 7.0)]


def test_a_note_of_nobody_is_taken_down_once(tmp_path: Path):
    board = Noticeboard(tmp_path)

    assert board.put("tripped/rule", b"why")
    assert board.all("tripped")[0][:2] == ("rule", b"why")
    assert board.take_down("tripped/rule")
    assert not board.take_down("tripped/rule")
    assert board.all("tripped") == []


def test_a_topic_that_nobody_wrote_about_is_empty(tmp_path: Path):
    board = Noticeboard(tmp_path / "not" / "there")

    assert board.all("topic") == board.known("topic") == []


def test_a_note_that_is_being_written_is_not_read(tmp_path: Path):
    board = Noticeboard(tmp_path)
    board.put("topic/note", b"whole")
    (tmp_path / "topic" / ".note.1-ab").write_bytes(b"ha")

    assert texts(board.all("topic")) == [("note", b"whole")]


def test_a_note_that_is_taken_down_meanwhile_hides_no_other(tmp_path: Path):
    board = Noticeboard(tmp_path)
    board.put("topic/a", b"a")
    (tmp_path / "topic" / "b").symlink_to("gone")  # listed, and not there
    board.put("topic/c", b"c")

    assert texts(board.known("topic") or []) == [("a", b"a"), ("c", b"c")]


def test_what_is_no_file_is_no_note(tmp_path: Path):
    board = Noticeboard(tmp_path)
    board.put("topic/note", b"")
    os.mkfifo(tmp_path / "topic" / "pipe")
    (tmp_path / "topic" / "directory").mkdir()

    assert texts(board.all("topic")) == [("note", b"")]


def test_a_note_that_may_not_be_read_says_that_it_is_there():
    board = Noticeboard(Path("/proc/sys/net/ipv4"))

    assert ("flush", b"") in texts(board.all("route"))  # nobody may read that one, root neither
    assert board.is_usable


def test_nobody_reads_half_a_note(tmp_path: Path):
    board, reader = Noticeboard(tmp_path), Noticeboard(tmp_path)
    notes = [bytes([n]) * 100_000 for n in range(50)]
    board.pin("topic", notes[0])

    def write() -> None:
        for note in notes:
            board.pin("topic", note)

    writing = threading.Thread(target=write)
    writing.start()
    read = [note for _ in range(200) for note, _ in reader.others("topic")]
    writing.join()

    assert len(read) == 200
    assert set(read) <= set(notes)


def test_only_what_is_old_is_swept_away(tmp_path: Path):
    board = Noticeboard(tmp_path)
    board.put("topic/old", b"")
    board.put("topic/new", b"")
    long_ago = time.time() - 100
    os.utime(tmp_path / "topic" / "old", (long_ago, long_ago))

    board.sweep("topic", older_than=99)

    assert texts(board.all("topic")) == [("new", b"")]


def test_what_cannot_be_swept_away_stays_and_stops_nothing():
    board = Noticeboard(Path("/proc/sys/kernel"))

    board.sweep("random", older_than=-1e12)

    assert "uuid" in {name for name, _, _ in board.all("random")}


def test_a_directory_that_cannot_be_used_is_logged_once_and_stops_nothing(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    board = Noticeboard(blocked)

    with capture_logs() as lines:
        board.pin("topic", b"1")
        written = board.put("topic/note", b"2")
        notes, known = board.all("topic"), board.known("topic")

    assert not written
    assert (notes, known) == ([], None)
    assert not board.is_usable
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
    board = Noticeboard(directory)

    with capture_logs() as lines:
        for _ in range(2):
            directory.write_text("")
            board.pin("topic", b"1")
            directory.unlink()
            board.pin("topic", b"1")
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
