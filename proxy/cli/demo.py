"""
The simulator and the proxy in one process, and one request through both, shown step by step.

Then old clients ask, so that a log and a report have something to show. All
of it is kept, under a directory of its own: it is made up.
"""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import HTTPError

import msgspec
from starlette.types import ASGIApp

from proxy.app import create_app
from proxy.cli.demo_clients import OLD_CLIENTS, OldClient, settings_for
from proxy.cli.load_config import or_exit, settings_or_exit
from proxy.cli.serve import server_for
from proxy.observability.log_config import configure_logs
from proxy.simulator import create_simulator
from proxy.terminal import say, tell
from translators import EXPLANATIONS, AdjustmentKind

_REQUEST = {
    "model": "claude-2.1",
    "prompt": "You are a gardener.\n\nHuman: Which tree grows fastest?\n\nAssistant: ",
    "max_tokens_to_sample": 300,
    "temperature": 0.5,
    "top_k": -1,
    "stop_sequences": ["\n\n"],
}
_CALL = """\
curl {url}/v1/complete \\
  -H 'x-api-key: any-key-will-do' -H 'anthropic-version: 2023-06-01' \\
  -H 'content-type: application/json' \\
  -d '{body}'"""
_SDK = """\
- client = anthropic.Anthropic()
+ client = anthropic.Anthropic(base_url="{url}")"""
_SEE = """\
holdover log --demo
holdover report --demo --format html --output report.html"""
_KEPT = "All that is asked here is kept in {directory}, texts too, keys not."
_AT_A_TIME = 3
_HEADERS = {
    "x-api-key": "any-key-will-do",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}

# Whatever proxy the environment names, this machine is reached without it.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def run_demo(port: int, *, keep_serving: bool) -> None:
    """Show the example, let old clients ask; then serve until interrupted."""
    # What is shown here is not to be drowned in lines about exchanges; `holdover log` has them.
    configure_logs("auto", level=logging.WARNING)
    with _listening(0) as upstream, _listening(port) as front:
        upstream_url = _url(upstream)
        state_dir = settings_or_exit(None, None).state_dir / "demo"
        settings = settings_or_exit(
            *(None, None),
            upstream_url=upstream_url,
            state_dir=state_dir,
            traffic=True,
            capture="full",
            **settings_for(OLD_CLIENTS),
        )
        with or_exit():
            proxy = create_app(settings)
        with _serving(create_simulator(), upstream), _serving(proxy, front):
            _show(_url(front), upstream_url)
            _play(_url(front), state_dir)
            if keep_serving:
                say("", f"Serving on {_url(front)}; Ctrl-C stops it.")
                signal.sigwait({signal.SIGINT, signal.SIGTERM})


def _show(url: str, upstream_url: str) -> None:
    body = json.dumps(_REQUEST)
    headers, completion = _post(f"{url}/v1/complete", body)
    _section("The legacy request", _REQUEST)
    _section("The Messages request it became", _received_by(upstream_url))
    say("", "Adjustments", bold=True)
    for name in headers["holdover-adjustments"].split(", "):
        say(f"  {name}: {EXPLANATIONS[AdjustmentKind(name)]}")
    _section("The completion that came back", msgspec.json.decode(completion))
    say("", "Try it", bold=True)
    say(*_CALL.format(url=url, body=body).split("\n"))
    say("", "The change for an old SDK", bold=True)
    say(*_SDK.format(url=url).split("\n"))


def _play(url: str, state_dir: Path) -> None:
    """Let old clients ask, a few at a time, each one thing after the other."""
    asked = sum(1 for client in OLD_CLIENTS for _ in client.requests())
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for _ in pool.map(lambda client: _ask_all(url, client), OLD_CLIENTS):
            pass
    say("", "See who calls", bold=True)
    say(f"{len(OLD_CLIENTS)} old clients have asked {asked} more requests, all made up:")
    say(*_SEE.split("\n"))
    say(_KEPT.format(directory=state_dir))


def _ask_all(url: str, client: OldClient) -> None:
    for headers, body in client.requests():
        with suppress(HTTPError):  # some are meant to fail
            _post(f"{url}/v1/complete", json.dumps(body), headers)


def _post(url: str, body: str, headers: Mapping[str, str] = _HEADERS) -> tuple[HTTPMessage, bytes]:
    request = urllib.request.Request(  # noqa: S310 - a url of our own, on loopback
        url, data=body.encode(), headers=dict(headers)
    )
    with _DIRECTLY.open(request) as answer:
        return answer.headers, answer.read()


def _received_by(upstream_url: str) -> object:
    with _DIRECTLY.open(f"{upstream_url}/simulator/requests") as answer:
        return msgspec.json.decode(answer.read())[-1]["body"]


def _section(title: str, value: object) -> None:
    say("", title, bold=True)
    say(*json.dumps(value, indent=2, ensure_ascii=False).split("\n"))


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.bind(("127.0.0.1", 0))
            tell(f"Port {port} is taken; using {listener.getsockname()[1]}.")
        listener.listen()
        yield listener


@contextmanager
def _serving(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    server = server_for(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
