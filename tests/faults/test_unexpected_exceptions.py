"""What happens when something of ours is broken, or the network is."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from proxy.endpoints import CompleteEndpoint, ForwardEndpoint
from proxy.exchange.context import ExchangeContext
from proxy.exchange.handler import CompletionHandler
from proxy.observability.metrics import Metrics
from proxy.security.redaction import Redactor
from tests.harness import KEY, V2, ProxyUnderTest, body, running_proxy
from tests.servers import fetch, new_client, serving

CRASHED = {"type": "api_error", "message": "Internal server error"}
BROKEN: Any = None


async def nothing(_: ExchangeContext) -> None:
    """Nobody wants evidence."""


def test_a_bug_of_ours_costs_one_answer_and_says_nothing_more():
    handler = CompletionHandler(present=BROKEN, dispatcher=BROKEN, admission=BROKEN, shadows=BROKEN)
    endpoint = CompleteEndpoint(
        handler=handler,
        finalizer=nothing,
        max_body_bytes=1000,
        body_timeout=1,
        ping_interval=1,
    )
    with serving(endpoint) as url:
        answers = [fetch("POST", url, json=body(), headers=KEY) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [500, 500]
    assert answers[0].json()["error"] == CRASHED


def test_a_bug_of_ours_in_forwarding_does_so_too():
    endpoint = ForwardEndpoint(
        dispatcher=BROKEN,
        admission=BROKEN,
        present=BROKEN,
        redactor=Redactor(),
        metrics=Metrics(),
    )
    with serving(endpoint) as url:
        answer = fetch("GET", url)

    assert (answer.status_code, answer.json()["error"]) == (500, CRASHED)


def test_a_client_that_goes_while_it_sends_is_no_error(holdover: ProxyUnderTest):
    host, port = holdover.url.removeprefix("http://").split(":")
    before = len(holdover.received())
    for path in [b"/v1/complete", b"/v1/messages"]:
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST %b HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
                b"content-length: 99\r\n\r\n{" % path
            )

    assert holdover.complete().status_code == 200
    completed = [request for request in holdover.received()[before:] if request["status"] == 200]
    assert len(completed) == 1


def test_headers_that_are_no_utf_8_do_not_stop_a_request(holdover: ProxyUnderTest):
    host, port = holdover.url.removeprefix("http://").split(":")
    content = json.dumps(body()).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\nx-note: caf\xe9\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content)
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_integers_beyond_all_measure_are_refused(holdover: ProxyUnderTest):
    answer = holdover.complete(top_k=10**30)

    assert answer.json()["error"]["message"] == (
        "top_k: ensure this value is less than or equal to 9223372036854775807"
    )


def test_a_beta_header_passes_if_an_operator_says_so():
    with running_proxy(beta_header="pass") as passing:
        passing.complete(headers={"anthropic-beta": "context-1m-2025-08-07"})

        heard = dict(passing.last_received()["headers"])

    assert heard["anthropic-beta"] == "context-1m-2025-08-07"


def test_an_upstream_that_does_not_let_us_in_is_given_up():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}"
        with running_proxy(upstream_url=url, upstream_connect_timeout=0.2) as locked_out:
            answer = locked_out.complete()
        for one in waiting:
            one.close()

    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == "Connecting to the upstream took too long."


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def test_the_proxy_that_the_environment_names_is_used():
    heard: list[bytes] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer_once() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer_once)
        thread.start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with environment(http_proxy=proxy, no_proxy=""):
            upstream = "http://upstream.invalid"
            with (
                running_proxy(upstream_url=upstream) as behind,
                new_client(trust_env=False) as client,
            ):
                answer = client.get(f"{behind.url}/v1/models", headers=V2)
        thread.join()

    assert answer.content == b"{}"
    assert heard[0].startswith(b"GET http://upstream.invalid/v1/models HTTP/1.1\r\n")


def test_a_client_that_waits_for_leave_is_told_at_once_that_its_body_is_too_large(
    holdover: ProxyUnderTest,
):
    host, port = holdover.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
            b"connection: close\r\nexpect: 100-continue\r\ncontent-length: 9999999999\r\n\r\n"
        )
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")
