"""What clients and upstreams say of themselves is logged, and obeyed by no terminal."""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.command_line import HOLDOVER
from tests.harness import body
from tests.hostile import INJECTED, TEXT, WORD, obeyed
from tests.servers import serving
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.unmeasured

BYTES = bytes({*range(0x80, 0x100), *range(0x20, 0x7F)}) + b"\t\x9b31m"
"""What can be in a header: ISO 8859-1, in which C1 is."""


async def hostile_upstream(_scope: Any, _receive: Any, send: Any) -> None:
    """Refuses everything, in hostile words."""
    error = {"type": "error", "error": {"type": TEXT, "message": TEXT}, "request_id": TEXT}
    headers = [(b"content-type", b"application/json"), (b"request-id", BYTES)]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(error).encode()})


def asked(method: str, path: str, content: bytes = b"", head: bytes = b"") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\nconnection: close\r\n"
        f"content-length: {len(content)}\r\n"
    ).encode() + b"%b\r\n%b" % (head, content)


REQUESTS = [
    asked(
        "POST",
        f"/v1/complete?{quote(TEXT)}",
        json.dumps(body(model=TEXT, stop_sequences=[TEXT], **{TEXT: TEXT})).encode(),
        b"user-agent: %b\r\nanthropic-sdk: %b\r\nx-stainless-lang: %b\r\n" % (BYTES, BYTES, BYTES),
    ),
    asked(
        "POST", "/v1/complete", json.dumps(body()).encode(), b"anthropic-version: %b\r\n" % BYTES
    ),
    asked("POST", "/v1/complete", TEXT.encode()),
    asked("POST", "/v1/complete", json.dumps(body(model=WORD)).encode(), b"user-agent: \x9b2J\r\n"),
    asked("GET", f"/v1/{quote(WORD)}"),
    asked("GET", f"/v1/{quote(TEXT)}"),
    asked("GET", f"/v1/models/{quote(TEXT)}?{quote(TEXT)}"),
    b"\x1b]0;%b\x07 / HTTP/1.1\r\n\r\n" % BYTES,
]


@pytest.fixture(params=["json", "console"])
def said(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """All that a server says while it is asked these."""
    log = tmp_path / "log"
    with serving(hostile_upstream) as upstream_url, log.open("wb") as output:
        process = subprocess.Popen(
            [*HOLDOVER, "serve", "--port", "0", "--upstream-url", upstream_url],
            stderr=output,
            stdout=output,
            env=os.environ
            | {"HOLDOVER_LOG_FORMAT": request.param, "HOLDOVER_STATE_DIR": str(tmp_path)},
        )
        try:
            running = re.compile(r"running on http://\S+?:(\d+)")
            found = wait_for(lambda: running.search(log.read_text()))
            for asking in REQUESTS:
                with socket.create_connection(("127.0.0.1", int(found[1]))) as connection:
                    connection.sendall(asking)
                    while connection.recv(65_536):
                        pass
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=PATIENCE_SECONDS)
    return log.read_text()


@pytest.mark.one_in(2)
def test_a_log_of_hostile_traffic_is_safe_to_look_at(said: str):
    assert obeyed(said) == []
    assert len(set(re.findall(r"\breq_[0-9a-f]{24}\b", said))) >= 3
    assert INJECTED in said
