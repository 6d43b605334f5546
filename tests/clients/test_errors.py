"""What a person's program catches when a call is refused."""

from __future__ import annotations

from typing import Any

from tests.clients.harness import Simulated, scripted_proxy
from tests.clients.sdks import (
    INVALID_KEY,
    NEW,
    NODE_0_4_4,
    PYTHON_0_2_2,
    PYTHON_0_2_10,
    PYTHON_0_125_0,
    SDKS,
    Client,
    Seen,
    Way,
    calls_in,
    every,
)

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
CLASSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
    529: "InternalServerError",  # as all from 500 on, until it had a class of its own
}
PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    529: "Overloaded",
}


def expected(client: Client, way: Way, status: int) -> tuple[object, ...]:
    """Class, status and type of error as far as this generation tells them, or what it says."""
    if client is PYTHON_0_2_2:
        return None, None, TYPES[status]
    if client is PYTHON_0_2_10:
        return "ApiException", f"post request failed with status code: {status}", TYPES[status]
    if client is NODE_0_4_4:
        # All that it tells is the reason phrase.
        failed = "Failed to open sampling stream, HTTP status code "
        between = ": " if way == "streamed" else " "
        told = f"{failed if way == 'streamed' else 'Sampling error: '}{status}{between}"
        return "Error", f"{told}{PHRASES[status]}", None
    is_newest = client is PYTHON_0_125_0 and status == 529
    return "OverloadedError" if is_newest else CLASSES[status], status, TYPES[status]


def told(client: Client, seen: Seen) -> tuple[object, ...]:
    assert not seen.looks_complete
    if seen.error is None:
        # Python 0.2.2 never looks at the status: the error is the answer.
        assert seen.text is None
        return None, None, seen.returned and seen.returned["error"]["type"]
    status = seen.error.message if client.is_old else seen.error.status
    return seen.error_class, status, seen.error.body and seen.error.body["error"]["type"]


@every(SDKS)
def test_each_status_is_the_exception_that_the_client_has_for_it(client: Client):
    asked: dict[int, dict[str, Any]] = {
        400: {"max_tokens_to_sample": 0},  # refused by the proxy itself
        404: {"model": "claude-0"},
        429: {},
        529: {},
    }
    script = [call for params in asked.values() for call in calls_in(client.ways, **params)]
    upstream: list[Simulated] = [{}, {"error": 429}, {"error": 529}]

    with scripted_proxy(*(turn for turn in upstream for _ in client.ways)) as proxy:
        seen = client.run(proxy.url, script)

    cases = [(way, status) for status in asked for way in client.ways]
    assert [told(client, one) for one in seen] == [expected(client, *case) for case in cases]


@every(SDKS)
def test_a_wrong_key_is_an_authentication_error(client: Client):
    with scripted_proxy() as proxy:
        seen = client.run(proxy.url, calls_in(client.ways), api_key=INVALID_KEY)

    assert [told(client, one) for one in seen] == [expected(client, w, 401) for w in client.ways]


@every(NEW)
def test_clients_retry_when_and_how_often_the_upstream_says(client: Client):
    hints: tuple[list[Simulated], ...] = (
        [{"error": 429, "retry_after": 1}, {}],
        [{"error": 429, "should_retry": "false"}],
        [{"error": 400, "should_retry": "true"}, {}],
    )

    with scripted_proxy(*(turn for turns in hints for turn in turns)) as proxy:
        seen = client.run(proxy.url, calls_in(("whole",)) * 3, max_retries=1)

    assert [one.error_class for one in seen] == [None, "RateLimitError", None]
    first, second, *others = proxy.arrivals
    assert second - first >= 1  # on their own they wait for half a second at most
    assert len(others) == 3
