"""The loader's process, beside that of the server."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import typer

_HEAD_START_SECONDS: Final = 1
"""For the workers, which somebody waits for; and between a loader and the next."""


def start_loader(config: Path | None, secrets: Path | None) -> None:
    """Keep a loader running for as long as this process does; it ends by itself after it."""
    given = {"--config": config, "--secrets": secrets}
    options = [word for name, path in given.items() if path for word in (name, str(path))]
    command = [sys.executable, "-m", "proxy", "load", "--until-eof", *options]
    threading.Thread(target=_keep_running, args=[command], daemon=True).start()


def _keep_running(command: list[str]) -> None:
    while True:
        time.sleep(_HEAD_START_SECONDS)
        with subprocess.Popen(command, stdin=subprocess.PIPE) as loader:  # noqa: S603 - our own
            loader.wait()
        typer.echo("holdover: the loader has ended, and is begun again", err=True)
