"""Runs the comparison, prints a table, and writes JSON if asked."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

PROXY_CORE, LOAD_CORE = "0", "1"
DELTAS = 200
WHOLE = json.dumps(
    {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "A birch grows faster than an oak. " * 4}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 40},
    }
)
REQUEST = {
    "model": "claude-haiku-4-5",
    "prompt": "\n\nHuman: Which tree grows fastest, and where?\n\nAssistant:",
    "max_tokens_to_sample": 300,
    "temperature": 0.5,
    "stop_sequences": ["\n\nHuman:"],
}
NGINX = """
worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 4096; }}
http {{
  map $http_accept $canned {{ default /whole; text/event-stream /stream; }}
  access_log off; keepalive_requests 100000000;
  server {{
    listen 127.0.0.1:{port}; root {folder};
    error_page 405 =200 $uri;  # a static file is not for POST; here it is
    location /whole {{ default_type application/json; }}
    location /stream {{ default_type text/event-stream; }}
    location /v1/ {{ rewrite .* $canned; }}
  }}
}}
"""
WRK = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
wrk.headers["content-type"] = "application/json"
wrk.headers["x-api-key"] = "sk-ant-benchmark"
wrk.headers["anthropic-version"] = "2023-06-01"
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one proxy did with one load."""

    proxy: str
    load: str
    connections: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_request: float
    rss_mib: float


def sse() -> str:
    """A burst of deltas, as the upstream spells them."""
    head = {
        "type": "message_start",
        "message": json.loads(WHOLE) | {"content": [], "stop_reason": None},
    }
    block = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": " and more"},
    }
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 1},
    }
    events = [
        *(head, block, *[delta] * DELTAS),
        *({"type": "content_block_stop", "index": 0}, end, {"type": "message_stop"}),
    ]
    lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return "".join(lines)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(core: str, *command: str, port: int, **environment: str) -> Iterator[int]:
    """A server pinned to a core, once it listens; yields its process id."""
    with subprocess.Popen(
        ["taskset", "-c", core, *command],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for(port)
            yield server.pid
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on {port}")


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk asks for, and over how many connections."""

    name: str
    connections: int


LOADS = (Load("whole", 32), Load("whole", 1), Load("stream", 8))


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy that serves."""

    name: str
    pid: int
    port: int


def measure(proxy: Running, load: Load, seconds: int) -> Figure:
    streamed = {"stream": True} if load.name == "stream" else {}
    body = json.dumps(REQUEST | streamed, separators=(",", ":"))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK.format(body=body))
        script.flush()
        before = cpu_seconds(proxy.pid)
        said = subprocess.run(
            [
                *("taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{load.connections}"),
                *(f"-d{seconds}s", "--latency", "-s", script.name),
                f"http://127.0.0.1:{proxy.port}/v1/complete",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        used = cpu_seconds(proxy.pid) - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{proxy.name}: {said}")
    return Figure(
        *(proxy.name, load.name, load.connections),
        float(re.findall(r"Requests/sec: +([\d.]+)", said)[0]),
        _milliseconds(re.findall(r"50% +([\d.]+\w+)", said)[0]),
        _milliseconds(re.findall(r"99% +([\d.]+\w+)", said)[0]),
        used / int(re.findall(r"(\d+) requests in", said)[0]) * 1e6,
        _rss_mib(proxy.pid),
    )


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE") / 2**20


def _milliseconds(text: str) -> float:
    value, unit = re.findall(r"([\d.]+)(\w+)", text)[0]
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def compare(seconds: int) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        (folder / "whole").write_text(WHOLE)
        (folder / "stream").write_text(sse())
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        upstream = f"http://127.0.0.1:{port}"
        with running(LOAD_CORE, "nginx", "-c", str(folder / "nginx.conf"), port=port):
            for proxy, command in proxies(upstream).items():
                own = free_port()
                served = [*command, "--port", str(own)]
                with running(PROXY_CORE, *served, port=own, UPSTREAM=upstream) as pid:
                    for load in LOADS:
                        measure(Running(proxy, pid, own), load, 1)  # to get warm
                        figures.append(measure(Running(proxy, pid, own), load, seconds))
    return figures


def proxies(upstream: str) -> dict[str, tuple[str, ...]]:
    uvicorn = (sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning")
    return {
        "naive": (*uvicorn, "tests.benchmarks.naive:app"),
        "bare": (*uvicorn, "tests.benchmarks.bare:app"),
        "holdover": (sys.executable, "-m", "proxy", "serve", "--upstream-url", upstream),
    }


COLUMNS = (
    *("proxy", "load", "connections", "req/s", "p50 ms", "p99 ms", "CPU us/req", "RSS MiB"),
    *("req/s : naive", "CPU : bare"),
)


def show(figures: list[Figure]) -> None:
    """As a table in Markdown, for README."""
    by = {(figure.proxy, figure.load, figure.connections): figure for figure in figures}
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---" for _ in COLUMNS), "|")
    for one in figures:
        naive = by["naive", one.load, one.connections].requests_per_second
        bare = by["bare", one.load, one.connections].cpu_us_per_request
        cells = (
            *(one.proxy, one.load, str(one.connections), f"{one.requests_per_second:.0f}"),
            *(f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}", f"{one.cpu_us_per_request:.0f}"),
            *(f"{one.rss_mib:.0f}", f"{one.requests_per_second / naive:.2f}"),
            f"{one.cpu_us_per_request / bare:.2f}",
        )
        print("|", " | ".join(cells), "|")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--seconds", type=int, default=5, help="per measurement")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    if missing := [tool for tool in ("nginx", "wrk", "taskset") if shutil.which(tool) is None]:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    figures = compare(arguments.seconds)
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


if __name__ == "__main__":
    main()
