"""Many rows at once: as they were, each once, on SQLite and PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Table, func, select

from proxy.traffic import Body, StoreError, open_store
from proxy.traffic.store.errors import UnacceptableEntry
from proxy.traffic.store.insertion import insert_if_all_are_new
from proxy.traffic.store.partitions import make_days
from proxy.traffic.store.row_mapping import (
    Row,
    row_of_exchange,
    row_of_shadow,
    rows_of_content,
)
from proxy.traffic.store.schema import bodies, exchanges, shadows
from proxy.traffic.store.store import Store
from tests.postgres import Postgres
from tests.record_factory import content, record, shadow_record
from tests.waiting import PATIENCE_SECONDS, wait_for

DAY = 20_780
"""That of plain records, since the epoch."""
HOSTILE = "\\N\t\r\n\x01\",'\\.\u2028\N{SNOWMAN}"
BODIES = (
    Body(part="legacy_in", size=2**40, digest=HOSTILE, data=b"\x00\\x\xff", timing=None),
    Body(part="legacy_out", size=0, digest="", data=None, timing=b""),
)
ROWS: dict[Table, list[Row]] = {
    exchanges: [
        row_of_exchange(record(id="plain")),
        row_of_exchange(record(id=HOSTILE, user_agent="", failure=HOSTILE, temperature=math.inf)),
        row_of_exchange(record(id="none", status=None, streamed=True, top_k=2**70, top_p=1)),
    ],
    shadows: [row_of_shadow(shadow_record(id=name)) for name in ("one", HOSTILE)],
    bodies: rows_of_content(content(bodies=BODIES)),
}


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    with opened.writing() as connection:
        make_days(connection, [DAY])
    yield opened
    opened.close()


def stored(store: Store, table: Table, columns: Sequence[str]) -> list[Row]:
    wanted = select(*(table.c[name] for name in columns))
    with store.engine.connect() as connection:
        return [row._asdict() for row in connection.execute(wanted)]


def count(store: Store) -> int:
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(exchanges)).scalar_one()


@pytest.mark.parametrize("table", ROWS, ids=str)
def test_rows_that_are_all_new_are_inserted_as_they_are(store: Store, table: Table):
    rows = ROWS[table]
    with store.writing() as connection:
        done = insert_if_all_are_new(connection, table, rows)

    assert done
    assert stored(store, table, tuple(rows[0])) == rows


def test_the_order_of_a_rows_columns_does_not_matter(store: Store):
    first = row_of_exchange(record(id="one"))
    second = dict(reversed(row_of_exchange(record(id="two")).items()))
    with store.writing() as connection:
        insert_if_all_are_new(connection, exchanges, [first, second])

    assert stored(store, exchanges, tuple(first)) == [first, second]


def test_if_one_row_is_there_it_is_said(store: Store):
    store.add([record(id="one")])
    rows = [row_of_exchange(record(id=name)) for name in ("zero", "one")]
    with store.writing() as connection, connection.begin_nested() as savepoint:
        done = insert_if_all_are_new(connection, exchanges, rows)
        savepoint.rollback()

    assert not done
    assert count(store) == 1


def test_a_status_without_room_in_its_column_is_not_cut_off(server: Postgres):
    store = open_store(server.new_database())
    with pytest.raises(UnacceptableEntry):
        store.add([record(id="one"), record(id="two", status=2**32 + 200)])

    assert count(store) == 0
    store.close()


def test_a_connection_that_breaks_while_rows_are_copied_may_pass(server: Postgres):
    store = open_store(server.new_database())
    store.add([record(id="one")])
    copying = (
        "FROM pg_stat_activity"
        " WHERE starts_with(query, 'COPY exchanges') AND wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor() as threads, store.engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE exchanges")
        adding = threads.submit(store.add, [record(id="two")])
        with store.engine.connect() as watching:
            watching.execution_options(isolation_level="AUTOCOMMIT")
            wait_for(lambda: watching.exec_driver_sql(f"SELECT 1 {copying}").first() is not None)
            watching.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {copying}")
        with pytest.raises(StoreError) as told:
            adding.result(PATIENCE_SECONDS)

    assert told.value.may_pass
    assert (store.add([record(id="two")]), count(store)) == (1, 2)
    store.close()
