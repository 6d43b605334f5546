import asyncio
import json
import socket
import threading

import pytest

from tests.faults.test_bad_requests import envelope
from tests.harness import KEY, V1, V2, ProxyUnderTest, body, frames, running_proxy
from tests.scripted_server import Peer, answers, listening_in_a_thread
from tests.servers import fetch

BROKEN = "The upstream ended the stream too soon."


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_keep_status_type_and_retry_headers(
    holdover: ProxyUnderTest, status: int, kind: str, stream: bool
):
    manner = {
        "simulate-error": str(status),
        "simulate-retry-after": "7",
        "simulate-should-retry": "false",
    }

    answer = holdover.complete(stream=stream, headers=manner)

    assert envelope(answer)[:2] == (status, kind)
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("shape", ["html", "empty", "cloudflare", "null-request-id"])
def test_whatever_shape_an_error_has_it_arrives_in_the_envelope(
    holdover: ProxyUnderTest, shape: str
):
    manner = {"simulate-error": "413", "simulate-error-shape": shape}

    answer = holdover.complete(headers=manner)

    assert envelope(answer)[:2] == (413, "request_too_large")
    assert "<" not in answer.text


def test_half_a_body_is_no_answer(holdover: ProxyUnderTest):
    answer = holdover.complete(headers={"simulate-truncate-body": "40"})

    assert envelope(answer)[:2] == (502, "api_error")


def test_an_error_object_under_a_good_status_is_an_error(holdover: ProxyUnderTest):
    answer = holdover.complete(headers={"simulate-error": "529", "simulate-status": "200"})

    assert envelope(answer)[:2] == (529, "overloaded_error")


def test_a_stream_where_none_was_asked_for_is_no_answer(holdover: ProxyUnderTest):
    answer = holdover.complete(headers={"simulate-form": "stream"})

    assert envelope(answer)[:2] == (502, "api_error")


@pytest.mark.parametrize("events", [0, 1, 2])
@pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
def test_an_error_before_the_first_word_is_an_http_error(
    holdover: ProxyUnderTest, events: int, version: dict[str, str]
):
    manner = {"simulate-error-after-events": str(events), "simulate-pings": "0"}

    answer = fetch(
        "POST",
        f"{holdover.url}/v1/complete",
        json=body(stream=True),
        headers=KEY | version | manner,
    )

    assert envelope(answer)[:2] == (529, "overloaded_error")


def test_an_error_after_the_first_word_is_an_event_of_the_new_dialect(holdover: ProxyUnderTest):
    data = holdover.stream(headers=V2 | {"simulate-error-after-deltas": "2"})

    name, error = frames(data)[-1]
    assert name == "error"
    assert error == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": error["error"]["message"]},
    }
    assert not any(event.get("stop_reason") for name, event in frames(data) if name == "completion")


def raw_answer(holdover: ProxyUnderTest, manner: bytes) -> bytes:
    """Every byte of a stream of the old dialect, as the socket gives them."""
    host, port = holdover.url.removeprefix("http://").split(":")
    content = json.dumps(body(stream=True)).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
            b"%bcontent-length: %d\r\n\r\n%b" % (manner, len(content), content)
        )
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "manner",
    [
        b"simulate-error-after-deltas: 2\r\n",
        b"simulate-end-after-events: 4\r\n",
        b"simulate-break-after-events: 4\r\n",
    ],
)
def test_a_failed_stream_of_the_old_dialect_says_so_and_breaks_off(
    holdover: ProxyUnderTest, manner: bytes
):
    answer = raw_answer(holdover, manner)

    assert b"\r\nevent: error\r\ndata: " in answer
    assert b"[DONE]" not in answer
    assert b'"stop_reason":"' not in answer
    assert not answer.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ({"simulate-end-after-events": "5"}, BROKEN),
        ({"simulate-break-after-events": "5"}, "The connection to the upstream broke off."),
    ],
)
def test_a_stream_that_ends_before_its_message_never_looks_complete(
    holdover: ProxyUnderTest, manner: dict[str, str], message: str
):
    data = holdover.stream(headers=V2 | manner)

    assert frames(data)[-1] == (
        "error",
        {"type": "error", "error": {"type": "api_error", "message": message}},
    )


def test_bytes_that_are_no_text_end_the_stream_with_an_error(holdover: ProxyUnderTest):
    data = holdover.stream(headers=V2 | {"simulate-invalid-utf8": "1", "simulate-pings": "1"})

    assert frames(data)[-1][0] == "error"


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_says_nothing_is_a_timeout(hasty_holdover: ProxyUnderTest, stream: bool):
    answer = hasty_holdover.complete(stream=stream, headers={"simulate-delay-headers": "3000"})

    assert envelope(answer)[:2] == (504, "timeout_error")


def test_an_upstream_that_falls_silent_in_mid_stream_is_an_error_event(
    hasty_holdover: ProxyUnderTest,
):
    data = hasty_holdover.stream(headers=V2 | {"simulate-hang-after-events": "5"})

    assert frames(data)[-1][1]["error"]["type"] == "timeout_error"


def test_an_upstream_that_is_not_there_is_said_so():
    with running_proxy(upstream_url="http://127.0.0.1:9") as alone:
        answer = alone.complete()
        forwarded = fetch("GET", f"{alone.url}/v1/models")

    assert envelope(answer)[:2] == (502, "api_error")
    assert forwarded.status_code == 502
    assert (
        forwarded.json()["error"]["message"]
        == "The upstream cannot be reached: it refuses connections."
    )


def whole_answer(text: str, headers: bytes = b"") -> bytes:
    message = {"id": "msg_1", "model": "m", "content": [{"type": "text", "text": text}]}
    content = json.dumps(message | {"stop_reason": "end_turn"}).encode()
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (headers, len(content), content)


def test_what_upstream_says_unasked_is_nobodys_answer():
    answers_left = ["first", "second", "third"]

    async def act(peer: Peer) -> None:
        while answers_left:
            await peer.hear()
            await peer.say(whole_answer(text := answers_left.pop(0)))
            if text == "first":
                await asyncio.sleep(0.05)
                await peer.say(whole_answer("unasked"))

    with (
        listening_in_a_thread(act) as upstream,
        running_proxy(upstream_url=upstream.url) as holdover,
    ):
        heard = []
        for _ in range(3):
            heard.append(holdover.complete().json()["completion"])
            threading.Event().wait(0.2)  # until what is unasked has come

    assert heard == [" first", " second", " third"]


def test_long_headers_of_an_answer_are_read():
    long = b"x-long: " + b"x" * 20_000 + b"\r\n"
    with (
        listening_in_a_thread(answers(whole_answer("Hi", long))) as upstream,
        running_proxy(upstream_url=upstream.url) as holdover,
    ):
        assert holdover.complete().json()["completion"] == " Hi"


def test_an_answer_beyond_all_measure_is_not_kept():
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 70000000\r\n\r\n" + b" " * 70_000_000
    with (
        listening_in_a_thread(answers(endless)) as upstream,
        running_proxy(upstream_url=upstream.url) as holdover,
    ):
        told = holdover.complete()

    assert told.status_code == 502
    assert told.json()["error"]["message"] == "The upstream's response is too large."
