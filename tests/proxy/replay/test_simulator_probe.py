"""What counts as the simulator: only what is on this machine and answers as one."""

import asyncio

import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from proxy.replay import is_simulator
from proxy.simulator import create_simulator
from proxy.upstream.client import UpstreamClient
from proxy.upstream.transport import Timeouts
from tests.proxy.replay.harness import Scripted
from tests.servers import fetch, serving


def test_the_simulator_is_one_whatever_it_has_been_asked_before():
    with serving(create_simulator()) as url:
        fresh = asyncio.run(is_simulator(url))
        fetch("POST", f"{url}/v1/messages", content=b"x" * 100_000)
        busy = asyncio.run(is_simulator(url))

    assert (fresh, busy) == (True, True)


@pytest.mark.parametrize(
    "app",
    [
        Scripted(),
        Scripted((404, {})),
        JSONResponse([], status_code=404),
        JSONResponse({"status": "ok"}),
        JSONResponse([{"id": 1}]),
        PlainTextResponse("[]"),
        PlainTextResponse(""),
    ],
)
def test_another_server_on_this_machine_is_none(app):
    with serving(app) as url:
        assert not asyncio.run(is_simulator(url))


def test_nobody_at_all_is_none():
    assert not asyncio.run(is_simulator("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("url", "is_on_loopback"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://localhost/prefix", True),
        ("http://[::1]:9000", True),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("https://api.anthropic.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_what_is_elsewhere_is_not_even_asked(url, is_on_loopback):
    assert UpstreamClient(url, Timeouts()).is_on_loopback is is_on_loopback
    assert is_on_loopback or not asyncio.run(is_simulator(url))
