"""
How long a report over 90 days takes, how fast records are loaded, and what both cost on disk.

    uv run python -m tests.benchmarks.traffic                             # 1,000,000 records
    uv run python -m tests.benchmarks.traffic --records 100000000 --sample 200000
    uv run python -m tests.benchmarks.traffic --url postgresql://user:password@host/database

Records are put straight into an empty store, in the loader's batches, each day's within twenty
minutes, and compacted day by day. With `--sample`, only so many are; the sums are scaled to
`--records`, because a report reads nothing else. Loading without sums is measured on the last day.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import delete, func, select, update

from proxy.report.build import build_report
from proxy.report.callers import ReportSettings
from proxy.report.collect import collect_report_input
from proxy.timestamps import DAY_MS, MINUTE_MS
from proxy.traffic import TrafficRecord, default_url, open_store
from proxy.traffic.store.disk_usage import size_of
from proxy.traffic.store.insertion import insert_if_all_are_new
from proxy.traffic.store.partitions import make_days
from proxy.traffic.store.retention import compact
from proxy.traffic.store.row_mapping import moment_of, row_of_exchange
from proxy.traffic.store.schema import exchanges, rollup_days, rollup_groups, rollups
from proxy.traffic.store.store import Store
from tests.record_factory import record
from translators import Policy

DAYS: Final = 90
CALLERS: Final = 40
BEGIN_MS: Final = 20_000 * DAY_MS
END_MS: Final = BEGIN_MS + DAYS * DAY_MS
BUSY_MS: Final = 20 * MINUTE_MS
MODELS: Final = ("claude-2.1", "claude-2.0", "claude-instant-1.2")
FEATURES: Final = ((), ("system",), ("system", "custom_stops"))


def records_of(day: int, count: int) -> Iterator[TrafficRecord]:
    dice = random.Random(day)  # noqa: S311 - nothing secret
    for number in range(count):
        caller = min(int(dice.expovariate(0.15)), CALLERS - 1)
        failed = {"status": 529, "error_type": "overloaded_error"} if dice.random() < 0.01 else {}
        yield record(
            id=f"req_{day:04}{number:020}",
            received=moment_of(BEGIN_MS + day * DAY_MS + number * BUSY_MS // count),
            caller_name=f"caller {caller}",
            asked_model=MODELS[caller % 3],
            features=dice.choice(FEATURES),
            streamed=dice.random() < 0.5,
            first_token_ms=dice.lognormvariate(5.5, 0.7),
            first_byte_ms=dice.lognormvariate(5.6, 0.7),
            total_ms=dice.lognormvariate(8, 0.9),
            **failed,
        )


def load(store: Store, count: int) -> float:
    """Load so many records a day, compacting as the loader does; return records per second."""
    seconds = 0.0
    for day in range(DAYS):
        entries = list(records_of(day, count))
        began = time.perf_counter()
        for start in range(0, count, store.batch_entries):
            store.add(entries[start : start + store.batch_entries])
        seconds += time.perf_counter() - began
        while not compact(store, now_ms=BEGIN_MS + (day + 1) * DAY_MS, most_steps=100):
            pass
    return DAYS * count / seconds


def load_without_sums(store: Store, count: int) -> float:
    """Load a day's records into `exchanges` alone; return records per second."""
    entries = list(records_of(DAYS, count))
    with store.writing() as connection:
        make_days(connection, [END_MS // DAY_MS])
    began = time.perf_counter()
    for start in range(0, count, store.batch_entries):
        rows = [row_of_exchange(each) for each in entries[start : start + store.batch_entries]]
        with store.writing() as connection:
            insert_if_all_are_new(connection, exchanges, rows)
    seconds = time.perf_counter() - began
    with store.writing() as connection:
        connection.execute(delete(exchanges).where(exchanges.c.received_ms >= END_MS))
    return count / seconds


def report_seconds(store: Store) -> tuple[float, int]:
    """Return the least time of three reports, and the exchanges in them."""
    settings = ReportSettings(policy=Policy(), prices={}, today=moment_of(END_MS)[:10])
    times: list[float] = []
    exchanges_counted = 0
    for _ in range(3):
        began = time.perf_counter()
        report = build_report(collect_report_input(store, BEGIN_MS, END_MS, None), settings, END_MS)
        times.append(time.perf_counter() - began)
        exchanges_counted = report.totals.exchanges
    return min(times), exchanges_counted


def measure(store: Store, count: int, sample: int) -> None:
    a_day = max(sample // DAYS, 1)
    print(f"{load_without_sums(store, a_day):10,.0f} records/s loaded without sums")
    print(f"{load(store, a_day):10,.0f} records/s loaded with sums")
    if count > sample:
        with store.writing() as connection:
            scale = count // sample
            connection.execute(update(rollups).values(exchanges=rollups.c.exchanges * scale))
            days = update(rollup_days)
            connection.execute(days.values(exchanges=rollup_days.c.exchanges * scale))
    whole = size_of(store.engine, at_least=2**60)
    with store.engine.connect() as connection:
        rows = connection.execute(select(func.count()).select_from(rollups)).scalar_one()
    seconds, exchanges_counted = report_seconds(store)
    print(f"{seconds:10.2f} s for a report over {DAYS} days of {exchanges_counted:,} exchanges")
    with store.writing() as connection:
        connection.execute(delete(rollups))
        connection.execute(delete(rollup_groups))
    of_sums = whole - size_of(store.engine, at_least=2**60)
    print(f"{(whole - of_sums) / (a_day * DAYS):10,.0f} bytes per record")
    if store.engine.dialect.name == "sqlite":
        print(f"{of_sums / rows:10,.0f} bytes per row of sums, of which there are {rows:,}")


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.benchmarks.traffic", description=__doc__)
    asked.add_argument("--records", type=int, default=1_000_000)
    asked.add_argument("--sample", type=int, help="put only so many into the store")
    asked.add_argument("--url", help="of an empty store; default: SQLite in a temporary directory")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(given.url or default_url(Path(directory)))
        measure(store, given.records, given.sample or given.records)
        store.close()


if __name__ == "__main__":
    main()
