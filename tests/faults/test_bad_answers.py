import asyncio
import json
import threading

import pytest

from tests.faults.test_bad_requests import envelope
from tests.harness import V2, ProxyUnderTest, frames, running_proxy
from tests.scripted_server import Peer, answers, listening_in_a_thread
from tests.servers import fetch

pytestmark = pytest.mark.faults("upstream")

BROKEN = "The upstream ended the stream too soon."


@pytest.mark.parametrize("stream", [False, True])
def test_errors_keep_retry_headers(holdover: ProxyUnderTest, stream: bool):
    manner = {
        "simulate-error": "529",
        "simulate-retry-after": "7",
        "simulate-should-retry": "false",
    }

    answer = holdover.complete(stream=stream, headers=manner)

    assert envelope(answer)[:2] == (529, "overloaded_error")
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-should-retry"] == "false"


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
