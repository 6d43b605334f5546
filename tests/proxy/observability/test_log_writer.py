"""Lines that wait to be written, and those that do not get there."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.observability.log_writer import LogWriter
from tests.waiting import wait_for

PIPE_BYTES = 65_536


class Pipe:
    """A pipe that is read when the test says so, and a writer with little room of its own."""

    def __init__(self, max_bytes: int = 100) -> None:
        self.reader, self.writer = os.pipe()
        self.told: list[tuple[int, float]] = []
        self.observed: list[int] = []
        self.log = LogWriter(self.writer, lambda *told: self.told.append(told), max_bytes=max_bytes)
        self.log.observe_loss = self.observed.append

    def fill(self) -> None:
        """Leave no room in the pipe."""
        os.write(self.writer, bytes(PIPE_BYTES))

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += os.read(self.reader, size - len(data))
        return data


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.reader)
    os.close(made.writer)


def test_lines_arrive_in_their_order(pipe: Pipe):
    for number in range(5):
        pipe.log.add(f"line {number}")
    pipe.log.finish()

    assert pipe.read(35) == b"line 0\nline 1\nline 2\nline 3\nline 4\n"
    assert (pipe.told, pipe.observed) == ([], [])


def test_nothing_is_waited_for_if_nothing_was_logged(pipe: Pipe):
    pipe.log.finish()

    assert pipe.log._thread is None


def test_lines_without_room_are_dropped_and_told_of_once_there_is_some(pipe: Pipe):
    began = time.time()
    pipe.fill()
    for _ in range(5):
        pipe.log.add("x" * 39)
    pipe.read(PIPE_BYTES)
    told = wait_for(lambda: pipe.told)

    assert pipe.read(80) == (b"x" * 39 + b"\n") * 2
    assert pipe.observed == [1, 1, 1]
    ((count, since),) = told
    assert count == 3
    assert began <= since <= time.time()


def test_a_line_that_is_written_makes_room_for_another(pipe: Pipe):
    for _ in range(10):
        pipe.log.add("x" * 98)
        assert pipe.read(99) == b"x" * 98 + b"\n"
        pipe.log.finish()

    assert pipe.observed == []


def test_finishing_waits_for_a_second_at_most_if_nobody_reads(pipe: Pipe):
    pipe.fill()
    pipe.log.add("late")
    pipe.log.finish()
    pipe.log.add("later")
    pipe.log.finish()
    pipe.read(PIPE_BYTES)

    assert pipe.read(11) == b"late\nlater\n"


def test_finishing_goes_on_for_as_long_as_somebody_reads():
    pipe = Pipe(max_bytes=10**6)
    for _ in range(6):
        pipe.log.add("x" * (PIPE_BYTES - 1))
    finishing = threading.Thread(target=pipe.log.finish)
    finishing.start()
    for _ in range(6):
        assert pipe.read(PIPE_BYTES) == b"x" * (PIPE_BYTES - 1) + b"\n"
        finishing.join(0.4)  # six of these are more than the second that a stalled one gets
    finishing.join()

    assert pipe.observed == []


def test_there_is_room_for_the_line_that_tells_of_losses_even_at_the_end(pipe: Pipe):
    pipe.log._report_loss = lambda count, _: pipe.log.add(f"{count} dropped")
    pipe.fill()
    pipe.log.add("x" * 90)
    pipe.log.add("x" * 90)
    finishing = threading.Thread(target=pipe.log.finish)
    finishing.start()
    pipe.read(PIPE_BYTES)
    finishing.join()

    assert pipe.read(101) == b"x" * 90 + b"\n1 dropped\n"


def test_a_pipe_that_must_not_be_waited_for_is_waited_for_by_the_thread():
    pipe = Pipe(max_bytes=10**6)
    os.set_blocking(pipe.writer, False)
    pipe.log.add("x" * (2 * PIPE_BYTES))
    pipe.log.add("y")
    wait_for(lambda: pipe.log._is_torn)  # it has written as much as there was room for

    assert pipe.read(2 * PIPE_BYTES + 3) == b"x" * (2 * PIPE_BYTES) + b"\ny\n"


def test_a_line_that_was_cut_off_ends_before_the_next_one_begins(tmp_path: Path):
    """As on a disk that was full for a while."""
    pipe = Pipe(max_bytes=10**6)
    pipe.log.add("x" * (2 * PIPE_BYTES))
    wait_for(lambda: len(os.read(pipe.reader, 1)))
    os.close(pipe.reader)
    wait_for(lambda: pipe.observed)
    file = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(file, pipe.writer)
    pipe.log.add("next")
    pipe.log.finish()

    assert (tmp_path / "log").read_bytes() == b"\nnext\n"
    assert (pipe.observed, [count for count, _ in pipe.told]) == ([1], [1])


def test_a_long_batch_is_written_in_parts_of_whole_lines():
    pipe = Pipe(max_bytes=10**6)
    for _ in range(3):
        pipe.log.add("x" * 40_000)
    lines = pipe.read(3 * 40_001)

    assert lines == (b"x" * 40_000 + b"\n") * 3


def test_what_cannot_be_encoded_is_spelled_out(pipe: Pipe):
    pipe.log.add("\ud800 and \u00e9")

    assert pipe.read(14) == b"\\ud800 and \xc3\xa9\n"
