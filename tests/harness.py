"""The parties of an end-to-end test: a simulator, the proxy in front of it, and a plain client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from proxy.app import create_app
from proxy.config.sources import load_settings
from proxy.server.connection.reason_phrases import name_unnamed_statuses
from proxy.server.connection.uvicorn_protocol import ServerProtocol
from proxy.simulator import create_simulator
from tests.servers import closed_together, new_client, serving
from tests.waiting import wait_for

V1: dict[str, str] = {}
V2 = {"anthropic-version": "2023-06-01"}
KEY = {"x-api-key": "sk-ant-api03-test"}
ADMIN_TOKEN = "opens-the-pages-of-tests"
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
PROMPT = "\n\nHuman: Hello\n\nAssistant:"


@dataclass(frozen=True)
class ProxyUnderTest:
    """A proxy and the upstream behind it."""

    url: str
    upstream_url: str
    client: httpx.Client
    """A client for tests that do not care about connections: making one is what costs time."""

    def complete(self, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        """Return a whole answer to a legacy request in the new dialect."""
        return self.client.post(
            f"{self.url}/v1/complete", json=body(**fields), headers=KEY | V2 | (headers or {})
        )

    def stream(self, *, headers: dict[str, str] | None = None, **fields: Any) -> bytes:
        """Return the bytes of a streamed answer, in the dialect that `headers` ask for."""
        answer = self.client.post(
            f"{self.url}/v1/complete",
            json=body(stream=True, **fields),
            headers=KEY | (headers or {}),
        )
        assert answer.status_code == 200, answer.text
        return answer.content

    def received(self) -> list[dict[str, Any]]:
        """Return what the upstream has received so far."""
        requests: list[dict[str, Any]] = self.client.get(
            f"{self.upstream_url}/simulator/requests"
        ).json()
        return requests

    def last_received(self) -> dict[str, Any]:
        """Return the last request that the upstream has received."""
        return self.received()[-1]

    def wait_for_outcome(self, outcome: str) -> dict[str, Any]:
        """Return the last request, once the upstream reports that it ended this way."""
        wait_for(lambda: self.last_received()["outcome"] == outcome, about=self.last_received)
        return self.last_received()


@contextmanager
def running_proxy(
    upstream: ASGIApp | None = None,
    front: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    /,
    **settings: Any,
) -> Iterator[ProxyUnderTest]:
    """
    Serve a proxy with these settings as `holdover serve` does, and an upstream behind it.

    The upstream is a simulator unless the test brings its own; `front` may wrap the proxy.
    """
    name_unnamed_statuses()
    with closed_together() as opened:
        upstream_url = opened(serving(upstream or create_simulator()))
        loaded = load_settings(**{"upstream_url": upstream_url} | settings)
        http = partial(ServerProtocol, write_timeout=loaded.write_timeout)
        url = opened(serving(front(create_app(loaded)), http=http))
        with new_client() as client:
            yield ProxyUnderTest(url, upstream_url, client)


@pytest.fixture(scope="session")
def holdover() -> Iterator[ProxyUnderTest]:
    """A proxy with default settings; tests tell their own requests apart."""
    with running_proxy() as default:
        yield default


@pytest.fixture
def hasty_holdover() -> Iterator[ProxyUnderTest]:
    """A proxy that pings at once and soon gives up on its upstream."""
    with running_proxy(ping_interval=0.05, upstream_read_timeout=0.5) as hasty:
        yield hasty


def body(**fields: Any) -> dict[str, Any]:
    """A legacy request body; a field that is `...` is left out."""
    default = {"model": "claude-haiku-4-5", "prompt": PROMPT, "max_tokens_to_sample": 200}
    return {name: value for name, value in (default | fields).items() if value is not ...}


def frames(data: bytes) -> list[tuple[str | None, Any]]:
    """The events of a legacy stream: name, and data as JSON where it is JSON."""
    assert data.endswith(b"\r\n\r\n")
    return [_frame(frame.decode("ascii")) for frame in data[:-4].split(b"\r\n\r\n")]


def _frame(frame: str) -> tuple[str | None, Any]:
    fields = dict(line.split(": ", 1) for line in frame.split("\r\n"))
    data = fields["data"]
    return fields.get("event"), json.loads(data) if data.startswith("{") else data


def text_of(data: bytes) -> str:
    """The text of a stream of the new dialect."""
    return "".join(event["completion"] for name, event in frames(data) if name == "completion")
