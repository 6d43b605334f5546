"""What a replay asks of the store: what is left, what it takes, what came of the rest."""

from typing import Any

import pytest

from proxy.traffic import Content, ReadOnlyStoreError, open_store
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.replay_results import ReplayResult, ReplayStore
from proxy.traffic.store.store import Store
from tests.ready_store import open_ready
from tests.record_factory import record
from tests.recorded_exchanges import exchange, kept, moment

pytestmark = pytest.mark.without_coverage


@pytest.fixture
def store(url):
    opened = open_ready(url)
    yield opened
    opened.close()


def replay(
    store: Store, name: str = "r", *, limit: int | None = None, **wanted: Any
) -> ReplayStore:
    return ReplayStore(store, name, Filter(**wanted), limit)


def ids(replay: ReplayStore) -> list[str]:
    return [recorded.record.id for page in replay.pages() for recorded in page]


def left_ids(replay: ReplayStore) -> list[str]:
    return [left.record.id for left in replay.remaining()]


def result(number: int, failure: str | None = None, **fields: Any) -> ReplayResult:
    compared = None if failure else {"similarity": number / 10_000}
    plain = {"id": f"req_{number:04}", "failure": failure, "comparison": compared, "tokens": 5.0}
    return ReplayResult(**(plain | fields))


def test_what_was_said_comes_back_newest_first_over_any_number_of_pages(store):
    for number in range(40):
        store.add(exchange(number, f" No {number}"))

    [first, *_], *_ = pages = list(replay(store).pages())
    assert [r.record.id for page in pages for r in page] == [
        f"req_{n:04}" for n in range(39, -1, -1)
    ]
    assert max(map(len, pages)) < 40
    assert first.record == exchange(39)[0]
    assert b'"prompt": "\\n\\nHuman: Hello' in first.texts()[0]
    assert b" No 39" in first.texts()[1]
    assert first.tokens == 20


def test_exchanges_of_one_millisecond_are_all_there_once(store):
    for number in range(20):
        store.add(exchange(number, received=moment(0)))

    assert sorted(ids(replay(store))) == [f"req_{number:04}" for number in range(20)]


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [3, 2, 1]),
        ({"since": 1795392002000}, [3, 2]),
        ({"until": 1795392002000}, [1]),
        ({"caller": "batch"}, [2]),
        ({"caller": "01234"}, [3, 2]),
        ({"caller": "nobody"}, []),
        ({"limit": 2}, [3, 2]),
        ({"limit": 0}, []),
    ],
)
def test_only_what_is_wanted_is_asked_for(store, wanted, numbers):
    store.add(exchange(1, caller=None))
    store.add(exchange(2, caller_name="batch"))
    store.add(exchange(3))

    assert ids(replay(store, **wanted)) == [f"req_{number:04}" for number in numbers]
    assert left_ids(replay(store, **wanted)) == ids(replay(store, **wanted))


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "fields",
    [
        {"status": 529},
        {"status": None, "client_gone": True},
        {"error_type": "overloaded_error"},
        {"failure": "The connection to the upstream broke off."},
        {"client_gone": True},
    ],
)
def test_what_came_to_no_whole_answer_has_nothing_to_compare_with(store, fields):
    store.add(exchange(1, **fields))

    found = replay(store).plan()
    assert ids(replay(store)) == []
    assert (found.exchanges, found.unanswered, found.without_content) == (1, 1, 0)


@pytest.mark.parametrize(
    "parts",
    [[], ["legacy_in"], ["legacy_back"], ["messages_out"], ["legacy_in", "shadow_back"]],
)
def test_what_was_not_captured_in_full_cannot_be_asked_again(store, parts):
    bodies = tuple(kept(part, {}) for part in parts)
    store.add([record(), Content(id=record().id, received=record().received, bodies=bodies)])

    found = replay(store).plan()
    assert ids(replay(store)) == []
    assert (found.exchanges, found.unanswered, found.without_content) == (1, 0, 1)


def test_digests_alone_are_no_content(store):
    recorded, content = exchange(1)
    digests = tuple(type(body)(**{**_fields(body), "data": None}) for body in content.bodies)
    store.add([recorded, Content(id=content.id, received=content.received, bodies=digests)])

    assert ids(replay(store)) == []
    assert replay(store).plan().without_content == 1


def _fields(body):
    return {name: getattr(body, name) for name in body.__struct_fields__}


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"input_tokens": 6, "output_tokens": 14, "max_tokens": 300}, (6, 14, 300)),
        ({"input_tokens": None, "request_bytes": 35, "output_tokens": 1}, (10, 1, 300)),
        ({"input_tokens": 1, "output_tokens": None, "reply_bytes": 35}, (1, 10, 300)),
        ({"input_tokens": 1, "output_tokens": None, "reply_bytes": 3500}, (1, 300, 300)),
        (
            {"input_tokens": 1, "output_tokens": None, "reply_bytes": 3500, "max_tokens": None},
            (1, 1000, 1000),
        ),
    ],
)
def test_what_nobody_counted_is_estimated_by_bytes(store, fields, tokens):
    store.add(exchange(1, sent_model="m", **fields))

    [[recorded]] = replay(store).pages()
    [left] = replay(store).remaining()
    assert (left.input_tokens, left.output_tokens, left.most_output_tokens) == tokens
    assert left.record == recorded.record
    assert recorded.tokens == tokens[0] + tokens[1]


def test_what_is_done_is_not_asked_again_under_the_same_name(store):
    for number in range(4):
        store.add(exchange(number))
    replay(store).keep([result(1), result(2, "status 400")])

    assert ids(replay(store)) == ["req_0003", "req_0000"]
    assert ids(replay(store, "other")) == ["req_0003", "req_0002", "req_0001", "req_0000"]
    assert replay(store).plan().done == 2
    assert replay(store).used() == 10
    assert replay(store, "other").used() == 0


@pytest.mark.measured
def test_a_limit_counts_what_is_done(store):
    for number in range(4):
        store.add(exchange(number))
    replay(store).keep([result(1)])

    assert ids(replay(store, limit=2)) == ["req_0003"]
    assert left_ids(replay(store, limit=2)) == ["req_0003"]
    assert ids(replay(store, limit=1)) == []


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "failure", ["status 429", "status 500", "status 529", "unreachable", "no key", "crashed"]
)
def test_what_may_have_passed_is_asked_again_and_the_later_result_stays(store, failure):
    store.add(exchange(1))
    replay(store).keep([result(1, failure)])

    assert ids(replay(store)) == ["req_0001"]
    assert replay(store).plan().done == 0

    replay(store).keep([result(1)])
    assert ids(replay(store)) == []
    assert list(replay(store).results()) == [result(1)]


def test_results_come_back_as_they_were_however_many_they_are(store):
    results = [result(number, None if number % 3 else "refused") for number in range(2001)]
    replay(store).keep(results)
    replay(store, "other").keep([result(9999)])

    assert list(replay(store).results()) == results


def test_what_is_asked_once_more_is_forgotten_when_a_run_begins(store):
    for name, failure in (("r", "status 529"), ("other", "status 529")):
        replay(store, name).keep([result(1, failure), result(2, "status 400"), result(3)])
    replay(store).begin()

    assert list(replay(store).results()) == [result(2, "status 400"), result(3)]
    assert len(list(replay(store, "other").results())) == 3


def test_a_store_that_cannot_be_written_says_so_before_anything_is_asked(url):
    open_store(url).close()
    if url.startswith("postgresql"):
        store = open_store(f"{url}?options=-cdefault_transaction_read_only%3Don", read_only=True)
    else:
        store = open_store(url, read_only=True)

    with pytest.raises(ReadOnlyStoreError):
        replay(store).begin()
    store.close()
