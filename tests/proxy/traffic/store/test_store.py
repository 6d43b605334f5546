"""Stores of both kinds: what goes in is there, once; what is wrong is said."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import StatementError

from proxy.traffic import Body, StoreError, open_store
from proxy.traffic.store.errors import UnacceptableEntry
from proxy.traffic.store.row_mapping import exchange_of_row, rows_of_content
from proxy.traffic.store.schema import bodies, exchanges, shadows
from proxy.traffic.store.store import Store
from tests.record_factory import content, record, shadow_record
from tests.waiting import PATIENCE_SECONDS


def counts(store: Store) -> list[int]:
    with store.engine.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (exchanges, shadows, bodies)
        ]


def test_what_is_added_twice_is_there_once_and_as_it_was_first(url):
    store = open_store(url)
    store.add([record(status=200), shadow_record(), content()])
    store.add([record(status=500), record(id="req_2"), shadow_record(), content()])
    with store.engine.connect() as connection:
        rows = connection.execute(select(exchanges).order_by(exchanges.c.seq)).mappings().all()
    store.close()

    assert [exchange_of_row(dict(row)) for row in rows] == [record(), record(id="req_2")]


@pytest.mark.parametrize("tokens", [math.inf, -math.inf, 1e300])
def test_a_number_beyond_all_bounds_comes_back_as_it_was(url, tokens: float):
    store = open_store(url)
    store.add([record(input_tokens=tokens)])
    with store.engine.connect() as connection:
        found = connection.execute(select(exchanges.c.input_tokens)).scalar_one()
    store.close()

    assert found == tokens


def test_nothing_may_be_added(url):
    store = open_store(url)
    store.add([])

    assert counts(store) == [0, 0, 0]
    store.close()


def test_a_batch_with_something_that_cannot_be_kept_is_not_added_at_all(url):
    store = open_store(url)
    body = Body(part="legacy_in", size=2**70, digest="d", data=None, timing=None)
    with pytest.raises(UnacceptableEntry):
        store.add([record(), content(bodies=(body,))])

    assert counts(store) == [0, 0, 0]
    store.close()


def test_a_mistake_of_ours_is_no_problem_of_the_store(url):
    store = open_store(url)
    (row,) = rows_of_content(content())
    with pytest.raises((StatementError, TypeError)), store.writing() as connection:
        connection.execute(bodies.insert().values(row | {"data": "no bytes"}))
    store.close()


def test_a_store_that_is_only_read_is_read_and_not_written(url):
    store = open_store(url)
    store.add([record()])
    store.close()
    reader = open_store(url, read_only=True)

    assert counts(reader) == [1, 0, 0]
    with pytest.raises(StoreError, match="cannot be written"):
        reader.add([record(id="req_2")])
    assert counts(reader) == [1, 0, 0]
    reader.close()


def test_sqlite_is_for_its_owners_eyes_only_and_lets_readers_read(tmp_path: Path):
    file = tmp_path / "a" / "b c%20?" / "traffic.db"
    (tmp_path / "a").mkdir(mode=0o755)
    store = open_store(f"sqlite:///{str(file).replace('%', '%25').replace('?', '%3F')}")
    store.add([record()])
    with store.engine.connect() as connection:
        pragmas = ("journal_mode", "synchronous", "auto_vacuum")
        modes = [connection.exec_driver_sql(f"PRAGMA {it}").scalar_one() for it in pragmas]
    there = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    store.close()

    assert there == dict.fromkeys(("traffic.db", "traffic.db-wal", "traffic.db-shm"), 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
    assert modes == ["wal", 1, 2]


@pytest.mark.unmeasured
def test_who_opens_no_store_imports_no_sqlalchemy():
    code = "import sys, proxy.traffic, proxy.config.settings; sys.exit('sqlalchemy' in sys.modules)"

    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=False, timeout=PATIENCE_SECONDS
        ).returncode
        == 0
    )


@pytest.mark.unmeasured
def test_who_opens_a_store_of_this_version_imports_no_alembic(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'traffic.db'}"
    open_store(url).close()
    code = (
        "import sys; from proxy.traffic import open_store; open_store(sys.argv[1]).close();"
        "sys.exit('alembic' in sys.modules)"
    )

    run = subprocess.run([sys.executable, "-c", code, url], check=False, timeout=PATIENCE_SECONDS)
    assert run.returncode == 0


def test_how_many_rows_are_new_is_said(url):
    store = open_store(url)
    first = store.add([record(id="one"), shadow_record(id="one")])
    second = store.add([record(id="one"), record(id="two"), record(id="three")])
    store.close()

    assert (first, second) == (2, 2)


def test_who_writes_waits_for_nobody_longer_than_a_minute(server):
    store = open_store(server.new_database())
    with store.writing() as connection:
        patience = connection.exec_driver_sql("SHOW statement_timeout").scalar()
    with store.engine.connect() as connection:
        unbounded = connection.exec_driver_sql("SHOW statement_timeout").scalar()
    store.close()

    assert (patience, unbounded) == ("1min", "0")
