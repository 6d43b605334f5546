"""The evidence that a verb asks: the store, with what still waits in the journal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.cli.load_config import settings_or_exit
from proxy.config.settings import store_url_of
from proxy.terminal import stop, tell
from proxy.timestamps import to_milliseconds
from proxy.traffic import ReadOnlyStoreError, StoreError, journal_directory, open_store

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store

_PATIENCE_SECONDS: Final = 2
"""With a loader, which looks twice a second."""
_POLL_SECONDS: Final = 0.05


@contextmanager
def open_evidence(config: Path | None, secrets: Path | None, *, demo: bool) -> Iterator[Store]:
    """The store that the settings name, or status 2; `demo`: that of the demo."""
    settings = settings_or_exit(config, secrets)
    state_dir = settings.state_dir / "demo" if demo else settings.state_dir
    try:
        store = _opened(store_url_of(settings, state_dir, demo=demo))
        try:
            _catch_up(store, state_dir)
            yield store
        finally:
            store.close()
    except StoreError as exc:
        stop(str(exc))


def _opened(url: str) -> Store:
    try:
        return open_store(url)
    except ReadOnlyStoreError:
        return open_store(url, read_only=True)


def _catch_up(store: Store, state_dir: Path) -> None:
    """Have loaded what this machine's workers have written; a store that is only read stays."""
    from proxy.traffic.journal.loader import Loader, alone  # noqa: PLC0415 - SQLAlchemy takes a while

    directory = journal_directory(state_dir)
    asked = time.time()
    with suppress(OSError, ReadOnlyStoreError):
        while True:
            with alone(directory) as is_alone:
                if is_alone:
                    Loader(directory, store).load()
                    return
            # A loader is at it: beside a server, or for a moment after the server has ended.
            if _is_loaded(directory, asked):
                return
            if time.time() - asked > _PATIENCE_SECONDS:
                tell("holdover: what came by last is still being loaded, and missing here")
                return
            time.sleep(_POLL_SECONDS)


def _is_loaded(directory: Path, moment: float) -> bool:
    """Whether what was in the journals then is in the store, as the loader says."""
    from proxy.traffic.status import loader_state_in, read_status  # noqa: PLC0415 - few verbs need it

    status = read_status(loader_state_in(directory))
    return status is not None and status.complete_until >= to_milliseconds(moment)
