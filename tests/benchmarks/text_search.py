"""
How long `holdover log --text` takes for a text that few exchanges have, with and without an index.

    uv run python -m tests.benchmarks.text_search                         # 25,000 exchanges
    uv run python -m tests.benchmarks.text_search --exchanges 250000
    uv run python -m tests.benchmarks.text_search --url postgresql://user:password@host/database

Exchanges have four bodies each, of English prose, and are put straight into an empty store, in the
loader's batches, one every two seconds. The index is built as the loader builds it.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Final

from proxy.timestamps import DAY_MS
from proxy.traffic import Body, Content, TrafficRecord, compress, default_url, open_store
from proxy.traffic.store.disk_usage import size_of
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.queries import find, latest
from proxy.traffic.store.row_mapping import moment_of
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_index.build import BlockBuilder
from tests.record_factory import record

BATCH: Final = 250
BEGIN_MS: Final = 20_000 * DAY_MS
STEP_MS: Final = 2_000
RARE: Final = "the unheard-of Zanzibar clause"
EVERY: Final = 5_000
"""One in so many exchanges has the rare text."""


def entries(count: int) -> Iterator[list[TrafficRecord | Content]]:
    dice = random.Random(1)  # noqa: S311 - nothing secret
    prose = " ".join(topics.values()).split()

    def piece(least: int, most: int) -> str:
        length = dice.randint(least, most)
        start = dice.randrange(len(prose) - length)
        return " ".join(prose[start : start + length])

    for number in range(count):
        asked, answer = piece(300, 500), piece(60, 200)
        if number % EVERY == EVERY // 2:
            asked += f" {RARE}"
        received = moment_of(BEGIN_MS + number * STEP_MS)
        exchange = record(id=f"req_{dice.getrandbits(96):024x}", received=received)
        said = {
            "legacy_in": {"model": "claude-2.1", "prompt": f"\n\nHuman: {asked}\n\nAssistant:"},
            "messages_out": {"messages": [{"role": "user", "content": asked}]},
            "messages_back": {"content": [{"type": "text", "text": answer}]},
            "legacy_back": {"completion": f" {answer}", "stop_reason": "stop_sequence"},
        }
        bodies = tuple(
            Body(part=part, size=len(raw), digest="0" * 16, data=compress(raw), timing=None)
            for part, value in said.items()
            if (raw := json.dumps(value).encode())
        )
        yield [exchange, Content(id=exchange.id, received=received, bodies=bodies)]


def load(store: Store, count: int) -> float:
    """Return exchanges per second."""
    seconds = 0.0
    batch: list[TrafficRecord | Content] = []
    for number, some in enumerate(entries(count), start=1):
        batch += some
        if len(batch) >= BATCH or number == count:
            began = time.perf_counter()
            store.add(batch)
            seconds += time.perf_counter() - began
            batch.clear()
    return count / seconds


def build(store: Store, now_ms: int) -> tuple[float, float]:
    """Return the seconds for all blocks, and for the transactions that they are written in."""
    began, writing = time.perf_counter(), 0.0
    while True:
        with store.reading() as connection:
            block = BlockBuilder.next(connection, now_ms)
            if block is None:
                return time.perf_counter() - began, writing
            while not block.is_read:
                block.read(connection)
        before = time.perf_counter()
        with store.writing() as connection:
            block.write(connection)
        writing += time.perf_counter() - before


def search(store: Store, label: str) -> None:
    for what, wanted, limit in (
        ("rare, all", RARE, 0),
        ("rare, 1", RARE, 1),
        ("absent", "nobody says this", 20),
        ("in the record", "python-requests/9.9", 20),
        ("common, 20", "object", 20),
    ):
        began, used = time.perf_counter(), time.process_time()
        wanted_text = Filter(text=wanted)
        found = latest(store, wanted_text, limit) if limit else list(find(store, wanted_text))
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        print(f"{seconds:10.2f} s ({cpu:.2f} s of CPU) for {what} {label}: {len(found)} found")


def measure(store: Store, count: int) -> None:
    print(f"{load(store, count):10,.0f} exchanges/s loaded")
    before = size_of(store.engine, at_least=2**60)
    print(f"{before / count:10,.0f} bytes per exchange with its record and bodies")
    search(store, "without index")
    seconds, writing = build(store, BEGIN_MS + (count * STEP_MS // DAY_MS + 2) * DAY_MS)
    each, writing_each = (1000 * total / count for total in (seconds, writing))
    print(f"{each:10.2f} ms per exchange to index, {writing_each:.2f} of it to write")
    index = size_of(store.engine, at_least=2**60) - before
    print(f"{index / count:10,.0f} bytes of index per exchange")
    search(store, "with index")


def main() -> None:
    asked = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.text_search", description=__doc__
    )
    asked.add_argument("--exchanges", type=int, default=25_000)
    asked.add_argument("--url", help="of an empty store; default: SQLite in a temporary directory")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(given.url or default_url(Path(directory)))
        measure(store, given.exchanges)
        store.close()


if __name__ == "__main__":
    main()
