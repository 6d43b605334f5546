"""A single server that is told to stop tells the clients whose answers it cuts off."""

import signal
import threading
from contextlib import suppress

import httpx
import pytest

from tests.command_line import running
from tests.harness import KEY, V2, body, running_proxy
from tests.servers import fetch_streamed
from tests.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured, pytest.mark.without_coverage]

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
            fetch_streamed(
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


@pytest.mark.one_in(3)
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


@pytest.mark.measured
def test_a_forwarded_stream_that_shutdown_cuts_off_does_not_look_complete():
    heard = cut_off_by_shutdown(
        "/v1/messages", FORWARDED | {"stream": True}, {"simulate-hang-after-events": "3"}
    )

    assert heard.startswith(b"event: message_start")
    assert b"message_stop" not in heard
