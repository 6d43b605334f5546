"""The loader's process, beside that of the server."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from typing import Final, TextIO

import msgspec

from proxy.config.settings import Settings, store_url_of
from proxy.import_path import holdover_again
from proxy.observability.log_config import LogFormat
from proxy.private_files import make_directory, open_file
from proxy.terminal import stop, tell
from proxy.traffic import journal_directory
from proxy.traffic.status import LoaderConfig

_HEAD_START_SECONDS: Final = 1
"""For the workers, which somebody waits for; and between a loader and the next."""


def start_loader(settings: Settings) -> None:
    """Keep a loader running for as long as this process does; it ends by itself after it."""
    keeping = LoaderConfig(
        directory=journal_directory(settings.state_dir),
        url=store_url_of(settings, settings.state_dir),
        days=settings.traffic_days,
        max_bytes=settings.traffic_max_bytes,
    )
    held, orders = claim_journal_directory(keeping), orders_for(keeping, settings.log_format)
    threading.Thread(target=_keep_running, args=[orders, held], daemon=True).start()


def orders_for(keeping: LoaderConfig, log_format: LogFormat) -> bytes:
    """What a loader is told, over its standard input: the settings file may be bad by then."""
    return msgspec.json.encode((keeping, log_format), enc_hook=str) + b"\n"


def read_orders(line: bytes | str) -> tuple[LoaderConfig, LogFormat]:
    """The other end of it."""
    return msgspec.json.decode(
        line, type=tuple[LoaderConfig, LogFormat], dec_hook=lambda kind, value: kind(value)
    )


def claim_journal_directory(keeping: LoaderConfig) -> TextIO | None:
    """
    Hold the journals for one store while this process lives, or exit with status 2.

    Servers may share a directory of journals, but then also the store: who
    loads them does not know whose they are. None: it cannot be written to, and
    so there will be no journals either.
    """
    path = keeping.directory.parent / "store"
    try:
        make_directory(keeping.directory)
        with ExitStack() as closing:
            file = closing.enter_context(os.fdopen(open_file(path, os.O_RDWR), "r+"))
            _agree(file, keeping)
            closing.pop_all()
            return file
    except OSError:
        return None


def _agree(file: TextIO, keeping: LoaderConfig) -> None:
    mine = _digest_of(keeping.url)
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else is there
        file.truncate(0)
        file.write(mine)
        file.flush()
    fcntl.flock(file, fcntl.LOCK_SH)
    file.seek(0)
    if file.read() != mine:
        used = f"{keeping.directory.parents[1]} is used by a Holdover with another traffic_url"
        stop(f"state_dir: {used}")


def _digest_of(url: str) -> str:
    """Of the store, whoever asks for it: there may be passwords before and after its place."""
    place = url.rpartition("@")[2].partition("?")[0]
    return hashlib.blake2b(place.encode(), digest_size=16).hexdigest()


def _keep_running(orders: bytes, _held: TextIO | None) -> None:
    while True:
        time.sleep(_HEAD_START_SECONDS)
        with suppress(OSError):
            _run(orders)
        tell("holdover: the loader has ended, and is begun again")


def _run(orders: bytes) -> None:
    command = holdover_again("load", "--until-eof")
    with subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0) as loader:  # noqa: S603 - our own
        assert loader.stdin is not None
        loader.stdin.write(orders)
        loader.wait()
