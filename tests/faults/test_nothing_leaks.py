"""A key and an address, planted wherever a request has room, are found nowhere afterwards."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from proxy.traffic import decompress
from tests.command_line import run_process
from tests.fleet import Fleet, running_fleet
from tests.waiting import wait_for

pytestmark = pytest.mark.unmeasured

KEY = "canary-key-of-no-known-shape-4711"
OTHER_KEY = "sk-ant-api03-canaryCANARYcanary0815"
MAIL = "canary.bird@mine.example.com"
CANARIES = [KEY, OTHER_KEY, MAIL]
PLANTED = " ".join(CANARIES)
RULES = """
[[rollout]]
name = "old"
match = { header = { x-case = "old" } }
action = "forward"
shadow = { action = "translate", control = true }

[[rollout]]
name = "new"
action = "translate"
shadow = { action = "forward" }
on_failure = "forward"
"""
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in PLANTED)

HEADERS = {
    "x-api-key": KEY,
    "authorization": f"Bearer {KEY}",
    "user-agent": f"agent {PLANTED}",
    "x-stainless-lang": f"python {PLANTED}",
    "x-stainless-package-version": PLANTED,
    "anthropic-beta": PLANTED,
    "cookie": f"key={KEY}; mail={MAIL}",
    "referer": f"https://{MAIL}/{KEY}",
    "x-forwarded-for": PLANTED,
    "x-request-id": PLANTED,
}
FIELDS = {
    "model": f"claude-2.1 {PLANTED}",
    "prompt": f"{PLANTED}\n\nHuman: Say {PLANTED}\n\nAssistant: {PLANTED}",
    "max_tokens_to_sample": 100,
    "stop_sequences": [PLANTED, " \n"],
    "metadata": {"user_id": PLANTED},
    PLANTED: PLANTED,
}
NEW = {"anthropic-version": "2023-06-01"}


def requests() -> Iterator[tuple[dict[str, str], bytes]]:
    """Good ones and bad ones, of all kinds."""
    reloader = FIELDS | {"model": "claude-haiku-4-5"}
    del reloader[PLANTED]
    for stream in (False, True):
        for fields in (FIELDS, reloader):
            for headers in ({}, NEW, {"x-case": "old"} | NEW, {"simulate-error": "529"} | NEW):
                yield headers, json.dumps(fields | {"stream": stream}).encode()
        old = {"x-case": "old"} | NEW, reloader | {"model": "claude-2.1", "stream": stream}
        yield old[0], json.dumps(old[1]).encode()
    told = {"simulate-error": "500", "simulate-error-type": OTHER_KEY, **NEW}
    yield told | {"simulate-error-message": json.dumps(PLANTED)}, json.dumps(reloader).encode()
    whispered = NEW | {"simulate-comments": "1", "simulate-delta-size": "3"}
    yield whispered, json.dumps(reloader | {"stream": True}).encode()
    yield {"anthropic-version": PLANTED}, json.dumps(reloader).encode()
    yield NEW, json.dumps(reloader | {"max_tokens_to_sample": PLANTED}).encode()
    yield NEW, json.dumps(reloader | {"model": "claude-opus-4-8", "temperature": 0.5}).encode()
    yield NEW, f'{{"prompt": "{ESCAPED}", "model":'.encode()
    yield NEW, PLANTED.encode()
    yield NEW, json.dumps(reloader).replace(MAIL, MAIL.replace("@", "\\u0040")).encode()
    yield {"content-type": PLANTED, "content-encoding": PLANTED}, b"{}"


def found_in(text: bytes) -> list[str]:
    return [canary for canary in CANARIES if canary.encode() in text]


def contents(database: Path) -> Iterator[tuple[str, bytes]]:
    """All that was said, as it can be read again."""
    with closing(sqlite3.connect(database)) as connection:
        for part, data, timing in connection.execute("SELECT part, data, timing FROM bodies"):
            yield part, decompress(data) + (decompress(timing) if timing else b"")


def report(config: Path, *options: str) -> bytes:
    done = run_process(*options, "--config", str(config))
    assert done.returncode == 0, done.stderr
    return done.stdout.encode() + done.stderr.encode()


def complete_log(config: Path, count: int) -> bytes:
    """What `log` finds, once the loader, which outlives its server for a while, has loaded all."""
    log = report(config, "log", "--format", "json", "--limit", "0")
    return log if len(log.splitlines()) == count else b""


def test_what_is_planted_in_requests_is_found_nowhere(tmp_path: Path):
    with running_fleet(tmp_path, 'capture = "full"\n' + RULES, workers=2) as fleet:
        sent = [ask(fleet, headers, body) for headers, body in requests()]
        fleet.client.get(f"{fleet.url}/v1/{PLANTED}?key={KEY}", headers=HEADERS)
        wait_for(lambda: shadows_end(fleet))
        metrics = fleet.client.get(f"{fleet.url}/metrics").content
        ready = fleet.client.get(f"{fleet.url}/readyz").content
    log = wait_for(lambda: complete_log(fleet.config, len(sent)))
    pages = [
        report(fleet.config, "report", "--format", "json"),
        report(fleet.config, "report", "--format", "markdown"),
        report(fleet.config, "report", "--format", "html", "--output", str(tmp_path / "page.html")),
        report(fleet.config, "log"),
    ]

    said = list(contents(tmp_path / "state" / "traffic" / "traffic.db"))
    assert {part for part, _ in said} == {
        "legacy_in",
        "messages_out",
        "messages_back",
        "legacy_back",
        "shadow_back",
        "control_back",
    }
    assert any(b"[email]" in text and b"[key]" in text for _, text in said)
    assert found_in(b"".join(text for _, text in said)) == []
    assert found_in(b"".join([log, metrics, ready, *pages])) == []
    on_disk = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name: found_in(path.read_bytes()) for path in on_disk} == {
        path.name: [] for path in on_disk
    }


def shadows_end(fleet: Fleet) -> bool:
    """Whether nothing of them is on its way any more; a control comes after its shadow."""
    ended = fleet.lines("shadow", leg="control") + fleet.lines("shadow_failed", leg="control")
    return len(ended) >= len(fleet.lines("exchange", status=200, rule="old")) >= 2


def ask(fleet: Fleet, headers: dict[str, str], body: bytes) -> httpx.Response:
    given = HEADERS | {"content-type": "application/json"} | headers
    return fleet.client.post(f"{fleet.url}/v1/complete", headers=given, content=body)
