"""A real Prometheus on loopback that scrapes what it is told to."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.servers import free_port, new_client
from tests.waiting import PATIENCE_SECONDS, wait_for

JOB: Final = "holdover"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    url: str
    client: httpx.Client

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that a query has now; fail if it is refused."""
        return self._series("query", {"query": expression})

    def query_range(
        self, expression: str, *, start: float, end: float, step: float
    ) -> list[dict[str, Any]]:
        """Return the series that a query has between two times."""
        span = {"start": start, "end": end, "step": step}
        return self._series("query_range", {"query": expression} | span)

    def _series(self, kind: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = self.client.post(f"{self.url}/api/v1/{kind}", data=given).json()
        assert answer["status"] == "success", f"{given['query']}: {answer.get('error')}"
        assert not answer.get("warnings"), answer
        result = answer["data"]["result"]
        if answer["data"]["resultType"] == "scalar":
            return [{"metric": {}, "value": result}]
        series: list[dict[str, Any]] = result
        return series


def asked_for_all(expression: str, interval: str) -> str:
    """Return a query of the dashboard as Grafana sends it for all that is scraped."""
    for variable, value in (("$job", JOB), ("$instance", ".*"), ("$__rate_interval", interval)):
        expression = expression.replace(variable, value)
    return expression


def find_prometheus() -> str | None:
    """Return where Prometheus is, or None if this machine has none."""
    return shutil.which("prometheus")


@contextmanager
def prometheus(directory: Path, *targets: str, interval: str = "1s") -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes these addresses, until it has scraped each."""
    program = find_prometheus()
    assert program is not None
    config = directory / "prometheus.yml"
    job = {"job_name": JOB, "static_configs": [{"targets": targets}]}
    # JSON is YAML.
    text = {"global": {"scrape_interval": interval}, "scrape_configs": [job]}
    config.write_text(json.dumps(text))
    port = free_port()
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'numbers'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process, new_client() as client:
        running = Prometheus(f"http://127.0.0.1:{port}", client)
        try:
            wait_for(lambda: _has_scraped(running, len(targets)))
            yield running
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _has_scraped(running: Prometheus, targets: int) -> bool:
    with suppress(httpx.TransportError, json.JSONDecodeError):  # it is not ready yet
        return len(running.query("up == 1")) == targets
    return False
