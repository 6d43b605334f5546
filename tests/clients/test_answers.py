"""What comes of an ordinary call, in every way that a client offers."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

from tests.clients.harness import scripted_proxy
from tests.clients.sdks import (
    NODE_0_137_0,
    PYTHON_0_3_11,
    PYTHON_0_7_8,
    PYTHON_0_18_1,
    PYTHON_0_39_0,
    PYTHON_0_125_0,
    SDKS,
    Client,
    Seen,
    calls_in,
    every,
)

DELTAS = ["Hello", " there", ", traveller", "."]
TEXT = " Hello there, traveller."
SAID = [" Hello", *DELTAS[1:]]
# Old releases split lines at the separators, decode each network chunk by itself, or both.
AWKWARD = ["a\u2028b\u2029c\x85d", "e\x0bf\x0cg\x1ch", "\U0001f600 \u00e9\u4e16", '"\\\t\r\n\x00']


def ending(seen: Seen) -> tuple[object, ...]:
    return seen.text, seen.stop_reason, seen.stop


@every(SDKS)
def test_a_stream_says_what_the_whole_answer_says(client: Client):
    with scripted_proxy(deltas=DELTAS) as proxy:
        seen = client.ask(proxy.url)

    expected = (TEXT, "stop_sequence", "\n\nHuman:")
    assert {way: ending(one) for way, one in seen.items()} == dict.fromkeys(client.ways, expected)
    # An event repeats all of the text, or goes on with it: whichever the client is made for.
    events = [*accumulate(SAID), TEXT] if client.is_old else [*SAID, ""]
    assert [list(seen[way].pieces) for way in client.streams] == [events] * len(client.streams)
    assert {one.returned and one.returned["model"] for one in seen.values()} == {"claude-2.1"}
    # TypeScript 0.4 leaves before the end of every stream. That is no failure.
    outcomes = {(line["status"], line["error_type"], line["blame"]) for line in proxy.exchanges()}
    assert outcomes == {(200, None, "nobody")}


@every(SDKS)
def test_awkward_characters_arrive_as_they_were_said(client: Client):
    with scripted_proxy(deltas=AWKWARD) as proxy:
        seen = client.ask(proxy.url)

    expected = f" {''.join(AWKWARD)}"
    assert {way: one.text for way, one in seen.items()} == dict.fromkeys(client.ways, expected)


@every(SDKS)
def test_an_answer_ends_where_the_request_says(client: Client):
    limits: dict[tuple[object, ...], dict[str, Any]] = {
        (" one\n\ntwo ", "stop_sequence", "END"): {"stop_sequences": ["END"]},
        # Upstream refuses a stop of white space only, so the proxy cuts there itself.
        (" one", "stop_sequence", "\n\n"): {"stop_sequences": ["\n\n", "END"]},
        (" one\n\ntwo", "max_tokens", None): {"max_tokens_to_sample": 3},
    }
    script = [call for limit in limits.values() for call in calls_in(client.ways, **limit)]

    with scripted_proxy(text="one\n\ntwo END three") as proxy:
        seen = client.run(proxy.url, script)

    assert [ending(one) for one in seen] == [end for end in limits for _ in client.ways]


@every((PYTHON_0_3_11, PYTHON_0_7_8))
def test_whole_answers_pass_the_strict_validation_of_releases_whose_streams_never_did(
    client: Client,
):
    with scripted_proxy(deltas=DELTAS) as proxy:
        seen = client.run(proxy.url, calls_in(("whole", "async whole")), strict=True)

    assert [ending(one) for one in seen] == [(TEXT, "stop_sequence", "\n\nHuman:")] * 2


@every((PYTHON_0_7_8, PYTHON_0_18_1, PYTHON_0_39_0, PYTHON_0_125_0))
def test_a_raw_response_shows_the_headers(client: Client):
    with scripted_proxy() as proxy:
        whole, streamed = client.run(proxy.url, calls_in(("raw whole", "raw streamed")))

    assert whole.headers is not None
    assert streamed.headers is not None
    assert whole.headers["content-type"] == "application/json"
    assert streamed.headers["content-type"].startswith("text/event-stream")
    for headers in (whole.headers, streamed.headers):
        assert re.fullmatch("req_[0-9A-Za-z]+", headers["request-id"])
        assert "replace_retired_model" in headers["holdover-adjustments"]


@every((PYTHON_0_125_0, NODE_0_137_0))
def test_an_answer_knows_the_id_of_its_request(client: Client):
    with scripted_proxy() as proxy:
        (seen,) = client.run(proxy.url, calls_in(("whole",)))

    assert seen.request_id is not None
    assert seen.request_id == proxy.exchanges()[0]["request_id"]
