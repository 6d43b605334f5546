"""Open the store of recorded traffic for a command, with what still waits in the journals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.cli.load_config import settings_or_exit
from proxy.config.settings import store_url_of
from proxy.terminal import exit_with_error, print_to_stderr
from proxy.timestamps import to_milliseconds
from proxy.traffic import ReadOnlyStoreError, StoreError, journal_directory, open_store

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store

_MAX_WAIT_SECONDS: Final = 2
"""Limit on waiting for a running loader, which looks at the journals twice a second."""
_POLL_SECONDS: Final = 0.05


@contextmanager
def open_traffic_store(config: Path | None, secrets: Path | None, *, demo: bool) -> Iterator[Store]:
    """Open the store that the settings name, or the demo's; exit with 2 if it cannot be opened."""
    settings = settings_or_exit(config, secrets)
    state_dir = settings.state_dir / "demo" if demo else settings.state_dir
    url = store_url_of(settings, state_dir, demo=demo)
    try:
        try:
            store = open_store(url)
        except ReadOnlyStoreError:
            store = open_store(url, read_only=True)
        try:
            _catch_up(store, state_dir)
            yield store
        finally:
            store.close()
    except StoreError as exc:
        exit_with_error(str(exc))


def _catch_up(store: Store, state_dir: Path) -> None:
    """Load what this machine's workers have written so far; leave a read-only store unchanged."""
    from proxy.traffic.journal.loader import Loader, loader_lock  # noqa: PLC0415 - SQLAlchemy takes a while
    from proxy.traffic.status import loader_state_in, read_status  # noqa: PLC0415 - few verbs need it

    directory = journal_directory(state_dir)
    started = time.time()
    with suppress(OSError, ReadOnlyStoreError):
        while True:
            with loader_lock(directory) as is_alone:
                if is_alone:
                    Loader(directory, store).load()
                    return
            # Another loader holds the lock: a server's, or one that outlives its server briefly.
            status = read_status(loader_state_in(directory))
            if status is not None and status.complete_until >= to_milliseconds(started):
                return
            if time.time() - started > _MAX_WAIT_SECONDS:
                print_to_stderr(
                    "holdover: the most recent exchanges are still being loaded and are missing "
                    "here; try again in a few seconds"
                )
                return
            time.sleep(_POLL_SECONDS)
