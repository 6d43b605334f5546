"""What can be wrong with a store: who reads the message knows what to do, and no password."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import Engine, event

from proxy.traffic import ReadOnlyStoreError, StoreError, open_store
from tests.proxy.traffic.store.test_store import counts
from tests.record_factory import record
from tests.unprivileged import as_nobody, public_directory


@pytest.fixture
def public() -> Iterator[Path]:
    with public_directory() as directory:
        yield directory


def filled(file: Path) -> str:
    url = f"sqlite:///{file}"
    store = open_store(url)
    store.add([record()])
    store.close()
    return url


def test_a_store_in_a_directory_that_may_only_be_read_can_be_read(public: Path):
    url = filled(public / "traffic.db")
    (public / "traffic.db").chmod(0o444)
    public.chmod(0o555)
    with as_nobody():
        with pytest.raises(
            ReadOnlyStoreError, match="cannot be written: the file or its directory"
        ) as told:
            open_store(url)
        reader = open_store(url, read_only=True)
        found = counts(reader)
        reader.close()

    assert found == [1, 0, 0]
    assert not told.value.may_pass


def test_a_store_that_somebody_else_writes_can_be_read(public: Path):
    writer = open_store(f"sqlite:///{public / 'traffic.db'}")
    writer.add([record()])
    for path in public.iterdir():
        path.chmod(0o444)
    public.chmod(0o555)
    with as_nobody():
        reader = open_store(f"sqlite:///{public / 'traffic.db'}", read_only=True)
        found = counts(reader)
        reader.close()
    writer.close()

    assert found == [1, 0, 0]


def test_a_file_that_may_not_be_read_is_said_to_be_so(public: Path):
    url = filled(public / "traffic.db")
    with as_nobody(), pytest.raises(StoreError, match=r"traffic\.db cannot be opened"):
        open_store(url, read_only=True)


def test_a_file_in_a_directory_that_may_not_be_entered_is_not_said_to_be_missing(public: Path):
    url = filled(public / "traffic.db")
    public.chmod(0o600)
    with as_nobody(), pytest.raises(StoreError, match=r"traffic\.db cannot be opened"):
        open_store(url, read_only=True)


@pytest.mark.parametrize("when", ["before", "connect", "checkout"])
def test_a_file_that_is_deleted_while_it_is_opened_is_said_to_be_missing(
    tmp_path: Path, when: Literal["before", "connect", "checkout"]
):
    url = filled(tmp_path / "traffic.db")

    def delete(*_: object) -> None:
        (tmp_path / "traffic.db").unlink(missing_ok=True)

    if when == "before":
        delete()
    else:
        event.listen(Engine, when, delete, insert=True)
    try:
        with pytest.raises(StoreError, match=r"traffic\.db does not exist"):
            open_store(url, read_only=True)
    finally:
        if when != "before":
            event.remove(Engine, when, delete)


def test_a_directory_that_cannot_be_made_is_said_to_be_so(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"traffic\.db cannot be created or opened: Not a direct"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'traffic.db'}")


def test_nothing_is_made_for_who_only_reads(tmp_path: Path):
    with pytest.raises(StoreError, match="does not exist: no traffic has been recorded there yet"):
        open_store(f"sqlite:///{tmp_path / 'new' / 'traffic.db'}", read_only=True)

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path):
    file = tmp_path / "traffic.db"
    file.write_text("Dear diary, " * 100)
    with pytest.raises(StoreError, match="is not a SQLite database: move it away") as told:
        open_store(f"sqlite:///{file}")

    assert not told.value.may_pass
    assert file.read_text() == "Dear diary, " * 100


def test_damage_is_said_to_be_damage(tmp_path: Path):
    file = tmp_path / "traffic.db"
    url = filled(file)
    data = file.read_bytes()
    file.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with pytest.raises(StoreError, match=r"is damaged: move it away") as told:
        counts(open_store(url))

    assert not told.value.may_pass


def test_a_lock_may_pass(tmp_path: Path):
    store = open_store(filled(tmp_path / "traffic.db"))
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")  # else it waits for long
    other = sqlite3.connect(tmp_path / "traffic.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is locked by another program") as told:
        store.add([record(id="req_2")])
    other.close()
    store.add([record(id="req_2")])

    assert told.value.may_pass
    assert counts(store) == [2, 0, 0]
    store.close()


def test_who_opens_and_reads_a_store_does_not_wait_for_who_writes_it(tmp_path: Path):
    url = filled(tmp_path / "traffic.db")
    writer = sqlite3.connect(tmp_path / "traffic.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    for read_only in (False, True):
        reader = open_store(url, read_only=read_only)
        assert counts(reader) == [1, 0, 0]
        reader.close()
    writer.close()


@pytest.mark.thorough
def test_whoever_else_opens_the_store_is_not_waited_for_without_end(tmp_path: Path):
    url = filled(tmp_path / "traffic.db")
    directory = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    with pytest.raises(StoreError, match="is being opened or upgraded by another") as told:
        open_store(url)
    os.close(directory)
    open_store(url).close()

    assert told.value.may_pass


@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_written_into_a_file_that_was_moved_away(tmp_path: Path, *, is_replaced: bool):
    url = filled(tmp_path / "traffic.db")
    store = open_store(url)
    (tmp_path / "traffic.db").rename(tmp_path / "damaged.db")
    if is_replaced:
        open_store(url).close()
    with pytest.raises(StoreError, match="was moved or deleted") as told:
        store.add([record(id="req_2")])
    store.close()
    anew = open_store(url)
    anew.add([record(id="req_2")])

    assert told.value.may_pass
    assert counts(anew) == [1, 0, 0]
    anew.close()
