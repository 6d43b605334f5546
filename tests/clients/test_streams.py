"""Streams that do not go well, and streams that do though they look odd on the way."""

from __future__ import annotations

from tests.clients.harness import scripted_proxy
from tests.clients.sdks import (
    NODE_0_4_4,
    NODE_0_5_10,
    NODE_0_9_1,
    NODE_0_20_9,
    NODE_0_137_0,
    OLD,
    SDKS,
    Client,
    Way,
    calls_in,
    every,
)

DELTAS = ["Hello", " there", ", traveller", "."]
SAID = [" Hello", *DELTAS[1:]]

BROKEN = (
    {"error_after_deltas": 2},
    {"break_after_events": 5},
    {"end_after_events": 5},
)


def class_of_failure(client: Client, way: Way) -> str | None:
    """What a failure in mid-stream is, to this client."""
    if client is NODE_0_4_4:
        return None  # its promise resolves with the error object
    if client.is_old:
        return "JSONDecodeError" if way == "async streamed" else "ApiException"
    if client in {NODE_0_5_10, NODE_0_9_1, NODE_0_20_9}:
        return "APIConnectionError"
    return "APIError" if client is NODE_0_137_0 else "APIStatusError"


@every(SDKS)
def test_a_stream_that_fails_is_never_taken_for_an_answer(client: Client):
    failures = [failure for failure in BROKEN for _ in client.streams]

    with scripted_proxy(*failures, deltas=DELTAS) as proxy:
        seen = client.run(proxy.url, calls_in(client.streams) * len(BROKEN), max_retries=2)

    expected = [class_of_failure(client, way) for way in client.streams] * len(BROKEN)
    assert [one.error_class for one in seen] == expected
    assert not any(one.looks_complete for one in seen)
    # What came before the failure was seen, by all but the one that keeps only what it returns.
    assert {one.text for one in seen} == {None if client is NODE_0_4_4 else " Hello there"}
    # TypeScript 0.4 would ask again every second, for ever, if the stream just broke off.
    assert len(proxy.arrivals) == len(failures)
    assert {line["blame"] for line in proxy.exchanges()} == {"upstream"}


@every((NODE_0_4_4,))
def test_typescript_0_4_resolves_a_failed_stream_with_the_error_itself(client: Client):
    with scripted_proxy(error_after_deltas=2, deltas=DELTAS) as proxy:
        (seen,) = client.run(proxy.url, calls_in(client.streams))

    error = {"type": "overloaded_error", "message": "Overloaded"}
    assert seen.returned == {"type": "error", "error": error}


@every(SDKS)
def test_pings_comments_odd_events_and_slow_crumbs_change_nothing(client: Client):
    odd = {"pings": 3, "comments": 1, "unknown_events": 1, "newline": "cr", "write": 50}
    slow = {"delay_first_event": 200}

    with scripted_proxy(**odd, **slow, deltas=DELTAS, settings={"ping_interval": 0.05}) as proxy:
        seen = client.run(proxy.url, calls_in(client.streams))

    assert [one.text for one in seen] == ["".join(SAID)] * len(client.streams)
    assert all(one.looks_complete for one in seen)


@every(SDKS)
def test_a_stream_closed_half_way_is_closed_upstream_too(client: Client):
    with scripted_proxy(hang_after_events=6, deltas=DELTAS) as proxy:
        client.run(proxy.url, calls_in(client.streams, read=2))
        received = proxy.received_once_done(requests=len(client.streams))

    assert {one["outcome"] for one in received} == {"client-disconnected"}
    assert {line["client_gone"] for line in proxy.exchanges()} == {True}
    assert {line["blame"] for line in proxy.exchanges()} == {"nobody"}


@every(OLD)
def test_an_error_before_the_first_text_is_an_http_error_also_in_a_stream(client: Client):
    with scripted_proxy(error_after_events=1) as proxy:
        seen = client.run(proxy.url, calls_in(client.streams))

    assert not any(one.looks_complete for one in seen)
    assert [line["status"] for line in proxy.exchanges()] == [529] * len(client.streams)
