"""From the journals into the store: what `serve` keeps running beside itself."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import Final

from proxy.cli.open_store import open_evidence
from proxy.observability.log_config import configure_logs
from proxy.server.loader_subprocess import read_orders

_NICENESS: Final = 10


def run_load(config: Path | None, secrets: Path | None, *, until_eof: bool) -> None:
    """Load what is there; or what standard input says, until that ends with who holds it."""
    if not until_eof:
        with open_evidence(config, secrets, demo=False):
            return
    from proxy.traffic.loader_process import run_loader  # noqa: PLC0415 - SQLAlchemy takes a while

    # A terminal and a service manager signal everybody at once; the last records come after that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    keeping, log_format = read_orders(sys.stdin.readline())
    configure_logs(log_format)
    run_loader(keeping, _input_ends_within)


def _input_ends_within(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)
