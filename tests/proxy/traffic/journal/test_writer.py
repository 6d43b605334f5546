"""What a worker does with its evidence, also where a disk is in its way."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from proxy.traffic import Content, JournalWriter, TrafficRecord, waiting_bytes
from proxy.traffic.journal.segments import CONTENTS, RECORDS, files_of, read_frames
from tests.record_factory import record
from tests.small_disk import small_disk

FILE_BYTES = 4096


class Counts(Counter[str]):
    """Counts what is not kept."""

    def records_lost(self, count: int) -> None:
        self["lost"] += count

    def journal_dropped(self, kind: str, size: int) -> None:
        self[kind] += size


def journal_writer(directory: Path, counts: Counts, *, max_bytes: int = 10**9) -> JournalWriter:
    return JournalWriter(directory, counts, max_bytes=max_bytes, file_bytes=FILE_BYTES)


def content(name: str, size: int) -> Content:
    return Content(id=name + "x" * size, received="", bodies=())


def records_in(directory: Path) -> list[str]:
    """The ids of all records in the journals."""
    texts = (path.read_bytes() for path in files_of(directory, RECORDS))
    pieces = (read_frames(text, is_complete=True) for text in texts)
    decoder = msgspec.msgpack.Decoder(TrafficRecord)
    return [decoder.decode(payload).id for piece in pieces for payload in piece.payloads]


@pytest.fixture
def disk() -> Iterator[Path]:
    """A quarter of a megabyte."""
    with small_disk(256 * 1024) as directory:
        yield directory


def test_a_record_is_written_when_it_is_kept(tmp_path):
    counts = Counts()
    journal_writer(tmp_path, counts).add(record(id="one"))

    assert records_in(tmp_path) == ["one"]
    assert counts == {}


def test_over_the_bound_the_oldest_contents_go_before_any_record(tmp_path):
    counts = Counts()
    kept = journal_writer(tmp_path, counts, max_bytes=5 * FILE_BYTES)
    for number in range(20):
        kept.add(record(id=f"r{number}"))
        kept.add_content(content("c", 1000))

    assert len(records_in(tmp_path)) == 20
    assert counts["contents"] > 0
    assert counts["records"] == counts["lost"] == 0
    assert waiting_bytes(tmp_path) < 7 * FILE_BYTES


def test_only_when_no_contents_are_left_records_go_too(tmp_path):
    counts = Counts()
    kept = journal_writer(tmp_path, counts, max_bytes=3 * FILE_BYTES)
    with capture_logs() as lines:
        for number in range(60):
            kept.add(record(id=f"r{number}"))

    left = records_in(tmp_path)
    assert left == [f"r{number}" for number in range(60 - len(left), 60)]
    assert counts["records"] > 0
    assert {line["event"] for line in lines} == {"journal_dropped"}


def test_on_a_full_disk_contents_make_room_for_records(disk):
    counts, directory = Counts(), disk / "journal"
    kept = journal_writer(directory, counts)
    for _ in range(400):
        kept.add_content(content("c", 1000))
    with capture_logs():
        for number in range(100):
            kept.add(record(id=f"r{number}"))

    assert len(records_in(directory)) == 100
    assert kept.problem is None
    assert counts["contents"] > 0
    assert counts["lost"] == 0


def test_where_nothing_can_make_room_records_wait_in_memory_and_are_written_later(disk):
    counts, directory = Counts(), disk / "journal"
    (disk / "of others").write_bytes(b"x" * 240 * 1024)
    kept = journal_writer(directory, counts)
    with capture_logs() as lines:
        for number in range(50):
            kept.add(record(id=f"r{number}"))
        before = (len(records_in(directory)), kept.problem)
        (disk / "of others").unlink()
        kept.add(record(id="the last"))

    assert before[0] < 50
    assert before[1] == "No space left on device"
    assert [line["event"] for line in lines] == ["journal_failed", "journal_works_again"]
    assert records_in(directory) == [*(f"r{number}" for number in range(50)), "the last"]
    assert (kept.problem, counts) == (None, {})


def test_what_waits_at_the_end_is_written_or_counted_as_lost(tmp_path):
    counts, directory = Counts(), tmp_path / "journal"
    directory.write_text("in the way")
    first, second = journal_writer(directory, counts), journal_writer(directory, counts)
    with capture_logs() as lines:
        first.add(record(id="written at last"))
        second.add(record(id="lost"))
        second.close()
        directory.unlink()
        first.close()

    assert records_in(directory) == ["written at last"]
    assert counts == {"lost": 1}
    assert [line["event"] for line in lines] == ["journal_failed", "journal_failed", "records_lost"]


def test_memory_holds_only_so_many_and_the_oldest_are_lost(tmp_path):
    counts, directory = Counts(), tmp_path / "journal"
    directory.write_text("in the way")
    kept = JournalWriter(directory, counts, max_bytes=10**9)
    with capture_logs():
        for number in range(10_003):
            kept.add(record(id=f"r{number}"))
        directory.unlink()
        kept.close()

    assert counts == {"lost": 3}
    assert records_in(directory) == [f"r{number}" for number in range(3, 10_003)]


def test_contents_that_cannot_be_written_are_counted(tmp_path):
    counts, directory = Counts(), tmp_path / "journal"
    directory.write_text("in the way")
    journal_writer(directory, counts).add_content(content("c", 1000))

    assert counts["contents"] > 1000


def test_a_directory_that_vanishes_is_made_again(tmp_path):
    counts, directory = Counts(), tmp_path / "journal"
    kept = journal_writer(directory, counts)
    kept.add(record(id="one"))
    kept.add_content(content("c", 10))
    shutil.rmtree(directory)
    kept.add(record(id="two"))
    kept.add_content(content("d", 10))

    assert records_in(directory) == ["one", "two"]
    assert len(files_of(directory, CONTENTS)) == 1


def test_what_another_worker_is_writing_is_left_alone(tmp_path):
    counts = Counts()
    other, kept = (
        journal_writer(tmp_path, counts),
        journal_writer(tmp_path, counts, max_bytes=2 * FILE_BYTES),
    )
    other.add_content(content("theirs", 100))
    with capture_logs():
        for _ in range(20):
            kept.add_content(content("ours", 1000))

    names = [path.read_bytes() for path in files_of(tmp_path, CONTENTS)]
    assert any(b"theirs" in text for text in names)
    assert counts["contents"] > 0


def test_files_are_ended_by_their_age(tmp_path):
    kept = journal_writer(tmp_path, Counts())
    kept.add(record(id="one"))
    kept.add_content(content("c", 10))
    kept.end_old(0)
    kept.add(record(id="two"))

    assert len(files_of(tmp_path, RECORDS)) == 2
    assert records_in(tmp_path) == ["one", "two"]


def test_where_there_is_no_room_for_records_none_is_left_for_contents(tmp_path):
    counts, directory = Counts(), tmp_path / "journal"
    directory.write_text("in the way")
    kept = journal_writer(directory, counts)
    with capture_logs():
        kept.add(record(id="waits"))
        directory.unlink()
        kept.add_content(content("c", 1000))

    assert not directory.exists()
    assert counts["contents"] > 1000
