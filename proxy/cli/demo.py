"""
`holdover demo`: simulator, proxy and console in one process, and one request shown step by step.

Afterwards made-up old clients send requests, so that `log` and `report` have
something to show. Their exchanges are recorded in a directory of the demo's own.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import HTTPError

import msgspec

from proxy.app import create_app
from proxy.cli.demo_clients import OLD_CLIENTS, OldClient, settings_for
from proxy.cli.demo_settings import FILE_NAME, DemoSettings
from proxy.cli.embedded_simulator import run_in_thread
from proxy.cli.load_config import or_exit, settings_or_exit
from proxy.config.settings import ENV_PREFIX, Settings
from proxy.observability.log_config import configure_logs
from proxy.server.loader_subprocess import loader_config_of
from proxy.simulator import create_simulator
from proxy.terminal import print_lines, print_to_stderr
from translators import EXPLANATIONS, AdjustmentKind

_HOST = "127.0.0.1"
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
        demo = _settings_of(front, upstream)
        with or_exit():
            source = demo.write(settings_for(OLD_CLIENTS))
            settings = demo.load(source.file)
            proxy = create_app(settings, source)
        loading = _loading(settings, demo) if keep_serving else nullcontext()
        simulator = create_simulator()
        with loading, run_in_thread(simulator, upstream), run_in_thread(proxy, front):
            _show_example(_url(front), _url(upstream))
            if keep_serving:
                _show_calls(_url(front))
            _run_old_clients(_url(front), settings.state_dir)
            if keep_serving:
                _serve(demo, settings, _url(front))
            else:
                print_lines("", _NOT_SERVING)


def _settings_of(front: socket.socket, upstream: socket.socket) -> DemoSettings:
    state_dir = settings_or_exit(None, None).state_dir / "demo"
    # Else it would also be that of whoever reads the demo's file, the console's changes first.
    os.environ.pop(f"{ENV_PREFIX}STATE_DIR", None)
    return DemoSettings(
        path=state_dir / FILE_NAME,
        fixed={
            "host": _HOST,
            "port": front.getsockname()[1],
            "upstream_url": _url(upstream),
            "state_dir": state_dir,
            "traffic": True,
            "capture": "full",
            "digest_key": "demo",
            "console_host": _HOST,
            "console_server_url": _url(front),
        },
    )


def _serve(demo: DemoSettings, settings: Settings, url: str) -> None:
    """Serve until interrupted, and show the console meanwhile."""
    from proxy.cli.console import console_for  # noqa: PLC0415 - its pages take a while to import
    from proxy.console.site import SettingsReader  # noqa: PLC0415

    with _listening(settings.console_port) as listener:
        reader = SettingsReader(path=demo.path, load=demo.load)
        with or_exit():
            console, lines = console_for(settings, reader, [listener])
        with run_in_thread(console, listener):
            print_lines("", "The console", bold=True)
            print_lines(*lines, f"Rules are in {demo.path}; this demo follows what you change.")
            with _signals() as told_to_stop:
                print_lines("", f"Serving on {url}; press Ctrl-C to stop.")
                told_to_stop.wait()


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Yield what is set by SIGINT and SIGTERM; after the block they end the process as ever."""
    told = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: told.set()) for number in numbers]
    try:
        yield told
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _loading(settings: Settings, demo: DemoSettings) -> Iterator[None]:
    """Load into the store what the proxy records while the block runs, and what is left then."""
    from proxy.traffic.loader_process import run_loader  # noqa: PLC0415 - SQLAlchemy takes a while

    is_over = threading.Event()
    thread = threading.Thread(
        target=run_loader,
        args=[loader_config_of(settings, demo.path), is_over.wait],
        kwargs={"idle_seconds": None},
        daemon=True,  # a crash of the demo is not held up
    )
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _show_calls(url: str) -> None:
    print_lines("", "Try it", bold=True)
    print_lines(*_CALL.format(url=url, body=json.dumps(_REQUEST)).split("\n"))
    print_lines("", "The change for an old SDK", bold=True)
    print_lines(*_SDK.format(url=url).split("\n"))


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
            listener.bind((_HOST, port))
        except OSError:
            listener.bind((_HOST, 0))
            print_to_stderr(f"Port {port} is in use; using {listener.getsockname()[1]} instead.")
        listener.listen()
        yield listener


def _url(listener: socket.socket) -> str:
    return f"http://{_HOST}:{listener.getsockname()[1]}"
