"""More requests than are served: who waits, who is refused, and how that is said."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256

import httpx
import pytest
from structlog.testing import capture_logs

from tests.harness import KEY, V2, ProxyUnderTest, body, running_proxy
from tests.servers import fetch
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.faults("client")

HANGS = {"simulate-hang-after-events": "3"}
FLOOD = {"x-api-key": "sk-ant-api03-flood"}
LIMITS = {"max_exchanges": 2, "max_exchanges_per_caller": 1, "max_waiting": 2, "max_wait": 60}


def complete(
    proxy: ProxyUnderTest, key: dict[str, str] = KEY, path: str = "/v1/complete", **fields: object
) -> httpx.Response:
    return fetch(
        "POST", proxy.url + path, json=body(**fields), headers=key | V2, timeout=PATIENCE_SECONDS
    )


@contextmanager
def running_stream(proxy: ProxyUnderTest, key: dict[str, str], **fields: object) -> Iterator[None]:
    """Keep an exchange running: a stream whose upstream says no more after its first words."""
    with (
        httpx.Client() as client,
        client.stream(
            "POST",
            f"{proxy.url}/v1/complete",
            json=body(stream=True, **fields),
            headers=key | V2 | HANGS,
            timeout=PATIENCE_SECONDS,
        ) as stream,
    ):
        pieces = stream.iter_raw()  # kept, as httpx closes a stream that nobody reads
        next(pieces)
        yield


@contextmanager
def waiting(proxy: ProxyUnderTest, key: dict[str, str]) -> Iterator[list[httpx.Response]]:
    """Let a request wait for its turn; afterwards its answer is in the list."""
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(complete(proxy, key)))
    thread.start()
    yield answers
    thread.join()


def metrics_of(proxy: ProxyUnderTest) -> str:
    return fetch("GET", f"{proxy.url}/metrics").text


@contextmanager
def full(proxy: ProxyUnderTest) -> Iterator[None]:
    """Let one caller have as many requests running and waiting as one may have."""
    with ExitStack() as after_the_stream, running_stream(proxy, FLOOD):
        answers = after_the_stream.enter_context(waiting(proxy, FLOOD))
        wait_for(lambda: "holdover_exchanges_waiting 1.0" in metrics_of(proxy))
        yield
    assert [answer.status_code for answer in answers] == [200]


@pytest.fixture(scope="module")
def overloaded() -> Iterator[ProxyUnderTest]:
    with running_proxy(**LIMITS) as proxy, full(proxy):
        yield proxy


def test_a_caller_with_too_many_is_told_so_at_once_and_others_are_served(overloaded):
    refused = complete(overloaded, FLOOD)

    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert "as one caller may have (2)" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-should-retry"] == "true"
    assert refused.headers["cache-control"] == "no-store"
    assert complete(overloaded).status_code == 200


@pytest.mark.parametrize("path", ["/v1/complete", "/complete", "/v1/messages", "/v1/anything"])
def test_whatever_goes_upstream_is_refused_alike(overloaded, path):
    assert complete(overloaded, FLOOD, path).status_code == 429


def test_probes_and_pages_are_served_to_everybody(overloaded):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert fetch("GET", overloaded.url + path, headers=FLOOD).status_code == 200


def test_refusals_are_counted(overloaded):
    complete(overloaded, FLOOD)

    wait_for(lambda: 'holdover_exchanges_refused_total{status="429"}' in metrics_of(overloaded))


def test_a_page_of_another_origin_can_read_why_it_is_refused(overloaded):
    headers = FLOOD | V2 | {"origin": "https://example.com"}
    headers["anthropic-dangerous-direct-browser-access"] = "true"
    refused = fetch("POST", f"{overloaded.url}/v1/complete", json=body(), headers=headers)

    assert refused.status_code == 429
    assert refused.headers["access-control-allow-origin"]


def raw(url: str, *requests: bytes) -> bytes:
    """Return all that the server says to these requests, sent on one connection."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        said = b""
        for request in requests:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
        expected = b"".join(requests).count(b" HTTP/1.1\r\n")
        while b"GET" not in requests[-1] or said.count(b"HTTP/1.1 ") < expected:
            piece = connection.recv(65536)
            if not piece:
                break
            said += piece
        return said


def statuses_in(said: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d+) ", said)


def refused_request(size: int, *headers: bytes) -> bytes:
    lines = [b"POST /v1/complete HTTP/1.1", b"host: localhost", b"x-api-key: sk-ant-api03-flood"]
    return b"\r\n".join((*lines, *headers, b"content-length: %d" % size, b"", b"")) + b"x" * size


def test_a_connection_is_kept_after_a_refusal_unless_much_is_still_to_come(overloaded):
    health = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    short = raw(overloaded.url, refused_request(100), refused_request(0), health)
    long = raw(overloaded.url, refused_request(1_000_000))

    assert statuses_in(short) == [b"429", b"429", b"200"]
    assert b"connection: close" not in short
    assert long.startswith(b"HTTP/1.1 429 ")
    assert b"connection: close" in long


def test_requests_in_a_row_are_refused_in_their_order_behind_one_that_is_answered(overloaded):
    health = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    said = raw(overloaded.url, health + refused_request(3) * 3 + health)

    assert statuses_in(said) == [b"200", b"429", b"429", b"429", b"200"]


def test_a_client_that_waits_for_leave_to_send_its_body_is_refused_before_it_does(overloaded):
    head = refused_request(100, b"expect: 100-continue").partition(b"x" * 100)[0]

    assert raw(overloaded.url, head).startswith(b"HTTP/1.1 429 ")


def test_the_log_says_how_long_a_request_has_waited():
    with running_proxy(**LIMITS) as proxy, capture_logs() as lines, full(proxy):
        pass

    waits = [line["waited_ms"] for line in lines if "waited_ms" in line]
    assert len(waits) == 1


@pytest.mark.without_coverage
@pytest.mark.one_in(2)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_caller_of_great_weight_gets_its_turns_first_wherever_it_asks(method):
    """A completion, and a path that is passed on."""
    path = "/v1/complete" if method == "POST" else "/v1/models"
    tokens = {name: f"token-{name}" for name in ("light", "heavy")}
    callers = {
        name: {"token": f"sha256:{sha256(token.encode()).hexdigest()}", "weight": weight}
        for (name, token), weight in zip(tokens.items(), (1, 1000), strict=True)
    }
    with running_proxy(max_exchanges=1, max_waiting=20, max_wait=60, callers=callers) as proxy:

        def ask(name: str) -> httpx.Response:
            headers = {"x-api-key": tokens[name], "x-who": name} | V2
            content = json.dumps(body()).encode() if method == "POST" else None
            return fetch(
                method,
                proxy.url + path,
                content=content,
                headers=headers,
                timeout=PATIENCE_SECONDS,
            )

        with ThreadPoolExecutor() as threads, running_stream(proxy, FLOOD):
            asked = []
            for name in ["light"] * 3 + ["heavy"] * 3:
                asked.append(threads.submit(ask, name))
                wait_for(lambda: f"exchanges_waiting {len(asked)}.0" in metrics_of(proxy))
        assert {one.result().status_code for one in asked} == {200}
        turns = [dict(request["headers"]).get("x-who") for request in proxy.received()]

    assert [name for name in turns if name] == ["light", *["heavy"] * 3, *["light"] * 2]


def test_a_balancer_is_told_while_everybody_is_refused():
    with running_proxy(max_exchanges=1, max_waiting=1) as proxy:
        with full(proxy):
            others = complete(proxy)
            unready = fetch("GET", f"{proxy.url}/readyz")
        ready = fetch("GET", f"{proxy.url}/readyz")

    assert others.status_code == 529
    assert unready.status_code == 503
    assert "refusing_requests" in {reason["name"] for reason in unready.json()["reasons"]}
    assert ready.status_code == 200


def test_a_request_that_waits_too_long_gets_529_and_a_record():
    with running_proxy(**LIMITS | {"max_exchanges": 1, "max_wait": 0.2}) as proxy:
        with running_stream(proxy, FLOOD):
            late = complete(proxy)
        metrics = metrics_of(proxy)

    assert late.status_code == 529
    assert late.json()["error"]["type"] == "overloaded_error"
    assert "more than 0.2 seconds" in late.json()["error"]["message"]
    assert late.headers["retry-after"] == "2"
    assert 'outcome="overloaded"' in metrics


def test_bodies_that_do_not_fit_wait_and_are_then_refused():
    prompt = f"\n\nHuman: {'a' * 60_000}\n\nAssistant:"
    with running_proxy(max_held_bytes=100_000, max_wait=0.2) as proxy, ExitStack() as stack:
        for _ in range(2):  # the second exceeds what there is room for, as one may
            stack.enter_context(running_stream(proxy, FLOOD, prompt=prompt))
        refused = complete(proxy, prompt=prompt)
        small = complete(proxy)

    assert refused.status_code == 529
    assert "too many bytes" in refused.json()["error"]["message"]
    assert small.status_code == 200


@pytest.mark.without_coverage
def test_hundreds_at_once_on_a_slow_upstream_are_all_answered():
    """None of them waits for the worker's own business in the name of the upstream."""
    count = 300
    with running_proxy() as proxy:
        request = json.dumps(body()).encode()
        head = (
            "POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
            "simulate-delay-headers: 1000\r\nconnection: close\r\n"
            f"content-length: {len(request)}\r\n\r\n"
        ).encode()
        host, port = proxy.url.removeprefix("http://").split(":")
        with ExitStack() as stack:
            connections = []
            for _ in range(count):
                made = socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)
                connections.append(stack.enter_context(made))
            for connection in connections:
                connection.sendall(head + request)
            statuses = [connection.recv(12) for connection in connections]

    assert set(statuses) == {b"HTTP/1.1 200"}
