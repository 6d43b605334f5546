"""The store is kept up with the journals, whatever is wrong with it meanwhile."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from sqlalchemy import delete, func, select
from structlog.testing import capture_logs

from proxy.traffic import Body, default_url, journal_directory, open_store, waiting_bytes
from proxy.traffic.journal.loader import loader_lock
from proxy.traffic.journal.segments import RECORDS, SegmentWriter
from proxy.traffic.loader_process import run_loader
from proxy.traffic.status import LoaderConfig, LoaderStatus, loader_state_in, read_status
from proxy.traffic.store.retention import Retention, prune
from proxy.traffic.store.rollups.build import progress_of
from proxy.traffic.store.rollups.sums import Kind
from proxy.traffic.store.row_mapping import moment_of
from proxy.traffic.store.schema import (
    bodies,
    exchanges,
    rollups,
    text_blocks,
    text_postings,
)
from tests.older_store import as_before_rollups
from tests.record_factory import content, record
from tests.waiting import PATIENCE_SECONDS

OLD = "2001-01-01T00:00:00.000+00:00"


@pytest.fixture
def keeping(tmp_path: Path) -> LoaderConfig:
    return LoaderConfig(
        directory=journal_directory(tmp_path), url=default_url(tmp_path), days=90, max_bytes=0
    )


def write(keeping: LoaderConfig, *names: str, **fields: str) -> None:
    journal = SegmentWriter(keeping.directory, RECORDS)
    for name in names:
        journal.append(msgspec.msgpack.encode(record(id=name, **fields)))
    journal.close()


def count(keeping: LoaderConfig) -> int:
    store = open_store(keeping.url)
    with store.engine.connect() as connection:
        found: int = connection.scalars(select(func.count()).select_from(exchanges)).one()
    store.close()
    return found


def status(keeping: LoaderConfig) -> LoaderStatus:
    said = read_status(loader_state_in(keeping.directory))
    assert said is not None
    return said


def steps(*of_the_world: Callable[[], object]) -> Callable[[float], bool]:
    """Between one look and the next, the next thing happens; then it is over."""
    left = list(of_the_world)

    def wait(seconds: float) -> bool:
        if left and seconds:
            left.pop(0)()
        return not left

    return wait


def test_what_is_written_while_it_runs_is_loaded_and_the_last_of_it_too(keeping):
    write(keeping, "one")
    counts: list[int] = []
    run_loader(
        keeping,
        steps(
            lambda: counts.append(count(keeping)),
            lambda: write(keeping, "two"),
            lambda: counts.append(count(keeping)),
            lambda: write(keeping, "three"),
        ),
    )

    assert counts == [1, 2]
    assert count(keeping) == 3
    assert (status(keeping).rows, status(keeping).problem) == (3, None)


def test_numbers_go_on_where_the_loader_before_stopped(keeping):
    for name in ("one", "two"):
        write(keeping, name)
        run_loader(keeping, steps())

    assert status(keeping).rows == 2


def test_what_is_read_of_a_living_journal_is_said_and_no_row_is_counted_twice(keeping):
    journal = SegmentWriter(keeping.directory, RECORDS)
    journal.append(msgspec.msgpack.encode(record(id="one")))
    run_loader(keeping, steps())
    first = status(keeping)
    run_loader(keeping, steps())
    second = status(keeping)
    journal.close()

    assert first.read_bytes == second.read_bytes == waiting_bytes(keeping.directory)
    assert first.rows == second.rows == 1


def test_of_a_store_that_fails_nothing_is_read(keeping):
    journal = SegmentWriter(keeping.directory, RECORDS)
    journal.append(msgspec.msgpack.encode(record(id="one")))
    run_loader(keeping, steps())
    run_loader(replace(keeping, url="sqlite:////"), steps())
    journal.close()

    assert status(keeping).read_bytes == 0
    assert status(keeping).problem is not None


def test_where_there_can_be_no_journal_it_waits_until_there_can_and_says_so_once(keeping, tmp_path):
    (tmp_path / "traffic").write_text("in the way")
    with capture_logs() as lines:
        run_loader(
            keeping,
            steps(
                lambda: None,
                lambda: None,
                (tmp_path / "traffic").unlink,
                lambda: write(keeping, "one"),
            ),
        )

    assert [line["event"] for line in lines] == ["loader_waits"]
    assert lines[0]["reason"] == "Not a directory"
    assert count(keeping) == 1


def test_a_store_that_cannot_be_opened_is_tried_again_and_said_once(keeping, tmp_path):
    file = tmp_path / "traffic" / "traffic.db"
    file.parent.mkdir()
    file.write_text("no database" * 100)
    write(keeping, "one")
    problems: list[str | None] = []
    with capture_logs() as lines:
        run_loader(
            keeping,
            steps(
                lambda: problems.append(status(keeping).problem),
                lambda: problems.append(status(keeping).problem),
                file.unlink,
                lambda: problems.append(status(keeping).problem),
            ),
        )

    assert problems[0] is not None
    assert str(file) in problems[0]
    assert problems == [problems[0], problems[0], None]
    events = [line["event"] for line in lines if line["event"].startswith("store_")]
    assert events == ["store_failed", "store_works_again"]
    assert count(keeping) == 1


def test_a_store_that_is_moved_away_is_made_anew_with_what_comes_then(keeping, tmp_path):
    write(keeping, "one")
    (tmp_path / "kept").mkdir()

    def move_away() -> None:
        for file in (tmp_path / "traffic").glob("traffic.db*"):
            file.rename(tmp_path / "kept" / file.name)

    run_loader(
        keeping,
        steps(
            move_away,
            lambda: write(keeping, "two"),
            lambda: None,
        ),
    )

    assert count(keeping) == 1
    assert count(replace(keeping, url=f"sqlite:///{tmp_path / 'kept' / 'traffic.db'}")) == 1
    assert status(keeping).problem is None


def test_a_bug_in_loading_does_not_end_it(keeping):
    broken: Any = None
    with capture_logs() as lines:
        run_loader(replace(keeping, url=broken), steps(lambda: None, lambda: None))

    assert status(keeping).problem == "AttributeError"
    assert [line["event"] for line in lines].count("loader_crashed") == 3


def test_what_is_too_old_is_let_go_of(keeping):
    write(keeping, "old", received=OLD)
    write(keeping, "new")
    run_loader(keeping, steps())

    assert count(keeping) == 1


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_much_that_is_too_old_is_let_go_of_a_part_at_a_look(keeping):
    journal = SegmentWriter(keeping.directory, RECORDS)
    for number in range(5_200):
        old = record(id=f"old-{number}", received=moment_of(number))
        journal.append(msgspec.msgpack.encode(old))
    journal.close()
    counts: list[int] = []
    run_loader(keeping, steps(lambda: counts.append(count(keeping)), lambda: None))

    assert counts == [200]
    assert count(keeping) == 0


def test_contents_and_sums_are_kept_for_days_of_their_own(keeping):
    day_ms = 86_400_000
    received = [moment_of(time.time_ns() // 1_000_000 - age * day_ms) for age in (10, 3)]
    store = open_store(keeping.url)
    for number, moment in enumerate(received):
        store.add([record(id=f"{number}", received=moment)])
        body = Body(part="legacy_in", size=1, digest="d", data=b"x", timing=None)
        store.add([content(id=f"{number}", received=moment, bodies=(body,))])
    run_loader(replace(keeping, content_days=2, days=7, rollup_days=30), steps(lambda: None))
    with store.reading() as connection:
        left = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (bodies, exchanges)
        ]
        summed = select(func.sum(rollups.c.exchanges)).where(rollups.c.kind == Kind.SHAPE)
        left.append(connection.execute(summed).scalar_one())
    store.close()

    assert left == [0, 1, 2]


def test_sums_of_older_records_are_built_beside_new_ones_and_nothing_goes_before(keeping):
    store = open_store(keeping.url)
    store.add(record(id=f"old-{number}", received=OLD) for number in range(300))
    store.close()
    as_before_rollups(keeping.url)
    left: list[tuple[int, int]] = []

    def look() -> None:
        with closing(open_store(keeping.url)) as store, store.reading() as connection:
            left.append((progress_of(connection).left, count(keeping)))

    with capture_logs() as lines:
        write(keeping, "new")
        run_loader(keeping, steps(look, look), build_seconds=0)

    assert left == [(50, 301), (0, 1)]
    assert [(line["event"], line["exchanges"]) for line in lines] == [
        ("rollups_building", 300),
        ("rollups_built", 300),
    ]


def test_sums_of_few_older_records_are_built_in_one_look(keeping):
    store = open_store(keeping.url)
    store.add(record(id=f"old-{number}") for number in range(600))
    store.close()
    as_before_rollups(keeping.url)
    with capture_logs() as lines:
        run_loader(keeping, steps(), build_seconds=PATIENCE_SECONDS)

    assert [line["event"] for line in lines] == ["rollups_building", "rollups_built"]


def test_sums_that_somebody_deletes_are_built_and_those_without_records_are_said_once(keeping):
    old = record(id="old", received=OLD, asked_model="claude-1")
    now_ms = time.time_ns() // 1_000_000
    new = [record(id=f"new-{number}", received=moment_of(now_ms)) for number in range(3)]
    with closing(open_store(keeping.url)) as store:
        store.add([*new, old])
        prune(store, now_ms=now_ms, retention=Retention(days=keeping.days), max_bytes=0)
        with store.writing() as connection:
            connection.execute(delete(rollups))
    with capture_logs() as lines:
        run_loader(keeping, steps(lambda: None, lambda: None), build_seconds=PATIENCE_SECONDS)
    with capture_logs() as again:
        run_loader(keeping, steps(lambda: None))

    assert [(line["event"], line["exchanges"]) for line in lines] == [
        ("rollups_deleted", 3),
        ("rollups_building", 3),
        ("rollups_built", 3),
        ("rollups_lost", 1),
    ]
    assert lines[-1]["days"] == {OLD[:10]: 1}
    assert again == []
    assert status(keeping).lost == 1


def test_while_another_loads_this_one_waits(keeping):
    write(keeping, "one")
    with loader_lock(keeping.directory):
        run_loader(keeping, steps())
        with pytest.raises(AssertionError):
            status(keeping)


def test_it_takes_over_when_the_other_ends(keeping):
    write(keeping, "one")
    other = loader_lock(keeping.directory)
    other.__enter__()
    run_loader(keeping, steps(lambda: other.__exit__(None, None, None), lambda: None))

    assert count(keeping) == 1


def test_a_note_that_cannot_be_read_is_no_note(keeping):
    shared_state = loader_state_in(keeping.directory)
    shared_state.write("loader/status", b"{")
    shared_state.write("loader/other", b"{}")

    assert read_status(shared_state) is None


def policies(
    keeping: LoaderConfig,
    wait: Callable[[float], bool],
    idle_seconds: float | None = PATIENCE_SECONDS,
) -> list[int]:
    """How the threads are scheduled on which three pieces are loaded, a file each."""
    seen: list[int] = []
    for _ in range(3):
        with closing(SegmentWriter(keeping.directory, RECORDS)) as journal:
            journal.append(b"of another version")  # which the log tells of

    def look(_: object, __: str, line: structlog.typing.EventDict) -> Mapping[str, Any]:
        if line["event"] == "journal_unreadable":
            seen.append(os.sched_getscheduler(0))
        return line

    with capture_logs([look]):
        run_loader(keeping, wait, idle_seconds=idle_seconds)
    return seen


def test_all_others_come_before_the_loading(keeping):
    assert policies(keeping, steps(lambda: None)) == [os.SCHED_IDLE] * 3


def test_what_could_not_be_loaded_at_leisure_is_loaded_all_the_same(keeping):
    assert policies(keeping, steps(lambda: None), idle_seconds=0) == [os.SCHED_OTHER] * 3


@contextmanager
def busy_processor() -> Iterator[None]:
    """One processor for this thread and for two programs that never wait."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    spin = [sys.executable, "-S", "-c", "print(flush=True)\nwhile True: pass"]
    spinners = [subprocess.Popen(spin, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for spinner in spinners:
            assert spinner.stdout is not None
            spinner.stdout.readline()
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.communicate()
        os.sched_setaffinity(0, before)


@pytest.mark.unmeasured
def test_where_others_leave_no_idle_moment_the_loader_takes_its_share(keeping):
    """What has been begun would go on with a thousandth of the processor, and hold the store.

    The scheduler gives a thread that has slept a little time now and then, so that a piece may be
    begun in vain; without the probe all are.
    """
    with busy_processor():
        seen = policies(keeping, steps(lambda: None), idle_seconds=1)

    assert os.SCHED_OTHER in seen


def test_at_the_end_there_is_no_leisure(keeping):
    assert policies(keeping, steps()) == [os.SCHED_OTHER] * 3


def test_where_it_is_not_alone_in_its_process_it_is_like_the_others(keeping):
    seen = policies(keeping, steps(lambda: None), idle_seconds=None)

    assert seen == [os.SCHED_OTHER] * 3


def indexed(keeping: LoaderConfig) -> list[int]:
    """The number of rows of each table of the text index."""
    with closing(open_store(keeping.url)) as store, store.reading() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (text_blocks, text_postings)
        ]


def test_texts_are_indexed_piece_by_piece_where_that_is_wanted(keeping):
    received = moment_of(time.time_ns() // 1_000_000 - 2 * 86_400_000)
    write(keeping, *(f"{number}" for number in range(100)), received=received)
    run_loader(keeping, steps(lambda: None))
    unwanted = indexed(keeping)
    wanting = replace(keeping, text_index=True)
    run_loader(wanting, steps(lambda: None), build_seconds=0)
    half_way = indexed(keeping)
    # A piece at each look, and then there is nothing left to index.
    run_loader(wanting, steps(*[lambda: None] * 9), build_seconds=0)
    [blocks, postings] = indexed(keeping)

    assert unwanted == [0, 0]
    assert half_way == [0, 0]
    assert blocks == 1
    assert postings > 50


def test_texts_of_few_exchanges_are_indexed_in_one_look(keeping):
    received = moment_of(time.time_ns() // 1_000_000 - 2 * 86_400_000)
    write(keeping, *(f"{number}" for number in range(100)), received=received)

    run_loader(replace(keeping, text_index=True), steps(), build_seconds=PATIENCE_SECONDS)

    assert indexed(keeping)[0] == 1
