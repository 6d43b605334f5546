"""Open the store of recorded traffic for a command, with what still waits in the journals."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.cli.load_config import settings_or_exit
from proxy.config.settings import store_url_of
from proxy.terminal import exit_with_error, print_to_stderr
from proxy.traffic import (
    ReadOnlyStoreError,
    StoreError,
    journal_directory,
    open_store,
    waiting_bytes,
)

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store

_MAX_WAIT_SECONDS: Final = 15
"""Limit on waiting for a running loader, which looks at the journals twice a second, and on a busy
machine stays at idle priority for up to ten."""
_LONG_WAIT_SECONDS: Final = 30
"""Limit on waiting for the loader in a command whose exit status somebody relies on."""
_POLL_SECONDS: Final = 0.05


@contextmanager
def open_traffic_store(
    config: Path | None, secrets: Path | None, *, demo: bool, must_be_complete: bool = False
) -> Iterator[Store]:
    """
    Open the store that the settings name, or the demo's; exit with 2 if it cannot be opened.

    What is still in the journals is loaded first. If that is not possible, the user is told;
    with `must_be_complete` the command ends with 2 instead.
    """
    settings = settings_or_exit(config, secrets)
    state_dir = settings.state_dir / "demo" if demo else settings.state_dir
    url = store_url_of(settings, state_dir, demo=demo)
    try:
        try:
            store = open_store(url)
        except ReadOnlyStoreError:
            store = open_store(url, read_only=True)
        try:
            patience = _LONG_WAIT_SECONDS if must_be_complete else _MAX_WAIT_SECONDS
            if missing := _catch_up(store, url, state_dir, patience):
                if must_be_complete:
                    exit_with_error(missing)
                print_to_stderr(f"holdover: {missing}")
            yield store
        finally:
            store.close()
    except StoreError as exc:
        exit_with_error(str(exc))


def _catch_up(store: Store, url: str, state_dir: Path, patience: float) -> str | None:
    """
    Load what this machine's workers have written so far; leave a read-only store unchanged.

    Returns what is missing in the store, in a sentence for the user, or None.
    """
    directory = journal_directory(state_dir)
    if not directory.exists():
        return None
    from proxy.traffic.journal.destination import is_for_another_store  # noqa: PLC0415 - few verbs need it
    from proxy.traffic.journal.loader import loader_lock  # noqa: PLC0415 - SQLAlchemy takes a while
    from proxy.traffic.status import loader_state_in, read_status  # noqa: PLC0415 - few verbs need it

    if is_for_another_store(directory, url):
        return (
            f"the server that uses {state_dir} records into another store than this command reads, "
            "so its traffic is missing here; give the command the server's traffic_url, in the "
            "settings file, as HOLDOVER_TRAFFIC_URL or by --secrets"
        )
    started = time.monotonic()
    with suppress(OSError, ReadOnlyStoreError):
        while True:
            with loader_lock(directory) as is_alone:
                if is_alone:
                    return _load(directory, store)
            # Another loader holds the lock: a server's, or one that outlives its server briefly.
            status = read_status(loader_state_in(directory))
            if status is not None and status.look_began >= started:
                return None
            if time.monotonic() > started + patience:
                return (
                    "the most recent exchanges are still being loaded and are missing here; try "
                    "again in a few seconds"
                )
            time.sleep(_POLL_SECONDS)
    if directory.exists() and not os.access(directory, os.R_OK | os.X_OK, effective_ids=True):
        waiting = "what waits there, if anything"
    else:
        status = read_status(loader_state_in(directory))
        size = waiting_bytes(directory) - (status.read_bytes if status else 0)
        if size <= 0:
            return None
        waiting = f"{size:,} bytes"
    return (
        f"{directory}: {waiting}, cannot be loaded from here, so the most recent exchanges may be "
        "missing; run `holdover serve`, or this command as the server's user"
    )


def _load(directory: Path, store: Store) -> str | None:
    """Load journals whose lock is held; return a sentence about what could not be, or None."""
    from proxy.traffic.journal.loader import Loader  # noqa: PLC0415 - SQLAlchemy takes a while

    try:
        Loader(directory, store).load()
    except StoreError as exc:  # somebody writes it, for example: what is there can be read
        return f"{exc}; the most recent exchanges may be missing here"
    return None
