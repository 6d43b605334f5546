"""The simulator and the proxy in one process, and one request through both, shown step by step."""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPMessage

import msgspec
import typer
from starlette.types import ASGIApp

from proxy.app import create_app
from proxy.cli.serve import server_for
from proxy.log_config import configure_logs
from proxy.settings import load_settings
from proxy.simulator import create_simulator
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

# Whatever proxy the environment names, this machine is reached without it.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def run_demo(port: int, *, keep_serving: bool) -> None:
    """Show the example; then serve until interrupted."""
    configure_logs("auto")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with _listening(0) as upstream, _listening(port) as front:
        upstream_url = _url(upstream)
        proxy = create_app(load_settings(upstream_url=upstream_url))
        with _serving(create_simulator(), upstream), _serving(proxy, front):
            _show(_url(front), upstream_url)
            if keep_serving:
                typer.echo(f"\nServing on {_url(front)}; Ctrl-C stops it.")
                signal.sigwait({signal.SIGINT, signal.SIGTERM})


def _show(url: str, upstream_url: str) -> None:
    body = json.dumps(_REQUEST)
    headers, completion = _post(f"{url}/v1/complete", body)
    _section("The legacy request", _REQUEST)
    _section("The Messages request it became", _received_by(upstream_url))
    typer.secho("\nAdjustments", bold=True)
    for name in headers["holdover-adjustments"].split(", "):
        typer.echo(f"  {name}: {EXPLANATIONS[AdjustmentKind(name)]}")
    _section("The completion that came back", completion)
    typer.secho("\nTry it", bold=True)
    typer.echo(_CALL.format(url=url, body=body))
    typer.secho("\nThe change for an old SDK", bold=True)
    typer.echo(_SDK.format(url=url))


def _post(url: str, body: str) -> tuple[HTTPMessage, object]:
    request = urllib.request.Request(  # noqa: S310 - a url of our own, on loopback
        url,
        data=body.encode(),
        headers={
            "x-api-key": "any-key-will-do",
            "anthropic-version": "2023-06-01",
            "content-type": "application/json",
        },
    )
    with _DIRECTLY.open(request) as answer:
        return answer.headers, msgspec.json.decode(answer.read())


def _received_by(upstream_url: str) -> object:
    with _DIRECTLY.open(f"{upstream_url}/simulator/requests") as answer:
        return msgspec.json.decode(answer.read())[-1]["body"]


def _section(title: str, value: object) -> None:
    typer.secho(f"\n{title}", bold=True)
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.bind(("127.0.0.1", 0))
            typer.echo(f"Port {port} is taken; using {listener.getsockname()[1]}.", err=True)
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
