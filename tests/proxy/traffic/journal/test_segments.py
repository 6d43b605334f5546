import resource
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.traffic.journal.segments import (
    CONTENTS,
    RECORDS,
    SegmentWriter,
    files_of,
    is_complete,
    read_frames,
)

PAYLOADS = st.lists(st.binary(max_size=50), max_size=8)


def frame_of(payload: bytes) -> bytes:
    size, crc = len(payload).to_bytes(4, "big"), zlib.crc32(payload).to_bytes(4, "big")
    return b"\xf5HJ1" + size + crc + payload


def written(directory: Path, kind: str = RECORDS) -> list[bytes]:
    """All payloads in all files."""
    pieces = (
        read_frames(path.read_bytes(), is_complete=True) for path in files_of(directory, kind)
    )
    return sorted(payload for piece in pieces for payload in piece.payloads)


def test_what_is_appended_is_there_at_once(tmp_path):
    journal = SegmentWriter(tmp_path / "new" / "journal", RECORDS)
    journal.append(b"one")
    journal.append(b"two")

    assert written(tmp_path / "new" / "journal") == [b"one", b"two"]
    assert written(tmp_path / "new" / "journal", CONTENTS) == []
    (file,) = files_of(tmp_path / "new" / "journal", RECORDS)
    assert file.read_bytes() == frame_of(b"one") + frame_of(b"two")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_is_complete_when_its_writer_has_ended_it(tmp_path):
    journal = SegmentWriter(tmp_path, RECORDS)
    journal.append(b"one")
    (file,) = files_of(tmp_path, RECORDS)
    before = is_complete(file)
    journal.close()
    journal.close()

    assert (before, is_complete(file)) == (False, True)


def test_a_file_that_has_grown_large_is_followed_by_another(tmp_path):
    journal = SegmentWriter(tmp_path, RECORDS, file_bytes=30)
    for payload in (b"1" * 20, b"2" * 20, b"3"):
        journal.append(payload)

    assert len(files_of(tmp_path, RECORDS)) == 3
    assert len(written(tmp_path)) == 3
    assert journal.begins_a_file is False


def test_two_workers_never_write_to_one_file(tmp_path):
    one, other = SegmentWriter(tmp_path, RECORDS), SegmentWriter(tmp_path, RECORDS)
    one.append(b"one")
    other.append(b"other")

    assert len(files_of(tmp_path, RECORDS)) == 2


def test_what_was_in_a_file_that_somebody_removed_is_written_again(tmp_path):
    directory = tmp_path / "journal"
    journal = SegmentWriter(directory, RECORDS)
    journal.append(b"one")
    shutil.rmtree(directory)
    journal.append(b"two")

    assert written(directory) == [b"one", b"two"]


def test_where_that_is_not_possible_nothing_is_forgotten(tmp_path):
    directory = tmp_path / "journal"
    journal = SegmentWriter(directory, RECORDS)
    journal.append(b"one")
    shutil.rmtree(directory)
    directory.write_text("in the way")
    with pytest.raises(NotADirectoryError):
        journal.append(b"two")
    directory.unlink()
    journal.append(b"three")

    assert written(directory) == [b"one", b"three"]


@given(PAYLOADS, st.data())
def test_a_half_written_end_is_passed_over_and_the_rest_is_read(payloads, data):
    whole = b"".join(map(frame_of, payloads))
    cut = data.draw(st.integers(0, len(whole)))
    read = read_frames(whole[:cut], is_complete=True)

    assert list(read.payloads) == payloads[: len(read.payloads)]
    assert read.end == cut
    assert b"".join(map(frame_of, read.payloads)) == whole[: cut - read.damaged]


@given(PAYLOADS, st.data())
def test_it_does_not_matter_in_which_pieces_a_growing_file_is_read(payloads, data):
    whole = b"".join(map(frame_of, payloads))
    read: list[bytes] = []
    position = 0
    for end in sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5))):
        piece = read_frames(whole[position : max(position, end)], is_complete=False)
        read += piece.payloads
        position += piece.end
        assert piece.damaged == 0
    read += read_frames(whole[position:], is_complete=True).payloads

    assert read == payloads


@given(PAYLOADS, st.binary(max_size=40), PAYLOADS)
def test_what_is_broken_costs_only_itself(before, broken, after):
    whole = b"".join(map(frame_of, before)) + broken + b"".join(map(frame_of, after))
    read = read_frames(whole, is_complete=True)

    # What was broken may look like the beginning of a frame, never like the end of one.
    assert [*before, *after] == [*read.payloads]
    assert read.damaged == len(broken)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_to_their_end(data):
    read = read_frames(data, is_complete=True)

    assert read.end == len(data)
    assert sum(len(frame_of(payload)) for payload in read.payloads) + read.damaged == len(data)


def test_a_bit_that_fell_over_is_damage():
    whole = bytearray(frame_of(b"one") + frame_of(b"two"))
    whole[13] ^= 1

    assert read_frames(bytes(whole), is_complete=True).payloads == (b"two",)


def test_a_file_that_vanishes_while_they_are_listed_is_not_among_them(tmp_path):
    (tmp_path / f"gone{RECORDS}").symlink_to(tmp_path / "nowhere")

    assert files_of(tmp_path, RECORDS) == []
    with pytest.raises(FileNotFoundError):
        is_complete(tmp_path / f"gone{RECORDS}")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full, a write ends in the middle of what it was given."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_half_a_frame_is_taken_back(tmp_path):
    journal = SegmentWriter(tmp_path, RECORDS)
    journal.append(b"one")
    with files_of_at_most(20), pytest.raises(OSError, match="No space"):
        journal.append(b"two")
    journal.append(b"three")

    (file,) = files_of(tmp_path, RECORDS)
    assert file.read_bytes() == frame_of(b"one") + frame_of(b"three")


def test_a_file_that_could_not_be_begun_leaves_nothing_behind(tmp_path):
    journal = SegmentWriter(tmp_path, RECORDS)
    with files_of_at_most(10), pytest.raises(OSError, match="No space"):
        journal.append(b"one")

    assert list(tmp_path.iterdir()) == []
    assert journal.begins_a_file


def test_what_was_moved_away_is_written_again_where_it_is_looked_for(tmp_path):
    directory = tmp_path / "journal"
    journal = SegmentWriter(directory, RECORDS)
    journal.append(b"one")
    directory.rename(tmp_path / "away")
    journal.append(b"two")

    assert written(directory) == [b"one", b"two"]
    assert is_complete(*files_of(tmp_path / "away", RECORDS))


def test_a_file_ends_with_its_time(tmp_path):
    journal = SegmentWriter(tmp_path, RECORDS)
    journal.end_old(0)
    journal.append(b"one")
    journal.end_old(3600)
    before = journal.begins_a_file
    journal.end_old(0)

    assert (before, journal.begins_a_file) == (False, True)


def test_what_only_begins_like_a_frame_is_passed_over():
    frame = frame_of(b"one")

    assert read_frames(b"x" + frame[:6] + frame, is_complete=True).payloads == (b"one",)
