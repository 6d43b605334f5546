"""A receiver of notices: a real HTTP server that keeps what it gets and answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.waiting import wait_for

KEY: Final = b"a secret of twenty-seven by"
SECRET: Final = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def notice(self) -> dict[str, Any]:
        """What it says."""
        notice: dict[str, Any] = json.loads(self.body)
        return notice

    @property
    def is_signed(self) -> bool:
        """True if its signature is right, as the specification of Standard Webhooks has it."""
        content = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
        mac = hmac.new(KEY, content + self.body, hashlib.sha256).digest()
        return self.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"


@dataclass
class Webhook:
    """The receiver, and what it has got so far."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    """Answers to the next requests; afterwards each gets 204."""
    received: list[Received] = field(default_factory=list)
    hangs: threading.Event | None = None
    """No request is answered before it is set."""

    @property
    def url(self) -> str:
        """Its URL, whose path no stranger knows."""
        return f"http://127.0.0.1:{self.port}/hidden/path?and=query"

    @property
    def settings(self) -> dict[str, str]:
        """Settings with which it gets the notices."""
        return {"notify_url": self.url, "notify_secret": SECRET}

    @property
    def toml(self) -> str:
        """The same for a settings file."""
        return "".join(f'{name} = "{value}"\n' for name, value in self.settings.items())

    def types(self) -> list[str]:
        """What the notices so far are about, in their order."""
        return [each.notice["type"] for each in self.received]

    def wait_for(self, *types: str) -> list[Received]:
        """Wait until it has got exactly these notices."""
        wait_for(lambda: self.types() == [*types], about=self.types)
        return self.received

    def close(self) -> None:
        """Let hanging requests go."""
        if self.hangs is not None:
            self.hangs.set()


@contextmanager
def receiving(given: Webhook | None = None) -> Iterator[Webhook]:
    """Run a receiver on loopback, at its port if it has one."""
    webhook = given or Webhook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            webhook.received.append(Received(self.path, headers, body))
            if webhook.hangs is not None:
                webhook.hangs.wait()
            self.send_response(webhook.statuses.pop(0) if webhook.statuses else 204)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", webhook.port), Handler) as server:
        server.daemon_threads = True
        webhook.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield webhook
        finally:
            webhook.close()
            server.shutdown()
            thread.join()
