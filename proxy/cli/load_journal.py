"""`holdover load`: move records from the journals into the store; `serve` runs it as a child."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import Final

import structlog
import typer

from proxy.cli.traffic.open_store import open_traffic_store
from proxy.observability.log_config import configure_logs
from proxy.security.redaction import describe_crash
from proxy.server.loader_subprocess import decode_loader_config

log = structlog.get_logger()

_NICENESS: Final = 10


def run_load(config: Path | None, secrets: Path | None, *, until_eof: bool) -> None:
    """Load what is in the journals once; with `until_eof`, keep loading until stdin ends."""
    if not until_eof:
        with open_traffic_store(config, secrets, demo=False):
            return
    configure_logs("auto")  # until it is told which
    try:
        from proxy.traffic.loader_process import run_loader  # noqa: PLC0415 - SQLAlchemy takes a while

        # Terminals and service managers signal the whole group; the workers' last records come
        # later.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.nice(_NICENESS)
        if told := sys.stdin.readline():  # else the server has ended at once
            loader_config, log_format = decode_loader_config(told)
            configure_logs(log_format)
            # Once stdin has ended, it is readable.
            run_loader(
                loader_config, lambda seconds: bool(select.select([sys.stdin], [], [], seconds)[0])
            )
    except Exception as exc:  # noqa: BLE001 - one line in the log of the server, which restarts it
        log.error("loader_crashed", **describe_crash(exc))
        raise typer.Exit(1) from None
