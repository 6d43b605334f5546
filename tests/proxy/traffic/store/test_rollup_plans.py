"""Reports read the sums of their period and no others, and find examples by their id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from proxy.report.collect import collect_report_input
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.store import Store
from tests.ready_store import open_ready
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import exchange, moment, numbered

MARKS = {
    "sqlite": ("USING PRIMARY KEY (kind=? AND step_ms=?", "SCAN rollups", "SCAN exchanges"),
    "postgresql": ("step_ms", "Seq Scan on rollups ", "Seq Scan on exchanges"),
}
"""What is in every plan for sums, and what is in none."""


@contextmanager
def queries(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """The queries that are sent meanwhile, with their parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if statement.startswith("SELECT"):
            sent.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    yield sent
    event.remove(store.engine, "before_cursor_execute", note)


def plan(connection: Connection, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
    return "\n".join(str(row[-1]) for row in rows)


def test_postgresql_is_asked_the_same_however_many_records_are_loaded(server):
    """So that it has prepared the queries, and the driver has read them."""
    store = open_ready(server.new_database())
    asked: list[list[str]] = []
    store.add(numbered(0))  # which makes its day
    for numbers in (range(1, 3), range(3, 30)):
        with queries(store) as sent:
            store.add(numbered(*numbers))
        asked.append([statement for statement, _ in sent])

    assert asked[0] == asked[1]
    store.close()


@pytest.mark.parametrize("caller", [None, "nightly", "01234567"])
def test_every_query_of_a_report_finds_its_rows_by_an_index(url, caller):
    store = open_ready(url)
    store.add([*exchange(1, caller_name="nightly"), shadow_record(id="req_0001"), record()])
    with queries(store) as sent:
        collect_report_input(store, milliseconds_of(moment(0)), milliseconds_of(moment(60)), caller)
    finds, scans_sums, scans_records = MARKS[store.engine.dialect.name]
    with store.engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # which otherwise scans what is on one page
            connection.exec_driver_sql("SET enable_seqscan = off")
        plans = [(plan(connection, *each), each[0]) for each in sent]
    store.close()

    assert len(plans) > 10
    for found, statement in plans:
        assert scans_sums not in found, statement
        assert scans_records not in found, statement
        if "FROM rollups" in statement:
            assert finds in found, statement
