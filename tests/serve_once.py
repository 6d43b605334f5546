"""A command that serves, as a process of its own, until one exchange is in its store."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import func, select

from proxy.simulator import create_simulator
from proxy.traffic import StoreError, default_url, open_store
from proxy.traffic.store.schema import exchanges
from tests.harness import KEY, V2, body
from tests.servers import fetch, serving
from tests.waiting import PATIENCE_SECONDS, wait_for


def serve_once(
    command: Sequence[str],
    directory: Path,
    *,
    log: Path,
    workers: int,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Run the command in a directory, have an exchange recorded, and end it as a manager would."""
    state = log.with_name("state")
    with serving(create_simulator()) as upstream_url, log.open("wb") as output:
        settings = {
            "HOLDOVER_UPSTREAM_URL": upstream_url,
            "HOLDOVER_STATE_DIR": str(state),
            "HOLDOVER_WORKERS": str(workers),
            "HOLDOVER_LOG_FORMAT": "json",
        }
        process = subprocess.Popen(
            [*command, "serve", "--port", "0"],
            cwd=directory,
            stderr=output,
            stdout=output,
            env={**environment, **settings},
        )
        try:
            url = wait_for(lambda: url_in(log, process))
            answer = fetch("POST", f"{url}/v1/complete", json=body(), headers=KEY | V2)
            assert answer.status_code == 200
            wait_for(lambda: records_in(default_url(state)) == 1)
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=PATIENCE_SECONDS)
    assert status == 0, log.read_text()


def url_in(log: Path, process: subprocess.Popen[bytes]) -> str | None:
    """Return where it serves, once its log says so."""
    text = log.read_text()
    assert process.poll() is None, text
    found = text.partition("Uvicorn running on ")[2].split()
    return found[0] if found else None


def records_in(store_url: str) -> int:
    """Return how many exchanges a store has; none while it is being made."""
    with suppress(StoreError):
        store = open_store(store_url, read_only=True)
        with closing(store), store.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(exchanges)).scalar_one()
    return 0
