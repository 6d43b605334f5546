"""Run the loader as a subprocess of the server."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, TextIO

import structlog

from proxy.config.settings import Settings, store_url_of
from proxy.import_path import program_command
from proxy.private_files import make_directory, open_file
from proxy.server.loader_program import encode_loader_config
from proxy.terminal import exit_with_error
from proxy.traffic import journal_directory
from proxy.traffic.journal.destination import destination_file, digest_of_store
from proxy.traffic.status import LoaderConfig
from proxy.workers.shared_state import directory_for

log = structlog.get_logger()

_MAX_DELAY_SECONDS: Final = 60
_START_DELAY_SECONDS: Final = 1
"""Lets the workers start first, since clients wait for them; also the pause before a restart."""


def start_loader(settings: Settings, config: Path | None) -> None:
    """Keep a loader running as long as this process lives; it ends by itself afterwards."""
    loader_config = loader_config_of(settings, config)
    lock = claim_journal_directory(loader_config)
    encoded_config = encode_loader_config(loader_config, settings.log_format)
    threading.Thread(target=_keep_running, args=[encoded_config, lock], daemon=True).start()


def loader_config_of(settings: Settings, config: Path | None) -> LoaderConfig:
    """Return the configuration of the loader for a server with these settings."""
    return LoaderConfig(
        directory=journal_directory(settings.state_dir),
        url=store_url_of(settings, settings.state_dir),
        content_days=settings.traffic_content_days,
        days=settings.traffic_days,
        rollup_days=settings.traffic_rollup_days,
        max_bytes=settings.traffic_max_bytes,
        text_index=settings.traffic_text_index,
        notes=directory_for(settings.state_dir, config),
    )


def claim_journal_directory(loader_config: LoaderConfig) -> TextIO | None:
    """
    Lock the journal directory for one store while this process lives, or exit with status 2.

    Servers may share a directory of journals only if they share the store too:
    a loader cannot tell whose journals it loads. Returns None if the directory
    is not writable, in which case there will be no journals either.
    """
    path = destination_file(loader_config.directory)
    store_digest = digest_of_store(loader_config.url)
    try:
        make_directory(loader_config.directory)
        with ExitStack() as stack:
            file = stack.enter_context(os.fdopen(open_file(path, os.O_RDWR), "r+"))
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # succeeds for the first server
                file.truncate(0)
                file.write(store_digest)
                file.flush()
            fcntl.flock(file, fcntl.LOCK_SH)
            file.seek(0)
            if file.read() != store_digest:
                state_dir = loader_config.directory.parents[1]
                exit_with_error(
                    f"state_dir: another Holdover uses {state_dir} with a different traffic_url; "
                    "give each its own state_dir, or both the same traffic_url"
                )
            stack.pop_all()
            return file
    except OSError:
        return None


def _keep_running(encoded_config: bytes, _lock: TextIO | None) -> None:
    command = program_command("proxy.server.loader_program")
    delay: float = _START_DELAY_SECONDS
    while True:
        time.sleep(delay)
        began, status = time.monotonic(), None
        with (
            suppress(OSError),
            subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0) as loader,  # noqa: S603 - our own
        ):
            assert loader.stdin is not None
            loader.stdin.write(encoded_config)
            status = loader.wait()
        # One that ends soon again and again would fill the log.
        was_brief = time.monotonic() - began < _MAX_DELAY_SECONDS
        delay = min(2 * delay, _MAX_DELAY_SECONDS) if was_brief else _START_DELAY_SECONDS
        log.error("loader_ended", status=status, restarted_after_seconds=delay)
