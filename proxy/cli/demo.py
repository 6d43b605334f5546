"""
`holdover demo`: the simulator and the proxy in one process, and one request shown step by step.

Afterwards made-up old clients send requests, so that `log` and `report` have
something to show. Their exchanges are recorded in a directory of the demo's own.
"""

from __future__ import annotations

import json
import logging
import signal
import socket
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import HTTPError

import msgspec

from proxy.app import create_app
from proxy.cli.demo_clients import OLD_CLIENTS, OldClient, settings_for
from proxy.cli.embedded_simulator import run_in_thread
from proxy.cli.load_config import or_exit, settings_or_exit
from proxy.observability.log_config import configure_logs
from proxy.simulator import create_simulator
from proxy.terminal import print_lines, print_to_stderr
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
_RECORDED = "The requests and texts of this demo are recorded in {directory}; keys are not."
_NOT_SERVING = (
    "Nothing is serving any more; run `holdover demo` without --once to call it yourself."
)
_CONCURRENT_CLIENTS = 3
_HEADERS = {
    "x-api-key": "any-key-will-do",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}

# This machine is reached directly, even if the environment names a proxy.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def run_demo(port: int, *, keep_serving: bool) -> None:
    """Show the example and let the old clients ask; then serve until interrupted, if asked to."""
    # Log lines about exchanges would drown the example; `holdover log` shows them.
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
        with run_in_thread(create_simulator(), upstream), run_in_thread(proxy, front):
            _show_example(_url(front), upstream_url)
            if keep_serving:
                print_lines("", "Try it", bold=True)
                call = _CALL.format(url=_url(front), body=json.dumps(_REQUEST))
                print_lines(*call.split("\n"))
                print_lines("", "The change for an old SDK", bold=True)
                print_lines(*_SDK.format(url=_url(front)).split("\n"))
            _run_old_clients(_url(front), state_dir)
            if keep_serving:
                print_lines("", f"Serving on {_url(front)}; press Ctrl-C to stop.")
                signal.sigwait({signal.SIGINT, signal.SIGTERM})
            else:
                print_lines("", _NOT_SERVING)


def _show_example(url: str, upstream_url: str) -> None:
    body = json.dumps(_REQUEST)
    headers, completion = _post(f"{url}/v1/complete", body)
    _section("The legacy request", _REQUEST)
    with _opener.open(f"{upstream_url}/simulator/requests") as answer:
        received = msgspec.json.decode(answer.read())
    _section("The Messages request it became", received[-1]["body"])
    print_lines("", "Adjustments", bold=True)
    for name in headers["holdover-adjustments"].split(", "):
        print_lines(f"  {name}: {EXPLANATIONS[AdjustmentKind(name)]}")
    _section("The completion that came back", msgspec.json.decode(completion))


def _run_old_clients(url: str, state_dir: Path) -> None:
    """Let a few clients at a time send their requests, each client its own in order."""

    def send_all(client: OldClient) -> None:
        for headers, body in client.requests():
            with suppress(HTTPError):  # some requests are meant to fail
                _post(f"{url}/v1/complete", json.dumps(body), headers)

    count = sum(1 for client in OLD_CLIENTS for _ in client.requests())
    with ThreadPoolExecutor(_CONCURRENT_CLIENTS) as pool:
        list(pool.map(send_all, OLD_CLIENTS))
    print_lines("", "See who calls", bold=True)
    print_lines(
        f"{len(OLD_CLIENTS)} made-up clients have sent {count} more requests. Look at them with:"
    )
    print_lines(*_SEE.split("\n"))
    print_lines(_RECORDED.format(directory=state_dir))


def _post(url: str, body: str, headers: Mapping[str, str] = _HEADERS) -> tuple[HTTPMessage, bytes]:
    request = urllib.request.Request(  # noqa: S310 - our own url, on loopback
        url, data=body.encode(), headers=dict(headers)
    )
    with _opener.open(request) as answer:
        return answer.headers, answer.read()


def _section(title: str, value: object) -> None:
    print_lines("", title, bold=True)
    print_lines(*json.dumps(value, indent=2, ensure_ascii=False).split("\n"))


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.bind(("127.0.0.1", 0))
            print_to_stderr(f"Port {port} is in use; using {listener.getsockname()[1]} instead.")
        listener.listen()
        yield listener


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
