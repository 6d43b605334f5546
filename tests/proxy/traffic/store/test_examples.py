import pytest

from proxy.traffic import TrafficRecord, default_url
from proxy.traffic.content import Body, Content
from proxy.traffic.store.aggregates import ExampleKey
from proxy.traffic.store.examples import StoredExample, example_of
from proxy.traffic.store.row_mapping import milliseconds_of
from tests.ready_store import open_ready
from tests.record_factory import record
from tests.recorded_exchanges import exchange, kept


def key_of(recorded: TrafficRecord) -> ExampleKey:
    return ExampleKey(recorded.id, milliseconds_of(recorded.received))


@pytest.fixture
def store(tmp_path):
    opened = open_ready(default_url(tmp_path))
    yield opened
    opened.close()


def test_an_example_is_a_record_with_the_request_that_was_captured(store):
    store.add(exchange(1, model="claude-2.1"))

    found = example_of(store, key_of(exchange(1)[0]))

    assert found is not None
    assert found.record == exchange(1)[0]
    assert isinstance(found.request, dict)
    assert found.request["model"] == "claude-2.1"


def test_without_a_captured_request_there_is_only_the_record(store):
    digest = Body(part="legacy_in", size=3, digest="00", data=None, timing=None)
    answer = kept("legacy_back", {"completion": " Hi"})
    of = record(id="a")
    store.add([of, Content(id="a", received=of.received, bodies=(digest, answer))])

    assert example_of(store, key_of(of)) == StoredExample(of, None)


def test_what_is_gone_by_now_is_no_example(store):
    assert example_of(store, key_of(record())) is None
