"""haproxy with the documented configuration, in front of servers on loopback."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import children_of, is_alive
from tests.servers import free_port
from tests.waiting import PATIENCE_SECONDS, wait_for

CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
_BIND = """bind 127.0.0.1:{port}
    http-request capture req.hdr(x-marker) len 64
    log-format marker=%[capture.req.hdr(0)]=%s=
"""


@dataclass(frozen=True, slots=True)
class Haproxy:
    """A running haproxy; it logs which server each request with an `x-marker` was sent to."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def reload(self) -> None:
        """Let a new process take over, as `systemctl reload haproxy` does, and the old one end."""
        before = children_of(self.process.pid)
        self.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: not any(map(is_alive, before)))

    def servers(self) -> dict[str, str]:
        """Return the names of the servers by the marker of the request they got."""
        assert self.process.poll() is None
        return dict(re.findall(r"marker=(\w+)=(\w+)=$", self.log.read_text(), re.MULTILINE))


@contextmanager
def haproxy(directory: Path, servers: Mapping[str, str]) -> Iterator[Haproxy]:
    """Run haproxy in front of servers (name: `host:port`), once one of them answers through it."""
    if shutil.which("haproxy") is None:
        pytest.skip("there is no haproxy on this machine: apt-get install haproxy")
    port, config, log = free_port(), directory / "haproxy.cfg", directory / "haproxy.log"
    config.write_text(_on_this_machine(CONFIG.read_text(), port, servers))
    with log.open("wb") as output, (directory / "haproxy.errors").open("wb") as errors:
        process = subprocess.Popen(
            ["haproxy", "-W", "-f", config], stdout=output, stderr=errors, stdin=subprocess.DEVNULL
        )
        try:
            front = Haproxy(f"http://127.0.0.1:{port}", process, log)
            yield front
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _on_this_machine(text: str, port: int, servers: Mapping[str, str]) -> str:
    """Change what is about machines (addresses, user, log) and nothing else."""
    changes = {
        r"log /dev/log local0": "log stdout format raw local0",
        r"user haproxy\n": "\n",
        r"group haproxy\n": "\n",
        r"bind :443 .*\n": _BIND.format(port=port),
        r"(    server \w+ [\d.:]+\n)+": "".join(
            f"    server {name} {address}\n" for name, address in servers.items()
        ),
    }
    for pattern, replacement in changes.items():
        text, count = re.subn(pattern, replacement, text)
        assert count == 1, pattern
    return text
