"""What clients of old and other kinds do: HTTP/1.0, pages, paths without a version, dates."""

from __future__ import annotations

import json
import socket
from email.utils import parsedate_to_datetime

import pytest

from tests.end_to_end.raw import say
from tests.harness import KEY, V2, ProxyUnderTest, body, frames, running_proxy
from tests.servers import fetch
from tests.waiting import wait_for

PAGE = {
    "origin": "https://app.example",
    "anthropic-dangerous-direct-browser-access": "true",
    "referer": "https://app.example/chat",
}


def connected_to(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))


def asked_by_http_1_0(
    holdover: ProxyUnderTest, **fields: object
) -> tuple[dict[bytes, bytes], bytes]:
    content = json.dumps(body(**fields)).encode()
    lines = [f"{name}: {value}" for name, value in (KEY | V2).items()]
    head = "\r\n".join(
        ["POST /v1/complete HTTP/1.0", "host: localhost", *lines, f"content-length: {len(content)}"]
    )
    status, headers, said = say(holdover.url, f"{head}\r\n\r\n".encode() + content)
    assert status == 200
    return headers, said


def test_a_client_of_http_1_0_gets_a_stream_without_chunks_that_the_end_ends(
    holdover: ProxyUnderTest,
):
    headers, said = asked_by_http_1_0(holdover, stream=True)

    assert b"transfer-encoding" not in headers
    assert headers[b"connection"] == b"close"
    assert frames(said)[-1][1]["stop_reason"] == "stop_sequence"


def test_a_client_of_http_1_0_gets_a_whole_answer_with_its_length(holdover: ProxyUnderTest):
    headers, said = asked_by_http_1_0(holdover)

    assert int(headers[b"content-length"]) == len(said)
    assert json.loads(said)["type"] == "completion"


def test_a_client_of_http_1_0_gets_what_is_forwarded_without_chunks(holdover: ProxyUnderTest):
    request = b"GET /v1/models HTTP/1.0\r\nhost: localhost\r\nx-api-key: k\r\n"
    status, headers, said = say(holdover.url, request + b"anthropic-version: 2023-06-01\r\n\r\n")

    assert status == 200
    assert b"transfer-encoding" not in headers
    assert json.loads(said)["data"]


END_OF_LINE = ["HTTP/1.0\r\n", "HTTP/1.1\r\nconnection: close\r\n", "HTTP/1.1\r\n"]


def last_request(end_of_line: str, *lines: str, **fields: object) -> bytes:
    content = json.dumps(body(**fields)).encode()
    keys = [f"{name}: {value}" for name, value in (KEY | V2).items()]
    head = "\r\n".join(["host: localhost", *keys, *lines, f"content-length: {len(content)}"])
    return f"POST /v1/complete {end_of_line}{head}\r\n\r\n".encode() + content


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("end_of_line", END_OF_LINE)
def test_who_sends_no_more_after_its_last_request_is_answered(
    holdover: ProxyUnderTest, end_of_line: str, *, stream: bool
):
    # The end has to be there before the answer: after it the client would have left.
    asked = last_request(end_of_line, "simulate-delay-headers: 300", stream=stream)

    status, headers, said = say(holdover.url, asked, sends_no_more=True)

    assert (status, headers[b"connection"]) == (200, b"close")
    assert b'"stop_reason":"stop_sequence"' in said


@pytest.mark.parametrize("end_of_line", END_OF_LINE)
def test_who_leaves_right_behind_its_request_is_missed_when_it_is_written_to(end_of_line: str):
    slow = ("simulate-delay-headers: 300", "simulate-delay-events: 20")
    deltas = "simulate-deltas: " + json.dumps(["."] * 1000)
    with running_proxy() as holdover:
        with connected_to(holdover.url) as connection:
            connection.sendall(last_request(end_of_line, *slow, deltas, stream=True))
            wait_for(holdover.received)

        assert holdover.wait_for_outcome("client-disconnected")["events_sent"] < 1000


@pytest.mark.parametrize("path", ["/complete", "/v1/complete", "/v1/v1/complete"])
def test_a_completion_is_asked_for_under_every_path_that_clients_build(
    holdover: ProxyUnderTest, path: str
):
    answer = fetch("POST", holdover.url + path, json=body(), headers=KEY | V2)

    assert answer.json()["type"] == "completion"
    assert holdover.last_received()["path"] == "/v1/messages"


@pytest.mark.parametrize(
    "coding", ["utf-8", "UTF-8", "none", "identity", "identity, utf-8", "us-ascii", ""]
)
def test_a_body_that_is_as_it_is_may_say_so_in_other_words(holdover: ProxyUnderTest, coding: str):
    assert holdover.complete(headers={"content-encoding": coding}).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_translated_answer_has_one_date(holdover: ProxyUnderTest, stream: bool):
    dates = holdover.complete(stream=stream).headers.get_list("date")

    assert len(dates) == 1
    assert parsedate_to_datetime(dates[0]).tzinfo is not None


@pytest.mark.parametrize(
    ("change", "status"),
    [({}, 200), ({"stream": True}, 200), ({"prompt": ""}, 400), ({"model": "claude-nowhere"}, 404)],
)
def test_a_page_that_asks_the_api_itself_may_read_the_answer(
    holdover: ProxyUnderTest, change: dict[str, object], status: int
):
    answer = holdover.complete(headers=PAGE, **change)

    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    if status in {200, 404}:
        sent = {name for name, _ in holdover.last_received()["headers"]}
        assert sent.isdisjoint(PAGE)


@pytest.mark.parametrize("path", ["/v1/complete", "/v1/models", "/v1/../x", "/model/claude/invoke"])
def test_an_error_of_ours_can_be_read_by_the_page_that_asked(path: str):
    with running_proxy(upstream_url="http://127.0.0.1:9") as holdover:
        answer = fetch("POST", holdover.url + path, json=body(), headers=KEY | V2 | PAGE)

    assert answer.status_code >= 400
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


def test_a_server_behind_a_page_s_proxy_is_no_page(holdover: ProxyUnderTest):
    answer = holdover.complete(
        headers={"origin": "https://app.example", "cf-ray": "1", "x-forwarded-for": "203.0.113.9"}
    )

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert {name for name, _ in holdover.last_received()["headers"]}.isdisjoint(
        {"origin", "cf-ray", "x-forwarded-for"}
    )
