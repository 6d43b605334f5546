"""`holdover load`: move records from the journals into the store; `serve` runs it as a child."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import Final

from proxy.cli.traffic.open_store import open_traffic_store
from proxy.observability.log_config import configure_logs
from proxy.server.loader_subprocess import decode_loader_config

_NICENESS: Final = 10


def run_load(config: Path | None, secrets: Path | None, *, until_eof: bool) -> None:
    """Load what is in the journals once; with `until_eof`, keep loading until stdin ends."""
    if not until_eof:
        with open_traffic_store(config, secrets, demo=False):
            return
    from proxy.traffic.loader_process import run_loader  # noqa: PLC0415 - SQLAlchemy takes a while

    # Terminals and service managers signal the whole group; the workers' last records come later.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    loader_config, log_format = decode_loader_config(sys.stdin.readline())
    configure_logs(log_format)
    # Once stdin has ended, it is readable.
    run_loader(loader_config, lambda seconds: bool(select.select([sys.stdin], [], [], seconds)[0]))
