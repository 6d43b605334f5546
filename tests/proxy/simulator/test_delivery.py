import asyncio
import time

import httpx
import pytest
from starlette.types import Message

from proxy.simulator import create_simulator
from proxy.simulator.delivery import deliver, plan_delivery
from proxy.simulator.faults.fault_headers import SimulateOptions
from proxy.simulator.replies import WholeReply
from proxy.simulator.request_log import LoggedRequest, Outcome
from tests.proxy.simulator.harness import HEADERS, ask, question, stream
from tests.proxy.simulator.raw import chunks, connected, read_until, request_bytes
from tests.servers import fetch, serving
from tests.waiting import wait_for

LAST_CHUNK = b"\r\n0\r\n\r\n"


def exchange(url, **simulate):
    with connected(url) as connection:
        connection.sendall(request_bytes(question(stream=True), **simulate))
        return chunks(read_until(connection, LAST_CHUNK))


def logged_requests(url):
    return fetch("GET", f"{url}/simulator/requests").json()


def finished_requests(url):
    """Return the logged requests as soon as none is running."""
    wait_for(lambda: all(entry["outcome"] != "running" for entry in logged_requests(url)))
    return logged_requests(url)


def test_every_event_is_sent_in_its_own_write(url):
    written = exchange(url)

    assert len(written) == 14
    assert all(chunk.startswith(b"event: ") and chunk.endswith(b"\n\n") for chunk in written)


def test_all_events_can_be_sent_in_one_write(url):
    [written] = exchange(url, one_write="1")

    assert written.count(b"event: ") == 14


def test_writes_can_be_of_any_size(url):
    written = exchange(url, write="7")

    assert {len(chunk) for chunk in written[:5]} == {7}
    assert b"".join(written).endswith(b"}\n\n")


@pytest.mark.parametrize(
    "simulate", [{"break_after_events": "3"}, {"break_after_bytes": "500"}, {"write": "5"}]
)
def test_split_and_broken_streams_send_the_bytes_of_a_whole_one(url, simulate):
    whole = b"".join(exchange(url)).split(b"\n\n", 1)[1]  # the first event has an id

    cut = b"".join(exchange(url, **simulate)).split(b"\n\n", 1)[1]

    assert cut
    assert whole.startswith(cut)


def test_a_broken_connection_has_no_last_chunk(url):
    with connected(url) as connection:
        connection.sendall(request_bytes(question(stream=True), break_after_events="2"))
        data = read_until(connection, b"never")

    assert len(chunks(data)) == 2
    assert not data.endswith(LAST_CHUNK)


def test_a_connection_can_break_after_the_headers(url):
    with pytest.raises(httpx.RemoteProtocolError):
        stream(url, break_after_events="0")
    with pytest.raises(httpx.RemoteProtocolError):
        ask(url, break_after_bytes="0")


def test_a_connection_can_break_within_a_whole_answer(url):
    with pytest.raises(httpx.RemoteProtocolError, match="received 20 bytes"):
        ask(url, break_after_bytes="20")


def test_a_connection_can_break_within_an_event():
    with serving(create_simulator()) as url:
        exchange(url, break_after_bytes="20")
        [entry] = finished_requests(url)

        assert (entry["outcome"], entry["events_sent"]) == ("broken-off", 0)


def test_a_hang_ends_with_a_broken_connection():
    with serving(create_simulator()) as url:
        assert len(exchange(url, hang_after_events="3", hang_for="1")) == 3
        [entry] = finished_requests(url)

        assert (entry["outcome"], entry["events_sent"]) == ("broken-off", 3)


@pytest.mark.parametrize(
    "delay", [{"delay_headers": "5"}, {"delay_first_event": "5"}, {"delay_events": "5"}]
)
def test_a_delayed_stream_is_answered_later(url, delay):
    began = time.monotonic()

    assert stream(url, None, **delay).status_code == 200
    assert time.monotonic() - began >= 0.005


def test_a_whole_answer_can_be_delayed(url):
    assert ask(url, delay_headers="1").status_code == 200


def test_a_disconnect_during_a_delay_is_noticed_at_once():
    with serving(create_simulator()) as url:
        with connected(url) as connection:
            connection.sendall(request_bytes(delay_headers="60000"))
            while not logged_requests(url):
                pass
        [entry] = finished_requests(url)

    assert (entry["outcome"], entry["status"]) == ("client-disconnected", None)


@pytest.mark.parametrize(
    "simulate",
    [
        {"hang_after_events": "2"},
        {"delay_events": "60000", "write": "200"},
        {"delay_first_event": "60000"},
    ],
)
def test_a_disconnect_from_a_silent_stream_is_noticed_at_once(simulate):
    with serving(create_simulator()) as url:
        with connected(url) as connection:
            connection.sendall(request_bytes(question(stream=True), **simulate))
            read_until(connection, b"\r\n\r\n")
        [entry] = finished_requests(url)

    assert (entry["outcome"], entry["status"]) == ("client-disconnected", 200)
    assert entry["events_sent"] <= 2


def test_a_disconnect_within_the_request_body_is_noticed():
    with serving(create_simulator()) as url:
        with connected(url) as connection:
            connection.sendall(request_bytes()[:-10])
            while not logged_requests(url):
                pass
        [entry] = finished_requests(url)

    assert (entry["outcome"], entry["status"], entry["raw"]) == ("client-disconnected", None, "")


def test_a_connection_stays_usable_after_a_refusal(url):
    with httpx.Client(headers=HEADERS) as client:
        assert client.post(f"{url}/v1/messages", content=b"{").status_code == 400
        assert client.post(f"{url}/v1/messages", json=question()).status_code == 200


def test_the_rest_of_a_request_is_not_taken_for_a_disconnect():
    to_come: list[Message] = [{"type": "http.request", "more_body": False}]
    sent: list[Message] = []
    entry = LoggedRequest(method="POST", path="/", query="", headers=[])
    reply = plan_delivery(WholeReply(body=b"x"), SimulateOptions(delay_headers=1), [])

    async def receive() -> Message:
        if not to_come:
            await asyncio.Event().wait()
        return to_come.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(deliver(reply, entry, receive, send))

    assert not to_come
    assert entry.outcome is Outcome.FINISHED
    assert [message.get("body") for message in sent] == [None, b"x", b""]
