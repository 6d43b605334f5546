import json
import re
import socket
import threading

import anyio.to_thread
import httpx
import pytest

from tests.end_to_end.raw import spelled
from tests.faults.matrix.answers import SSE, STREAM, chunk
from tests.faults.matrix.case import TEXT
from tests.harness import KEY, V1, V2, ProxyUnderTest, body, frames, running_proxy, text_of
from tests.scripted_server import Peer, listening_in_a_thread
from tests.servers import fetch, fetch_streamed
from tests.waiting import wait_for

DELTAS = {"simulate-deltas": json.dumps(["Hel", "lo", " \u2028you 🌳"])}
HELLO = " Hello \u2028you 🌳"


def test_new_dialect_streams_named_deltas_and_just_ends(holdover: ProxyUnderTest):
    events = frames(holdover.stream(model="claude-2", headers=V2 | DELTAS))

    spoken = [event for name, event in events if name == "completion"]
    assert [event["completion"] for event in spoken] == [" Hel", "lo", " \u2028you 🌳", ""]
    assert [event["stop_reason"] for event in spoken] == [None, None, None, "stop_sequence"]
    assert [event["stop"] for event in spoken] == [None, None, None, "\n\nHuman:"]
    assert list(spoken[0]) == ["type", "id", "completion", "stop_reason", "model", "stop", "log_id"]
    assert {(event["id"], event["model"]) for event in spoken} == {
        (spoken[0]["log_id"], "claude-2.0")
    }


def test_old_dialect_streams_the_whole_text_again_and_again_and_is_done(holdover: ProxyUnderTest):
    events = frames(holdover.stream(model="claude-v1", headers=V1 | DELTAS))

    assert [name for name, _ in events] == [None] * len(events)
    *spoken, done = [event for _, event in events]
    assert done == "[DONE]"
    assert [event["completion"] for event in spoken] == [" Hel", " Hello", HELLO, HELLO]
    assert [event["stop_reason"] for event in spoken] == [None, None, None, "stop_sequence"]
    assert list(spoken[0]) == [
        *("completion", "stop", "stop_reason", "truncated", "log_id", "model", "exception")
    ]


def test_headers_of_a_stream_are_those_of_an_event_stream(holdover: ProxyUnderTest):
    answer = fetch("POST", f"{holdover.url}/v1/complete", json=body(stream=True), headers=KEY | V2)

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["holdover-model"] == "claude-haiku-4-5-20251001"
    assert "holdover-stop-reason" not in answer.headers


@pytest.mark.parametrize(
    "manner",
    [
        {},
        {"simulate-write": "1"},
        {"simulate-one-write": "1"},
        {"simulate-newline": "crlf"},
        {"simulate-newline": "cr", "simulate-write": "3"},
        {"simulate-unknown-events": "1", "simulate-comments": "1"},
        {"simulate-trailing-junk": "1"},
        {"simulate-blocks-before": "thinking, redacted_thinking, unknown"},
        {"simulate-gzip": "1"},
        {"simulate-form": "whole"},
    ],
    ids=str,
)
@pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
def test_however_upstream_sends_it_the_text_is_that_of_the_whole_answer(
    holdover: ProxyUnderTest, manner: dict[str, str], version: dict[str, str]
):
    text = {"simulate-text": json.dumps("Ünïcode \u2028 line,\n\n and more 🌳.")}
    whole = holdover.complete(headers=text).json()

    data = holdover.stream(headers=version | text | manner)

    events = [event for _, event in frames(data) if isinstance(event, dict)]
    last = [event for event in events if event.get("stop_reason")]
    assert len(last) == 1
    assert last[0]["stop"] == whole["stop"]
    streamed = text_of(data) if version else last[0]["completion"]
    assert streamed == whole["completion"]


def test_pings_of_upstream_reach_the_new_dialect_and_not_the_old(holdover: ProxyUnderTest):
    manner = {"simulate-pings": "3"}

    assert (
        holdover.stream(headers=V2 | manner).count(b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n')
        == 3
    )
    assert b"ping" not in holdover.stream(headers=V1 | manner)


def test_a_silent_upstream_is_covered_by_pings_of_our_own(hasty_holdover: ProxyUnderTest):
    data = hasty_holdover.stream(
        headers=V2 | {"simulate-delay-first-event": "300", "simulate-pings": "0"}
    )

    assert data.startswith(b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n')
    assert data.count(b"event: ping") >= 3
    assert text_of(data)


def test_old_dialect_is_pinged_in_the_recorded_form_only_if_an_operator_asks():
    with running_proxy(ping_interval=0.05, v1_pings=True) as pinging:
        data = pinging.stream(headers={"simulate-delay-first-event": "300"})

    assert data.startswith(b"event: ping\r\ndata: 20")
    assert frames(data)[-1] == (None, "[DONE]")


def test_every_frame_is_a_chunk_of_its_own(holdover: ProxyUnderTest):
    host, port = holdover.url.removeprefix("http://").split(":")
    content = json.dumps(body(stream=True)).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
            b"connection: close\r\n"
            b"anthropic-version: 2023-06-01\r\nsimulate-one-write: 1\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(content), content)
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    _, _, chunks = answer.partition(b"\r\n\r\n")
    sizes = []
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        sizes.append(rest[: int(size, 16)])
        chunks = rest[int(size, 16) + 2 :]
    assert sizes[-1] == b""
    assert all(
        frame.startswith(b"event: ")
        and frame.endswith(b"\r\n\r\n")
        and frame.count(b"event: ") == 1
        for frame in sizes[:-1]
    )


def test_upstream_is_let_go_of_at_an_emulated_stop(holdover: ProxyUnderTest):
    data = holdover.stream(
        stop_sequences=["\n"],
        headers=V2
        | {
            "simulate-deltas": json.dumps(["One", ".\nTwo", *["."] * 500]),
            "simulate-delay-events": "20",
        },
    )

    assert text_of(data) == " One."
    assert frames(data)[-1][1]["stop"] == "\n"
    assert holdover.wait_for_outcome("client-disconnected")["events_sent"] < 20


def test_a_client_that_goes_takes_the_upstream_request_with_it(holdover: ProxyUnderTest):
    manner = {"simulate-delay-events": "20", "simulate-deltas": json.dumps(["."] * 500)}
    with fetch_streamed(
        "POST", f"{holdover.url}/v1/complete", json=body(stream=True), headers=KEY | V2 | manner
    ) as answer:
        next(answer.iter_bytes())

    assert holdover.wait_for_outcome("client-disconnected")["events_sent"] < 100


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_before_the_first_byte_does_so_too(stream: bool):
    lines = [f"{name}: {value}" for name, value in (KEY | V2).items()]
    content = json.dumps(body(stream=stream)).encode()
    request = spelled("POST", "/v1/complete", *lines, "simulate-delay-headers: 20000", body=content)
    with running_proxy() as holdover:
        host, port = holdover.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(request)
            wait_for(holdover.received)

        assert holdover.wait_for_outcome("client-disconnected")["events_sent"] == 0


def test_a_stream_that_failed_before_its_first_frame_leaves_no_ping_behind():
    """Its ping would have come in the middle of the next answer on the connection."""
    slow = {"simulate-delay-events": "60", "simulate-deltas": json.dumps(["."] * 12)}
    with running_proxy(ping_interval=0.2) as holdover, httpx.Client(headers=KEY | V2) as client:
        url = f"{holdover.url}/v1/complete"
        failed = client.post(
            url, json=body(stream=True), headers={"simulate-error-after-events": "0"}
        )
        streamed = client.post(url, json=body(stream=True), headers=slow)

    assert failed.status_code == 529
    assert text_of(streamed.content) == " ............"


@pytest.mark.parametrize("version", [{}, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("deltas", [1, 16, 17, 300])
def test_a_backlog_of_frames_says_what_the_frames_would_have_said(
    holdover: ProxyUnderTest, version: dict[str, str], deltas: int
):
    manner = {"simulate-deltas": json.dumps(["é"] * deltas), "simulate-one-write": "1"}

    events = [event for _, event in frames(holdover.stream(headers=version | manner)) if event]

    spoken = [event["completion"] for event in events if "stop_reason" in event]
    assert len(spoken) == deltas + 1
    assert ("".join(spoken) if version else spoken[-1]) == " " + "é" * deltas


def test_a_backlog_of_several_reads_is_whole(holdover: ProxyUnderTest):
    manner = {"simulate-deltas": json.dumps(["e"] * 4_000), "simulate-one-write": "1"}

    said = holdover.stream(headers=V2 | manner, max_tokens_to_sample=4_000)

    spoken = [event["completion"] for name, event in frames(said) if name == "completion"]
    assert spoken == [" e", *["e"] * 3_999, ""]


def test_the_upstream_connection_is_kept_though_the_end_of_the_body_comes_by_itself():
    is_told = threading.Event()

    async def act(peer: Peer) -> None:
        while True:
            head = (await peer.hear()).lower()
            await peer.hear_body(int(head.partition(b"content-length: ")[2].split(b"\r")[0]))
            await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n", SSE, b"\r\n")
            await peer.say(chunk(b"".join(STREAM)))
            await anyio.to_thread.run_sync(is_told.wait)
            is_told.clear()
            await peer.say(b"0\r\n\r\n")

    with (
        listening_in_a_thread(act) as upstream,
        running_proxy(upstream_url=upstream.url) as proxy,
    ):
        for _ in range(2):
            assert text_of(proxy.stream(headers=V2)) == f" {TEXT}"
            is_told.set()
            wait_for(lambda: idle_connections(proxy) == 1)

    assert [peer.heads for peer in upstream.peers] == [2]


def idle_connections(proxy: ProxyUnderTest) -> int:
    metrics = proxy.client.get(f"{proxy.url}/metrics").text
    [idle] = re.findall(
        r"^holdover_upstream_connections.*exchange.*idle.* (\d+)", metrics, re.MULTILINE
    )
    return int(idle)
