from typing import Any

import pytest

from proxy.security.redaction import Redacted
from proxy.traffic import MadeAdjustment, TrafficRecord, default_url
from proxy.traffic.store.filters import Filter, InvalidFilter
from proxy.traffic.store.queries import find
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.store import Store
from tests.ready_store import open_ready
from tests.record_factory import record
from tests.recorded_exchanges import moment


def adjusted(kind: str, *words: str) -> MadeAdjustment:
    return MadeAdjustment(kind, *map(Redacted, words))


EXCHANGES: list[dict[str, Any]] = [
    {
        "caller": "aaaa000000000000",
        "caller_name": "nightly",
        "sdk": "python 0.3.11",
        "features": ("top_k", "streaming"),
        "route": "translate",
        "rule": "rest",
        "adjustments": (adjusted("trim_prefill", "prompt", "1", "0"),),
    },
    {
        "caller": "aaab000000000000",
        "sdk": "python 0.2",
        "features": ("top_p",),
        "route": "forward",
        "rule": "rest_",
        "asked_model": "claude-2",
        "sent_model": None,
        "answered_model": None,
        "status": 400,
        "error_type": "invalid_request_error",
    },
    {
        "caller": "0123456789abcdef",
        "caller_name": "aaab",
        "sdk": "python-like 1",
        "asked_model": 'x","kind":"drop_beta',
        "adjustments": (adjusted("map_model", "model", '","kind":"drop_beta",', "b"),),
        "features": ('top_"k', "system"),
        "status": 529,
        "error_type": "overloaded_error",
    },
    # A stream that failed after its 200, and a client that went before there was a status.
    {"caller": None, "caller_name": "100%", "route": "refuse", "failure": "upstream broke off"},
    {"sdk": None, "status": None, "client_gone": True, "asked_model": None, "answered_model": "m_"},
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One for all; it is only read."""
    if request.param == "sqlite":
        url = default_url(tmp_path_factory.mktemp("state"))
    else:
        url = request.getfixturevalue("server").new_database()
    (opened := open_ready(url)).add(numbered(EXCHANGES))
    yield opened
    opened.close()


def numbered(exchanges: list[dict[str, Any]]) -> list[TrafficRecord]:
    return [record(id=f"{n}", received=moment(n), **each) for n, each in enumerate(exchanges)]


def found(store: Store, **wanted: Any) -> list[int]:
    return [int(each.record.id) for each in find(store, Filter(**wanted))]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"caller": "nightly"}, [0]),
        ({"caller": "aaaa000000000000"}, [0]),
        ({"caller": "aaa"}, [0, 1]),
        ({"caller": "aaab"}, [1, 2]),
        ({"caller": "100%"}, [3]),
        ({"caller": "%"}, []),
        ({"caller": ""}, []),
        ({"model": "claude-2.1"}, [0, 3]),
        ({"model": "CLAUDE-2"}, [1]),
        ({"model": "claude-haiku-4-5-20251001"}, [0, 2, 3, 4]),
        ({"model": "claude-2*"}, [0, 1, 3]),
        ({"model": "*haiku*"}, [0, 2, 3, 4]),
        ({"model": "claude-_"}, []),
        ({"model": "m_"}, [4]),
        ({"model": "m/_"}, []),
        ({"sdk": "python"}, [0, 1]),
        ({"sdk": "python 0.3.11"}, [0]),
        ({"sdk": "python*"}, [0, 1, 2]),
        ({"adjustment": "trim_prefill"}, [0]),
        ({"adjustment": "map_model"}, [2]),
        ({"adjustment": "drop_beta"}, []),
        ({"adjustment": "trim"}, []),
        ({"feature": "top_k"}, [0]),
        ({"feature": "top_p"}, [1]),
        ({"feature": 'top_"k'}, [2]),
        ({"feature": "top"}, []),
        ({"rule": "rest"}, [0]),
        ({"route": "forward"}, [1]),
        ({"status": "400"}, [1]),
        ({"status": "4xx"}, [1]),
        ({"status": "5xx"}, [2]),
        ({"status": "200"}, [0, 3]),
        ({"status": "2xx"}, [0, 3]),
        ({"status": "error"}, [1, 2, 3]),
        ({"status": "ok"}, [0]),
        ({"status": "gone"}, [4]),
        ({"since": milliseconds_of(moment(3))}, [3, 4]),
        ({"until": milliseconds_of(moment(3))}, [0, 1, 2]),
        ({"status": "error", "route": "translate"}, [2]),
    ],
)
def test_what_is_asked_for_is_found(store: Store, wanted: dict[str, Any], numbers: list[int]):
    assert found(store, **wanted) == numbers


@pytest.mark.parametrize("status", ["", "bad", "4x", "600", "0xx", "4xx ", "40\u0663"])
def test_what_is_no_status_is_refused_in_words_that_help(store: Store, status: str):
    with pytest.raises(
        InvalidFilter, match="is not a valid status; write 400, 4xx, ok, error, refused or gone"
    ):
        found(store, status=status)


def test_a_status_that_is_nearly_one_is_refused_with_the_one_that_was_meant(store: Store):
    with pytest.raises(InvalidFilter, match="'OK' is not a valid status; did you mean `ok`"):
        found(store, status="OK")
