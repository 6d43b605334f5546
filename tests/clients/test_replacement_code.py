"""The code that `holdover explain --code` writes, run as it is by the newest SDKs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.simulator import create_simulator
from tests.clients.sdks import KEY, NEWEST_NODE, NEWEST_PYTHON, Client, every
from tests.servers import fetch, serving

REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "plain": {"model": "claude-2.1"},
    "sampling": {"model": "claude-instant-1.2", "temperature": 0.5, "top_k": 5},
    "stream": {"model": "claude-2", "stream": True, "metadata": {"user_id": "u-1"}},
    "sampled stream": {"model": "claude-instant-1.2", "stream": True, "temperature": 0.5},
    "prefill": {
        "model": "claude-instant-1.2",
        "prompt": 'Be "brief".\n\nHuman: It\'s `{1}` ${2}\u2028\\n\n\nAssistant: Sure',
        "stop_sequences": ["\n", "END"],
    },
    "thinking": {"model": "claude-sonnet-5-5"},
    "effort": {"model": "claude-opus-5-5"},
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with serving(create_simulator()) as url:
        yield url


def explained(fields: dict[str, Any], *options: str) -> str:
    request = {"prompt": "\n\nHuman: Hello\n\nAssistant:", "max_tokens_to_sample": 100} | fields
    return subprocess.run(
        [sys.executable, "-m", "proxy", "explain", "-", "--format", "json", *options],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def run(command: tuple[str, ...], upstream: str, folder: Path) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": upstream,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def received(upstream: str) -> dict[str, Any]:
    body: dict[str, Any] = fetch("GET", f"{upstream}/simulator/requests").json()[-1]["body"]
    return body


@pytest.mark.parametrize("fields", REQUESTS.values(), ids=REQUESTS)
@every([NEWEST_PYTHON, NEWEST_NODE])
def test_the_newest_sdk_sends_what_holdover_would_have_sent(
    client: Client, fields: dict[str, Any], upstream: str
):
    language, suffix = ("python", "py") if client is NEWEST_PYTHON else ("typescript", "mjs")
    # Beside its packages: an ES module looks for them where it lies.
    program = client.environment.folder / f"replacement-{os.getpid()}.{suffix}"
    program.write_text(explained(fields, "--code", language))
    try:
        said = run(client.environment.command(program), upstream, program.parent)
    finally:
        program.unlink()

    assert said.strip()
    assert received(upstream) == json.loads(explained(fields))["request"]


@pytest.mark.parametrize("fields", REQUESTS.values(), ids=REQUESTS)
def test_curl_sends_what_holdover_would_have_sent(
    fields: dict[str, Any], upstream: str, tmp_path: Path
):
    program = tmp_path / "replacement.sh"
    program.write_text(explained(fields, "--code", "curl"))

    said = run(("sh", str(program)), upstream, tmp_path)

    assert '"type":"message' in said.replace(" ", "")
    assert received(upstream) == json.loads(explained(fields))["request"]
