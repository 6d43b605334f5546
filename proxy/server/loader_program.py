"""
The program of the loader's process: what the server starts, and tells on stdin.

It imports no more than loading needs: neither the command line nor the settings.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from typing import Final

import msgspec
import structlog

from proxy.observability.log_config import LogFormat, configure_logs
from proxy.security.redaction import describe_crash
from proxy.server.memory import GC_THRESHOLD
from proxy.traffic.status import LoaderConfig

log = structlog.get_logger()

_NICENESS: Final = 10


def encode_loader_config(loader_config: LoaderConfig, log_format: LogFormat) -> bytes:
    """Encode a loader's configuration for its stdin, as the settings file may change meanwhile."""
    return msgspec.json.encode((loader_config, log_format), enc_hook=str) + b"\n"


def decode_loader_config(line: bytes | str) -> tuple[LoaderConfig, LogFormat]:
    """Decode what `encode_loader_config` has encoded."""
    return msgspec.json.decode(
        line, type=tuple[LoaderConfig, LogFormat], dec_hook=lambda kind, value: kind(value)
    )


def main() -> None:
    """Load what is in the journals until stdin ends; exit with 1 after a crash, which is logged."""
    gc.set_threshold(GC_THRESHOLD)
    configure_logs("auto")  # until it is told which
    try:
        from proxy.traffic.loader_process import run_loader  # noqa: PLC0415 - it takes a while

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
        raise SystemExit(1) from None
