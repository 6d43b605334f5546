"""With the text index a search finds what it finds without, and reads little for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from proxy.timestamps import DAY_MS, MINUTE_MS
from proxy.traffic import Content, TrafficRecord, open_store
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.queries import find, latest, unindexed_contents
from proxy.traffic.store.retention import Retention, prune
from proxy.traffic.store.row_mapping import milliseconds_of, moment_of
from proxy.traffic.store.schema import bodies, exchanges, text_blocks, text_postings
from proxy.traffic.store.store import Store
from proxy.traffic.store.tail import Tail
from proxy.traffic.store.text_index.blocks import delete_blocks
from proxy.traffic.store.text_index.build import BlockBuilder
from proxy.traffic.store.text_index.search import spans_with
from proxy.traffic.store.text_search import contains_text, texts_of_record
from tests.hypothesis_profiles import scaled
from tests.postgres import PASSWORD, Postgres
from tests.proxy.traffic.store.test_rollup_plans import plan, queries
from tests.record_factory import record
from tests.recorded_exchanges import exchange, ids, kept, moment, numbered

MIDNIGHT_MS = milliseconds_of(moment(0))
TOMORROW_MS = MIDNIGHT_MS + 2 * DAY_MS
EVERYTHING = 2**40
DAYS = count(1)
TEXTS = st.text("aAbB \n\"'\\%_*é漢ß\u017f\u212a\0", max_size=12)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    yield (opened := open_store(url))
    opened.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def common_store(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Store]:
    """One store for all examples of a law, each of which has a day of its own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('law') / 'traffic.db'}"
    else:
        url = request.getfixturevalue("server").new_database()
    yield (opened := open_store(url))
    opened.close()


def begun(store: Store, now_ms: int = TOMORROW_MS) -> BlockBuilder:
    with store.reading() as connection:
        block = BlockBuilder.next(connection, now_ms)
    assert block is not None
    return block


def read(store: Store, block: BlockBuilder) -> int:
    """Read all exchanges of a block, and return in how many steps."""
    steps = 0
    with store.engine.connect() as connection:
        while not block.is_read:
            block.read(connection)
            steps += 1
    return steps


def write(store: Store, block: BlockBuilder) -> bool:
    with store.writing() as connection:
        return block.write(connection)


def index(store: Store, now_ms: int = TOMORROW_MS) -> list[BlockBuilder]:
    """Build all blocks that are due."""
    built: list[BlockBuilder] = []
    while True:
        with store.reading() as connection:
            block = BlockBuilder.next(connection, now_ms)
        if block is None:
            return built
        read(store, block)
        assert write(store, block)
        built.append(block)


def blocks(store: Store) -> int:
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(text_blocks)).scalar_one()


def postings(store: Store) -> int:
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(text_postings)).scalar_one()


def uncovered(store: Store, wanted: str = "needle") -> int:
    return unindexed_contents(store, Filter(text=wanted), at_most=EVERYTHING)


@pytest.mark.thorough
@example(said=[["a b", "match"]], wanted='a" OR b*', is_indexed_first=True)
@example(said=[["NEAR(a b)"]], wanted="near(a", is_indexed_first=False)
@settings(max_examples=scaled(100))  # each makes a day, and PostgreSQL plans for all of them
@given(
    said=st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=1, max_size=4),
    wanted=TEXTS,
    is_indexed_first=st.booleans(),
)
def test_what_is_found_is_what_contains_the_text(
    common_store: Store, said: list[list[str]], wanted: str, is_indexed_first: bool
):
    day_ms = MIDNIGHT_MS + next(DAYS) * DAY_MS
    entries = [
        exchange(
            number,
            prompt=texts[0],
            completion=texts[-1],
            id=f"req_{day_ms}{number}",
            received=moment_of(day_ms + number),
        )
        for number, texts in enumerate(said)
    ]
    half = len(entries) // 2 if is_indexed_first else len(entries)
    common_store.add([each for entry in entries[:half] for each in entry])
    index(common_store, day_ms + 2 * DAY_MS)
    common_store.add([each for entry in entries[half:] for each in entry])

    filters = Filter(text=wanted, since=day_ms, until=day_ms + DAY_MS)
    expected = [
        entry[0].id
        for entry, texts in zip(entries, said, strict=True)
        if contains_text(wanted, [texts[0], texts[-1], "claude-2.1", *texts_of_record(entry[0])])
    ]
    assert [each.record.id for each in find(common_store, filters)] == expected
    assert [each.record.id for each in latest(common_store, filters, 99)] == expected


def test_covered_bodies_are_not_read_and_others_are(store: Store):
    store.add([*exchange(1, prompt="a Needle"), *exchange(2)])
    before = uncovered(store)
    index(store)
    covered = uncovered(store)
    store.add(exchange(3, prompt="a needle", received=moment_of(MIDNIGHT_MS + DAY_MS)))

    assert (before, covered, uncovered(store)) == (2, 0, 1)
    assert uncovered(store, "ne") == 3
    assert unindexed_contents(store, Filter(), at_most=9) == 0
    assert unindexed_contents(store, Filter(text="ne"), at_most=2) == 2
    assert ids(find(store, Filter(text="NEEDLE"))) == [1, 3]
    assert ids(latest(store, Filter(text="needle"), 1)) == [3]
    assert ids(find(store, Filter(text="ne", until=MIDNIGHT_MS + 1_500))) == [1]


def test_only_candidates_are_looked_up_and_by_an_index(store: Store):
    store.add([entry for n in range(50) for entry in exchange(n, prompt="a needle" * (n == 7))])
    index(store)
    with queries(store) as sent:
        found = ids(latest(store, Filter(text="needle"), 20))
    reading = [each for each in sent if "FROM exchanges" in each[0] or "FROM bodies" in each[0]]
    with store.engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # which otherwise scans what is on one page
            connection.exec_driver_sql("SET enable_seqscan = off")
        plans = [plan(connection, *each) for each in sent if "text_" in each[0]]
        plans += [plan(connection, *each) for each in reading]

    assert found == [7]
    assert len(reading) == 3  # of the time after the block, the candidate, and its bodies
    assert [found for found in plans if "SCAN" in found or "Seq Scan" in found] == []


def test_exchanges_of_a_block_that_come_late_are_found(store: Store):
    store.add([*exchange(1), *exchange(9)])
    index(store)
    [bare, content] = exchange(2, prompt="a needle")
    store.add([bare])
    without_bodies = ids(find(store, Filter(text="needle")))
    store.add([content])
    store.add(exchange(3, prompt="no such thing"))

    assert without_bodies == []
    assert ids(find(store, Filter(text="needle"))) == [2]
    assert blocks(store) == 1


def test_the_text_of_a_shadow_is_found_whether_it_came_before_its_block_or_after(store: Store):
    [early, *_], [late, *_] = pairs = exchange(1), exchange(2)
    store.add([*pairs[0], *pairs[1], said_by_shadow(early)])
    index(store)
    store.add([said_by_shadow(late)])

    assert ids(find(store, Filter(text="needle"))) == [1, 2]
    assert (blocks(store), uncovered(store)) == (1, 0)


def said_by_shadow(of: TrafficRecord) -> Content:
    bodies = (kept("shadow_back", {"completion": "a needle"}),)
    return Content(id=of.id, received=of.received, bodies=bodies)


def test_who_is_in_no_block_is_late_for_none(store: Store):
    store.add([*numbered(1), record(id="req_2", received=moment_of(MIDNIGHT_MS + DAY_MS))])
    index(store, TOMORROW_MS + DAY_MS)
    with store.writing() as connection:
        [oldest] = connection.execute(
            select(text_blocks.c.block).order_by(text_blocks.c.end_ms).limit(1)
        ).scalars()
        delete_blocks(connection, [oldest])
    early, later = (moment_of(MIDNIGHT_MS + day * DAY_MS) for day in (-9, 9))
    store.add([record(id="req_3", received=early), record(id="req_4", received=later)])
    with store.engine.connect() as connection:
        late = connection.execute(select(text_blocks.c.late)).scalars().all()

    assert late == [""]


def test_a_block_with_many_late_exchanges_is_built_anew(store: Store):
    store.add([*exchange(1), *exchange(900)])
    index(store)
    store.add(numbered(*range(100, 150), user_agent="a needle"))
    few = blocks(store)
    store.add(numbered(*range(200, 250), user_agent="a needle"))
    many = blocks(store), postings(store)

    assert (few, *many) == (1, 0, 0)
    assert len(index(store)) == 1
    assert len(ids(find(store, Filter(text="needle")))) == 100


def test_what_is_added_or_deleted_while_a_block_is_read_spoils_it(store: Store):
    store.add([*exchange(1), *exchange(5)])
    added_to = begun(store)
    read(store, added_to)
    store.add(exchange(3))
    deleted_from, emptied = begun(store), begun(store)
    read(store, deleted_from)
    with store.writing() as connection:
        connection.execute(delete(exchanges).where(exchanges.c.id == "req_0001"))
    read(store, emptied)
    first, second = begun(store), begun(store)
    read(store, first)
    read(store, second)

    assert [write(store, block) for block in (added_to, deleted_from, emptied)] == [False] * 3
    assert [write(store, block) for block in (first, second)] == [True, False]
    assert blocks(store) == 1


def test_days_are_indexed_from_the_newest_and_today_when_there_is_enough(store: Store):
    for day in (0, 2, 7):
        store.add([record(id=f"req_{day}", received=moment_of(MIDNIGHT_MS + day * DAY_MS))])
    newest, oldest = index(store, MIDNIGHT_MS + 7 * DAY_MS + 60 * MINUTE_MS)

    # Days without an exchange are covered by the block after them.
    assert (newest.begin_ms, newest.end_ms) == (MIDNIGHT_MS + 1, MIDNIGHT_MS + 3 * DAY_MS)
    assert oldest.begin_ms < 0
    assert oldest.end_ms == MIDNIGHT_MS + 1


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_a_block_has_room_for_so_many_and_for_all_of_the_same_time(store: Store):
    same = [record(id=f"req_{n:04}", received=moment(7)) for n in range(1_030)]
    store.add([*numbered(5_000), *same, *numbered(*range(6_000, 7_030))])
    found = index(store, MIDNIGHT_MS + 8_000 * 1_000 + 5 * MINUTE_MS)

    assert [milliseconds_of(moment(second)) for second in (7, 7_023)] == [
        found[0].end_ms - 1,
        found[1].end_ms,
    ]
    assert len(ids(find(store, Filter(text="claude")))) == 2_061


def test_large_bodies_fill_a_block_sooner(store: Store):
    store.add([entry for n in (1, 2, 3) for entry in exchange(n, prompt="a needle")])
    with store.writing() as connection:
        connection.execute(update(bodies).values(size=10 * 1024 * 1024))

    assert len(index(store)) == 3
    assert ids(find(store, Filter(text="needle"))) == [1, 2, 3]


def test_a_block_that_is_deleted_during_a_search_is_read_as_a_whole(store: Store):
    store.add(exchange(1, prompt="no such thing"))
    index(store)
    spans = spans_with(store.engine, "needle", None, None, newest_first=True)
    after = next(spans)
    with store.writing() as connection:
        delete_blocks(connection, [1])

    assert [after.among, *(span.among for span in spans)] == [None, None]


def test_a_search_does_not_take_a_new_block_for_one_that_was_deleted(store: Store):
    store.add(exchange(1, prompt="a needle"))
    index(store)
    spans = spans_with(store.engine, "needle", None, None, newest_first=True)
    next(spans)
    with store.writing() as connection:
        delete_blocks(connection, [1])
    store.add([record(id="req_9", received=moment_of(MIDNIGHT_MS + 5 * DAY_MS))])
    later = begun(store, MIDNIGHT_MS + 9 * DAY_MS)
    read(store, later)
    write(store, later)

    assert [(span.end_ms, span.among) for span in spans] == [(MIDNIGHT_MS + DAY_MS, None)]


@pytest.mark.parametrize("damage", [b"no zstd", b""])
def test_where_the_index_is_damaged_everything_is_read(store: Store, damage: bytes):
    store.add([*exchange(1, prompt="a needle"), *exchange(2)])
    index(store)
    with store.writing() as connection:
        connection.execute(update(text_postings).values(postings=damage))

    assert ids(find(store, Filter(text="needle"))) == [1]
    with store.writing() as connection:
        connection.execute(update(text_blocks).values(ids=damage))
    assert ids(find(store, Filter(text="needle"))) == [1]


@pytest.mark.parametrize("table", [text_blocks, text_postings])
def test_a_deleted_table_is_made_anew_when_the_store_is_opened(url: str, table):
    store = open_store(url)
    store.add([*exchange(1, prompt="a needle"), *exchange(2)])
    index(store)
    with store.writing() as connection:
        table.drop(connection)
    unindexed = ids(find(store, Filter(text="needle")))
    store.close()
    store = open_store(url)

    assert unindexed == [1]
    assert (blocks(store), postings(store)) == (0, 0)
    assert ids(find(store, Filter(text="needle"))) == [1]
    assert len(index(store)) == 1
    store.close()


def test_blocks_of_an_earlier_version_are_built_anew_and_of_a_later_one_not_read(url: str):
    store = open_store(url)
    store.add(exchange(1, prompt="a needle"))
    index(store)
    with store.writing() as connection:
        connection.execute(update(text_blocks).values(version=99))
    of_later = uncovered(store), index(store)
    with store.writing() as connection:
        connection.execute(update(text_blocks).values(version=0))
    store.close()
    store = open_store(url)

    assert of_later == (1, [])
    assert (blocks(store), postings(store)) == (0, 0)
    store.close()


def test_the_index_goes_with_the_bodies_and_records_have_one_of_their_own(store: Store):
    for day in (1, 5):
        received = moment_of(MIDNIGHT_MS + day * DAY_MS)
        store.add(exchange(0, prompt="a needle", id=f"req_{day}", received=received))
    now_ms = MIDNIGHT_MS + 7 * DAY_MS
    before = len(index(store, now_ms)), postings(store)
    prune(store, now_ms=now_ms, retention=Retention(content_days=4, days=90), max_bytes=0)
    of_bodies = blocks(store), postings(store)
    rebuilt = index(store, now_ms)
    prune(store, now_ms=now_ms, retention=Retention(content_days=4, days=4), max_bytes=0)

    assert before[0] == 2
    assert of_bodies[0] == 1
    assert of_bodies[1] < before[1]
    assert len(rebuilt) == 1
    assert blocks(store) == 1
    assert ids_of(store, "needle") == ["req_5"]


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_the_index_counts_as_space_and_goes_when_there_is_too_little(store: Store):
    for n in range(20):
        received = moment_of(MIDNIGHT_MS + n * DAY_MS)
        store.add(exchange(0, prompt="a needle", id=f"req_{n}", received=received))
    now_ms = MIDNIGHT_MS + 40 * DAY_MS
    index(store, now_ms)
    while not prune(store, now_ms=now_ms, retention=Retention(), max_bytes=1).is_done:
        pass

    assert (blocks(store), postings(store)) == (0, 0)


def test_who_follows_finds_texts_of_before_and_of_what_comes(store: Store):
    store.add([*exchange(1, prompt="a needle"), *exchange(2)])
    index(store)
    tail = Tail(store, Filter(text="needle"))
    store.add(exchange(3, prompt="a needle"))

    assert ids(tail.earlier(9)) == [1]
    assert ids(tail.poll()) == [3]


def test_who_may_not_read_the_index_searches_without(server: Postgres):
    url = server.new_database()
    store = open_store(url)
    store.add([*exchange(1, prompt="a needle"), *exchange(2)])
    index(store)
    store.close()
    database = url.rpartition("/")[2]
    name = f"text_reader_of_{database}"
    server.execute(
        database,
        f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT SELECT ON exchanges, bodies, holdover_version TO {name}",
    )
    reader = open_store(server.url(database, user=name), read_only=True)

    assert uncovered(reader) == 2
    assert ids(find(reader, Filter(text="needle"))) == [1]
    reader.close()


def ids_of(store: Store, wanted: str) -> list[str]:
    return [each.record.id for each in find(store, Filter(text=wanted))]
