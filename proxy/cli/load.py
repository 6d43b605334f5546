"""From the journals into the store: what `serve` keeps running beside itself."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import Final

from proxy.cli.configured import settings_or_exit
from proxy.cli.evidence import open_evidence, store_url_of
from proxy.log_config import configure_logs
from proxy.traffic import journal_directory

_NICENESS: Final = 10


def run_load(config: Path | None, secrets: Path | None, *, until_eof: bool) -> None:
    """Load what is there; or go on until standard input ends, which it does with who holds it."""
    if not until_eof:
        with open_evidence(config, secrets, demo=False):
            return
    from proxy.loading import Keeping, keep_loading  # noqa: PLC0415 - SQLAlchemy takes a while

    # A terminal and a service manager signal everybody at once; the last records come after that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    settings = settings_or_exit(config, secrets)
    configure_logs(settings.log_format)
    keeping = Keeping(
        directory=journal_directory(settings.state_dir),
        url=store_url_of(settings, settings.state_dir),
        days=settings.traffic_days,
        max_bytes=settings.traffic_max_bytes,
    )
    keep_loading(keeping, _input_ends_within)


def _input_ends_within(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)
