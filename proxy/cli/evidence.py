"""The evidence that a verb asks: the store, with what still waits in the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.configured import settings_or_exit
from proxy.cli.terminal import stop
from proxy.settings import Settings
from proxy.traffic import ReadOnlyStore, StoreProblem, default_url, journal_directory, open_store

if TYPE_CHECKING:
    from proxy.traffic.store import Store


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
    except StoreProblem as exc:
        stop(str(exc))


def store_url_of(settings: Settings, state_dir: Path, *, demo: bool = False) -> str:
    """Where the store is; that of the demo is on this machine whatever the settings say."""
    given = settings.traffic_url
    return default_url(state_dir) if given is None or demo else given.get_secret_value()


def _opened(url: str) -> Store:
    try:
        return open_store(url)
    except ReadOnlyStore:
        return open_store(url, read_only=True)


def _catch_up(store: Store, state_dir: Path) -> None:
    """Load what this machine's workers have written since; a store that is only read stays."""
    from proxy.traffic.loader import Loader, alone  # noqa: PLC0415 - SQLAlchemy takes a while

    directory = journal_directory(state_dir)
    with suppress(OSError, ReadOnlyStore), alone(directory) as is_alone:
        if is_alone:  # else a loader is at it
            Loader(directory, store).load()
