"""On PostgreSQL, with as many rows as a planner believes in, nobody who reads scans a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from proxy.timestamps import DAY_MS
from proxy.traffic import open_store
from proxy.traffic.store.aggregates import ExampleKey
from proxy.traffic.store.asked import asked_since, requests_of
from proxy.traffic.store.days import KINDS, days_of, pages_of
from proxy.traffic.store.examples import adjustments_of_exchanges, example_of
from proxy.traffic.store.filter_options import filter_of
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.partitions import make_days
from proxy.traffic.store.queries import (
    bodies_of,
    find_by_id,
    has_contents_of,
    latest,
    latest_of_caller,
    names_in,
    page_before,
    shadows_of,
    unindexed_contents,
)
from proxy.traffic.store.replay_results import ReplayStore
from proxy.traffic.store.retention import Retention, prune
from proxy.traffic.store.rollups.build import begin_rebuild, build_step
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.rule_traffic import newest_requests
from proxy.traffic.store.schema import text_blocks
from proxy.traffic.store.shadow_queries import latest_shadows, shadowed_exchanges
from proxy.traffic.store.store import Store
from proxy.traffic.store.tail import Tail
from proxy.traffic.store.text_index.build import BlockBuilder
from proxy.traffic.store.text_index.search import Span
from tests.proxy.traffic.store.test_rollup_plans import plan, queries
from tests.record_factory import shadow_record
from tests.recorded_exchanges import exchange, moment

pytestmark = pytest.mark.without_coverage

DAYS, A_DAY = 5, 4_000
BEGIN_MS = milliseconds_of(moment(0)) // DAY_MS * DAY_MS
NOW_MS = BEGIN_MS + DAYS * DAY_MS
DAY = re.compile(r"exchanges_\d+\b(?! exchanges_)")
SCAN = re.compile(r"Seq Scan on (exchanges|bodies)_\d+")
COPIES = f"""
INSERT INTO {{table}} ({{names}})
SELECT {{values}} FROM (SELECT * FROM {{table}}) AS one, generate_series(1, {DAYS * A_DAY}) AS n
"""  # noqa: S608
MADE = '[{"kind":"drop_top_k","field":"top_k","asked":"5","sent":""}]'
CHANGED = {
    "id": "'req_' || md5(n::text)",
    "exchange_id": "'req_' || md5(n::text)",
    "request_id": "'req_' || md5((-n)::text)",
    "received_ms": f"{BEGIN_MS} + n * ({DAYS} * {DAY_MS}::bigint / ({DAYS * A_DAY} + 1))",
    "caller_name": "'caller ' || n % 100",
    "route": "CASE n % 3 WHEN 0 THEN 'forward' ELSE 'translate' END",
    "features": "CASE n % 3 WHEN 0 THEN '[\"system\"]' ELSE '[]' END",
    "adjustments": f"CASE n % 9 WHEN 0 THEN '{MADE}' ELSE '[]' END",
    "sdk": "CASE n % 3 WHEN 0 THEN 'anthropic-python 0.2' END",
    "rule": "CASE n % 50 WHEN 0 THEN 'rule' END",
    "status": "CASE n % 100 WHEN 0 THEN 429 ELSE 200 END",
    "outcome": "CASE n % 100 WHEN 0 THEN 'upstream_error' ELSE 'answered' END",
}


@pytest.fixture(scope="module")
def store(server) -> Iterator[Store]:
    """Some days of records with their bodies, made of one."""
    opened = open_store(server.new_database())
    opened.add([*exchange(1), shadow_record(id="req_0001")])
    with opened.writing() as connection:
        make_days(connection, range(BEGIN_MS // DAY_MS, NOW_MS // DAY_MS))
        for table in ("exchanges", "bodies"):
            columns = connection.execute(text(f"SELECT * FROM {table}")).keys()  # noqa: S608
            names = [name for name in columns if name != "seq"]
            values = ", ".join(CHANGED.get(name, name) for name in names)
            copies = COPIES.format(table=table, names=", ".join(names), values=values)
            connection.exec_driver_sql(copies.replace("%", "%%"))
    with opened.writing() as connection:
        block = BlockBuilder.next(connection, NOW_MS + DAY_MS)
        assert block is not None
        while not block.is_read:
            block.read(connection)
        assert block.write(connection)
    with opened.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    yield opened
    opened.close()


def logged(**options: str) -> Callable[[Store], object]:
    return lambda store: latest(store, filter_of(options, datetime.now(UTC)), 50)


def searched(store: Store) -> None:
    """Search what the text index covers for a text that one exchange has."""
    with store.engine.connect() as connection:
        covered = select(text_blocks.c.begin_ms, text_blocks.c.end_ms)
        since, until = connection.execute(covered).one()
    span = Filter(since=since, until=until)
    [wanted] = latest(store, span, 1)
    text = wanted.record.request_id.upper()
    assert latest(store, replace(span, text=text), 50) == [wanted]


def one(store: Store) -> str:
    return latest(store, Filter(), 1)[0].record.id


def replay(**wanted: str | int) -> Callable[[Store], object]:
    def read(store: Store) -> None:
        replayed = ReplayStore(store, "r", Filter(**wanted), limit=20)  # type: ignore[arg-type]
        replayed.plan()
        list(replayed.remaining())
        list(replayed.pages())

    return read


def exported(store: Store) -> None:
    for kind in KINDS:
        for day in days_of(store, kind, BEGIN_MS, BEGIN_MS + 2 * DAY_MS):
            list(pages_of(store, day))


def shown(store: Store) -> None:
    record = find_by_id(store, one(store), 20)[0]
    for name in (record.request_id, record.id[:20], "req_nothing"):
        find_by_id(store, name, 20)
    bodies_of(store, record)
    shadows_of(store, record.id)


def followed(store: Store) -> None:
    tail = Tail(store, Filter(caller="caller 7"))
    list(tail.earlier(10))
    list(tail.poll())


def rebuilt(store: Store) -> None:
    with store.writing() as connection:
        begin_rebuild(connection)
        build_step(connection)
        connection.rollback()


def exemplified(store: Store) -> None:
    [found] = latest(store, Filter(), 1)
    key = ExampleKey(found.record.id, milliseconds_of(found.record.received))
    example_of(store, key)
    adjustments_of_exchanges(store, [key, ExampleKey("req_0001", BEGIN_MS)])


def paged(store: Store) -> None:
    """Turn two pages of the console's list of exchanges."""
    page = page_before(store, Filter(caller="caller 7"), None, 20)
    assert page.older is not None
    page_before(store, Filter(caller="caller 7"), page.older, 20)


def of_caller(store: Store) -> None:
    whole, day = Span(None, None), Span(BEGIN_MS + DAY_MS, BEGIN_MS + 2 * DAY_MS)
    assert len(latest_of_caller(store, "caller 7", ["0123"], whole, 10)) == 10
    latest_of_caller(store, "caller 7", [], day, 10)


def watched(store: Store) -> None:
    """Read what the console's pages on rules and shadows read of records."""
    newest = newest_requests(store, NOW_MS - DAY_MS, 1_000, ["asked_model", "user_agent"])
    assert newest.has_more
    seen = latest_shadows(store, BEGIN_MS, 100)
    assert len(shadowed_exchanges(store, seen)) == 1


def migrated(store: Store) -> None:
    asked = list(asked_since(store, NOW_MS - DAY_MS))
    assert len(asked) > A_DAY // 2
    list(requests_of(store, [each.key for each in asked[:10]]))


READERS: dict[str, Callable[[Store], object]] = {
    "log": logged(),
    "log --caller": logged(caller="caller 7"),
    "log --caller of a digest": logged(caller="0123"),
    "log --model": logged(model="claude-2*"),
    "log --adjustment": logged(adjustment="drop_top_k"),
    "log --status error": logged(status="error"),
    "log --status 429": logged(status="429"),
    "log --status 4xx": logged(status="4xx"),
    "log --status ok": logged(status="ok"),
    "log --rule": logged(rule="rule"),
    "log --route": logged(route="forward"),
    "log --feature": logged(feature="system"),
    "log --sdk": logged(sdk="anthropic-python"),
    "log --since": logged(since="2026-11-24T00:00:00Z", until="2026-11-25T00:00:00Z"),
    "log --text": logged(text="Hello"),
    "log --text with an index": searched,
    "log --text asks how much there is": lambda store: unindexed_contents(
        store, Filter(text="Hello"), 1_000
    ),
    "log --text finds contents": lambda store: has_contents_of(store, Filter(text="Hello")),
    "log --follow": followed,
    "names that were meant": lambda store: (
        names_in(store, "rule"),
        names_in(store, "caller_name"),
    ),
    "show": shown,
    "examples of a report": exemplified,
    "console: exchanges": paged,
    "console: a caller": of_caller,
    "console: rules and shadows": watched,
    "migrate": migrated,
    "replay": replay(),
    "replay of a caller": replay(caller="caller 7"),
    "replay of a day": replay(since=BEGIN_MS + DAY_MS, until=BEGIN_MS + 2 * DAY_MS),
    "export": exported,
    "rebuild": rebuilt,
    "retention": lambda store: prune(
        store, now_ms=NOW_MS, retention=Retention(days=DAYS + 1), max_bytes=2**40
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("reader", READERS)
def test_no_day_is_read_row_by_row(store: Store, reader: str):
    with queries(store) as sent:
        READERS[reader](store)
    with store.engine.connect() as connection:
        plans = {statement: plan(connection, statement, given) for statement, given in sent}

    # Of what is counted, every row is read: but only of the days that are asked for.
    counts = [found for sent, found in plans.items() if sent.startswith("SELECT count(")]
    read = {sent: found for sent, found in plans.items() if found not in counts}
    assert {sent: found for sent, found in read.items() if SCAN.search(found)} == {}
    if reader == "replay of a day":
        assert counts
        assert {day for found in counts for day in DAY.findall(found)} == {"exchanges_20261124"}
