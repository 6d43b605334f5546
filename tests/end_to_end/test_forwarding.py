import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.harness import KEY, V2, ProxyUnderTest
from tests.servers import fetch, fetch_streamed

MESSAGES = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hi"}],
}


def test_a_messages_request_and_its_answer_pass_untouched(holdover: ProxyUnderTest):
    content = json.dumps(MESSAGES, indent=3).encode()
    through = fetch(
        "POST", f"{holdover.url}/v1/messages?a=%2Fb&c=d%20e", content=content, headers=KEY | V2
    )
    heard = holdover.last_received()
    direct = fetch(
        "POST", f"{holdover.upstream_url}/v1/messages", content=content, headers=KEY | V2
    )

    assert heard["raw"] == content.decode()
    assert heard["query"] == "a=%2Fb&c=d%20e"
    assert through.json()["content"] == direct.json()["content"]
    changing, of_its_host = {"request-id", "content-length"}, {"strict-transport-security"}
    assert set(through.headers) - changing == set(direct.headers) - changing - of_its_host


def test_a_messages_stream_passes_byte_for_byte_and_piece_by_piece(holdover: ProxyUnderTest):
    manner = {"simulate-delay-events": "30"}
    with fetch_streamed(
        "POST",
        f"{holdover.url}/v1/messages",
        json=MESSAGES | {"stream": True},
        headers=KEY | V2 | manner,
    ) as answer:
        pieces = [piece for piece in answer.iter_raw() if piece]

    assert len(pieces) > 5
    assert b"".join(pieces).startswith(b"event: message_start\ndata: ")
    assert b"event: message_stop" in pieces[-1]


def test_newest_clients_keep_their_version_and_their_bearer_key(holdover: ProxyUnderTest):
    headers = {"anthropic-version": "2026-10-21", "authorization": "Bearer sk-ant-api03-x"}

    answer = fetch("GET", f"{holdover.url}/v1/models", headers=headers)

    heard = dict(holdover.last_received()["headers"])
    assert answer.status_code == 200
    assert heard["anthropic-version"] == "2026-10-21"
    assert heard["authorization"] == "Bearer sk-ant-api03-x"


def test_a_body_of_unknown_length_is_streamed_up(holdover: ProxyUnderTest):
    def pieces() -> Iterator[bytes]:
        content = json.dumps(MESSAGES).encode()
        yield content[:10]
        yield content[10:]

    answer = fetch("POST", f"{holdover.url}/v1/messages", content=pieces(), headers=KEY | V2)

    assert answer.json()["type"] == "message"


def test_errors_of_other_paths_are_upstreams_own(holdover: ProxyUnderTest):
    answer = fetch("GET", f"{holdover.url}/v1/nothing/here", headers=KEY | V2)

    assert answer.status_code == 404


def test_other_methods_on_the_completion_path_are_forwarded(holdover: ProxyUnderTest):
    answer = fetch("GET", f"{holdover.url}/v1/complete", headers=KEY | V2)

    assert answer.status_code == 405
    assert holdover.last_received()["method"] == "GET"


def test_cookies_of_one_caller_never_reach_another(holdover: ProxyUnderTest):
    fetch(
        "POST",
        f"{holdover.url}/v1/messages",
        json=MESSAGES,
        headers=KEY | V2 | {"cookie": "session=1"},
    )
    fetch("POST", f"{holdover.url}/v1/messages", json=MESSAGES, headers=KEY | V2)

    assert "cookie" not in dict(holdover.last_received()["headers"])


def test_a_client_that_goes_takes_its_forwarded_request_with_it(holdover: ProxyUnderTest):
    with fetch_streamed(
        "POST",
        f"{holdover.url}/v1/messages",
        json=MESSAGES | {"stream": True},
        headers=KEY | V2 | {"simulate-delay-events": "1000"},
    ) as answer:
        next(answer.iter_raw())

    holdover.wait_for_outcome("client-disconnected")


def test_a_forwarded_answer_that_breaks_off_does_not_look_complete(holdover: ProxyUnderTest):
    manner = {"simulate-break-after-events": "3"}

    with pytest.raises(httpx.RemoteProtocolError):
        fetch(
            "POST",
            f"{holdover.url}/v1/messages",
            json=MESSAGES | {"stream": True},
            headers=KEY | V2 | manner,
        )


def test_holdover_answers_its_own_probes(holdover: ProxyUnderTest):
    for path, status in [("/healthz", "alive"), ("/readyz", "ready")]:
        answer = fetch("GET", holdover.url + path)

        assert (answer.status_code, answer.json()["status"]) == (200, status)


@pytest.mark.parametrize(
    "request_line",
    [b"GET /v1/../../admin", b"GET /v1/%2e%2e/x", b"OPTIONS *"],
)
def test_what_is_not_below_the_base_url_is_refused(holdover: ProxyUnderTest, request_line: bytes):
    host, port = holdover.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            request_line + b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        said = b"".join(iter(lambda: connection.recv(65536), b""))

    assert said.startswith(b"HTTP/1.1 400 "), said
    assert b'"invalid_request_error"' in said


def test_a_target_is_forwarded_as_it_is_spelled(holdover: ProxyUnderTest):
    target = "/v1/models/%7Ea%2Fb?q=<>\"'&r=%20"
    host, port = holdover.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
        )
        while connection.recv(65536):
            pass

    assert holdover.last_received()["query"] == "q=<>\"'&r=%20"
