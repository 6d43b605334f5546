"""What somebody who tried to break it found, each pinned."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests.command_line import running
from tests.harness import (
    ADMIN,
    ADMIN_TOKEN,
    KEY,
    PROMPT,
    V2,
    ProxyUnderTest,
    body,
    frames,
    running_proxy,
    text_of,
)
from tests.waiting import PATIENCE_SECONDS


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


@contextmanager
def upstream_saying(*says: bytes) -> Iterator[str]:
    """An upstream of few words: each is said to the next request, whatever that is."""
    words = list(says)
    connections: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        while words and (head := connection.recv(65536)):
            first, *rest = words.pop(0).split(b"<later>")
            assert b"content-length" in head.lower()
            with suppress(ConnectionError):  # it may have been enough for whoever asked
                connection.sendall(first)
                for more in rest:
                    threading.Event().wait(0.05)
                    connection.sendall(more)

    def accept() -> None:
        with suppress(OSError):  # the listener is shut when all is said
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=talk, args=(connection,)).start()

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in connections:
        with suppress(OSError):  # upstream's other end may have gone first
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


def answer(text: str, headers: bytes = b"") -> bytes:
    message = {"id": "msg_1", "model": "m", "content": [{"type": "text", "text": text}]}
    content = json.dumps(message | {"stop_reason": "end_turn"}).encode()
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (headers, len(content), content)


def test_what_upstream_says_unasked_is_nobodys_answer():
    said = [answer("first") + b"<later>" + answer("unasked"), answer("second"), answer("third")]
    with (
        upstream_saying(*said) as upstream_url,
        running_proxy(upstream_url=upstream_url) as holdover,
    ):
        heard = []
        for _ in range(3):
            heard.append(holdover.complete().json()["completion"])
            threading.Event().wait(0.2)  # until what is unasked has come

    assert heard == [" first", " second", " third"]


def test_long_headers_of_an_answer_are_read():
    long = b"x-long: " + b"x" * 20_000 + b"\r\n"
    with (
        upstream_saying(answer("Hi", long)) as upstream_url,
        running_proxy(upstream_url=upstream_url) as h,
    ):
        assert h.complete().json()["completion"] == " Hi"


def test_an_offer_to_upgrade_costs_no_body():
    content = json.dumps(body()).encode()
    with (
        running_proxy() as holdover,
        running("serve", "--port", "0", "--upstream-url", holdover.upstream_url) as (
            url,
            _,
        ),
    ):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
                b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
                b"content-length: %d\r\n\r\n" % len(content)
            )
            connection.sendall(content)
            said = b"".join(iter(lambda: connection.recv(65536), b""))

    assert said.startswith(b"HTTP/1.1 200 OK\r\n"), said


def test_an_empty_admin_token_opens_nothing():
    with running_proxy(admin_token="") as holdover:
        told = httpx.get(f"{holdover.url}/holdover/lessons", headers={"authorization": "Bearer"})

    assert told.status_code == 404


@pytest.mark.parametrize("path", ["//holdover/lessons", "/holdover", "/deep/holdover/lessons"])
def test_the_admin_token_never_goes_upstream(path: str):
    with running_proxy(mount_prefix="/deep", admin_token=ADMIN_TOKEN) as holdover:
        told = httpx.get(holdover.url + path, headers=ADMIN)

        assert holdover.received() == []
    assert told.status_code == (200 if path.startswith("/deep") else 404)


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


@pytest.mark.parametrize("escape", ["\\n", "\\ud83d\\ude00"])
def test_a_large_body_with_one_lone_surrogate_is_understood(holdover: ProxyUnderTest, escape: str):
    """It held up all others for seconds; that is not timed here."""
    prompt = "\\n\\nHuman: " + escape * 20_000 + "\\ud83d\\n\\nAssistant:"
    content = (
        '{"model":"claude-haiku-4-5","max_tokens_to_sample":5,"prompt":"' + prompt + '"}'
    ).encode()

    told = httpx.post(f"{holdover.url}/v1/complete", content=content, headers=KEY | V2)

    assert told.headers["holdover-adjustments"] == "replace_lone_surrogate"


def test_a_lesson_does_not_concern_those_whom_it_does_not_change():
    facts = {"claude-opus-4-8": {"max_output_tokens": 1_000_000}}
    with running_proxy(model_facts=facts, refuse=["apply_lesson"]) as holdover:
        answers = [
            holdover.complete(model="claude-opus-4-8", max_tokens_to_sample=tokens)
            for tokens in (10, 500_000, 10)
        ]

    assert [one.status_code for one in answers] == [200, 400, 200]


def test_an_echo_may_begin_with_other_white_space_than_the_prefill(holdover: ProxyUnderTest):
    told = holdover.complete(
        model="claude-opus-4-8",
        prompt=PROMPT + "\n\nSure",
        headers={"simulate-text": json.dumps(" Sure\nNext")},
    )

    assert told.json()["completion"] == "\nNext"


SLOW_HEADERS = {"simulate-delay-headers": "20000"}
FORWARDED = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hi"}],
}


def cut_off_by_shutdown(path: str, request: dict[str, object], manner: dict[str, str]) -> bytes:
    """What a client still hears of a process that is told to stop while it waits."""
    heard = b""

    def ask(url: str) -> None:
        nonlocal heard
        with (
            httpx.stream(
                "POST",
                url + path,
                json=request,
                headers=KEY | V2 | manner,
                timeout=PATIENCE_SECONDS,
            ) as told,
            suppress(httpx.RemoteProtocolError),
        ):
            for piece in told.iter_raw():
                heard += piece

    with running_proxy() as holdover:
        flags = ["--port", "0", "--upstream-url", holdover.upstream_url]
        with running("serve", *flags, HOLDOVER_SHUTDOWN_TIMEOUT="1") as (url, process):
            asking = threading.Thread(target=ask, args=(url,))
            asking.start()
            while not holdover.received():
                threading.Event().wait(0.01)
            process.send_signal(signal.SIGTERM)
            asking.join()
    return heard


@pytest.mark.parametrize(
    ("path", "request_", "manner"),
    [
        ("/v1/complete", body(), SLOW_HEADERS),
        ("/v1/complete", body(stream=True), {"simulate-hang-after-events": "5"}),
        ("/v1/messages", FORWARDED, SLOW_HEADERS),
    ],
    ids=["whole", "stream", "forwarded"],
)
def test_an_exchange_that_shutdown_cuts_off_is_told_so(path, request_, manner):
    heard = cut_off_by_shutdown(path, request_, manner)

    assert b'"error":{"type":"api_error","message":"Holdover is shutting down."}' in heard


def test_a_forwarded_stream_that_shutdown_cuts_off_does_not_look_complete():
    heard = cut_off_by_shutdown(
        "/v1/messages", FORWARDED | {"stream": True}, {"simulate-hang-after-events": "3"}
    )

    assert heard.startswith(b"event: message_start")
    assert b"message_stop" not in heard


def test_a_client_that_goes_while_it_asks_to_explain_is_no_error():
    with running_proxy(admin_token=ADMIN_TOKEN) as holdover:
        host, port = holdover.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /holdover/explain HTTP/1.1\r\nhost: localhost\r\nauthorization: %b\r\n"
                b"content-length: 99\r\n\r\n{" % ADMIN["authorization"].encode()
            )

        assert holdover.complete().status_code == 200


def test_an_answer_beyond_all_measure_is_not_kept():
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 70000000\r\n\r\n" + b" " * 70_000_000
    with (
        upstream_saying(endless) as upstream_url,
        running_proxy(upstream_url=upstream_url) as holdover,
    ):
        told = holdover.complete()

    assert told.status_code == 502
    assert told.json()["error"]["message"] == "The upstream's response is too large."


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
