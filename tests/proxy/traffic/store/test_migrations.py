"""What was recorded by an older version is there after the upgrade, whichever version that was."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, inspect, select, text

from proxy.errors import Blame
from proxy.outcome import outcome_of_old_record
from proxy.timestamps import DAY_MS
from proxy.traffic import StoreError, open_store
from proxy.traffic.store import migrations
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.migrations import REVISIONS, VERSION_TABLE
from proxy.traffic.store.partitions import make_days
from proxy.traffic.store.queries import find
from proxy.traffic.store.row_mapping import row_of_exchange, row_of_shadow, rows_of_content
from proxy.traffic.store.schema import (
    bodies,
    exchanges,
    metadata,
    replays,
    rollup_days,
    shadows,
    shared_notes,
)
from proxy.traffic.store.store import Store
from tests.older_store import join_days, remove_rollups, remove_text_index
from tests.record_factory import content, record, shadow_record

pytestmark = pytest.mark.without_coverage

ROWS = {
    exchanges: row_of_exchange(record()),
    shadows: row_of_shadow(shadow_record()),
    bodies: rows_of_content(content())[0],
    replays: {"replay": "r", "exchange_id": "req_1", "done_ms": 1},
}


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def downdate(engine: Engine, revision: str) -> None:
    """Take away what is newer than this revision, and put a row into what is left."""
    exchange = dict(ROWS[exchanges])
    with engine.begin() as connection:
        if revision < "0007":
            remove_rollups(connection)
        elif revision < "0008":
            join_days(connection)
        else:
            rollup_days.drop(connection)
            if revision < "0010":
                shared_notes.drop(connection)
            if revision < "0009":
                remove_text_index(connection)
            make_days(connection, [exchange["received_ms"] // DAY_MS])
        for table in list(ROWS)[REVISIONS.index(revision) + 1 :]:
            table.drop(connection)
        if revision < "0005":
            connection.execute(text("ALTER TABLE exchanges DROP COLUMN shape"))
            del exchange["shape"]
        if revision < "0006":
            connection.execute(text("ALTER TABLE exchanges DROP COLUMN outcome"))
            del exchange["outcome"]
        connection.execute(text("UPDATE holdover_version SET version_num = :it"), {"it": revision})
        for table in list(ROWS)[: REVISIONS.index(revision) + 1]:
            connection.execute(insert(table), exchange if table is exchanges else ROWS[table])


def counts(store: Store) -> list[int]:
    with store.engine.connect() as connection:
        return [len(connection.execute(select(table)).all()) for table in ROWS]


def is_compared(name: str | None, kind: str, _: object) -> bool:
    """Days are tables, too, and in no schema."""
    return kind != "table" or name in metadata.tables


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        opts = {"version_table": VERSION_TABLE, "include_name": is_compared}
        if connection.dialect.name == "postgresql":
            # The schema has the keys and indexes of SQLite; test_partitions has those of days.
            opts["include_object"] = lambda _, __, kind, *___: kind in {"table", "column"}
        context = MigrationContext.configure(connection, opts=opts)
        found: list[object] = compare_metadata(context, metadata)
        return found


def test_the_migrations_lead_to_the_schema(url):
    store = open_store(url)

    assert differences(store.engine) == []
    store.close()


def test_the_revisions_are_those_that_there_are_in_their_order():
    script = ScriptDirectory.from_config(alembic_config())

    assert [each.revision for each in script.walk_revisions()][::-1] == list(REVISIONS)


@pytest.mark.thorough
@pytest.mark.one_in(3)
@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_what_an_older_version_has_recorded_stays(url, revision: str):
    older = open_store(url)
    downdate(older.engine, revision)
    older.close()
    store = open_store(url)

    kept = min(REVISIONS.index(revision) + 1, len(ROWS))
    assert counts(store) == [1] * kept + [0] * (len(ROWS) - kept)
    assert differences(store.engine) == []
    store.close()


def test_rows_of_before_there_were_outcomes_get_the_one_that_they_had(url):
    facts: list[dict[str, Any]] = [
        {"route": route, "status": status, "error_type": kind, "blame": blame, "client_gone": gone}
        for route, status, kind, blame, gone in product(
            (None, "translate", "refuse"),
            (None, 200, 401, 503),
            (None, "api_error"),
            Blame,
            (False, True),
        )
    ]
    older = open_store(url)
    older.add(record(id=f"{n}", **each) for n, each in enumerate(facts))
    with older.engine.begin() as connection:
        remove_rollups(connection)
        connection.execute(text("ALTER TABLE exchanges DROP COLUMN outcome"))
        connection.execute(text("UPDATE holdover_version SET version_num = '0005'"))
    older.close()
    store = open_store(url)

    outcomes = {each.record.id: each.record.outcome for each in find(store, Filter())}
    store.close()
    assert outcomes == {f"{n}": outcome_of_old_record(**each) for n, each in enumerate(facts)}


def test_many_may_open_a_new_store_at_once(url):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: open_store(url), range(8)))
    stores[0].add([record()])

    assert [counts(store)[0] for store in stores] == [1] * 8
    for store in stores:
        store.close()


def test_a_store_of_a_newer_version_is_left_alone(url):
    store = open_store(url)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE holdover_version SET version_num = '9999'"))
    store.close()

    for read_only in (False, True):
        with pytest.raises(StoreError, match="is at revision '9999'") as told:
            open_store(url, read_only=read_only)
        assert not told.value.may_pass


@pytest.mark.measured
def test_an_upgrade_that_fails_leaves_the_store_as_it_was(url):
    store = open_store(url)
    downdate(store.engine, "0002")
    with store.engine.begin() as connection:
        connection.execute(text("CREATE TABLE replays (somebodys INTEGER)"))  # in the way of 0004
    store.close()
    with pytest.raises(StoreError, match="replays"):
        open_store(url)
    with store.engine.connect() as connection:
        there = inspect(connection).has_table("bodies")  # 0003 went well
        revision = connection.execute(text("SELECT version_num FROM holdover_version")).scalar()
    store.close()

    assert (there, revision) == (False, "0002")


def test_an_older_store_cannot_be_read_only(url):
    store = open_store(url)
    downdate(store.engine, "0003")
    store.close()

    with pytest.raises(StoreError, match="is empty or from an older version"):
        open_store(url, read_only=True)
