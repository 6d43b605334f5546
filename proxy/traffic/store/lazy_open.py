"""Opens a store; SQLAlchemy and drivers are imported only when this is called."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from proxy.traffic.store.database.url import checked_url

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store


def open_store(url: str, *, read_only: bool = False, patience: float | None = None) -> Store:
    """
    Open the store at a URL; create or upgrade it unless `read_only`. Raises `StoreError`.

    `patience` limits the seconds of waiting for locks of SQLite's and for a connection.
    """
    from proxy.traffic.store.store import Store  # noqa: PLC0415 - the import takes half a second

    return Store.open(url, read_only=read_only, patience=patience)


def import_store(url: str) -> None:
    """Import what opening the store at a URL needs, so that whoever opens it need not wait."""
    from sqlalchemy import make_url  # noqa: PLC0415

    import proxy.traffic.store.store  # noqa: F401, PLC0415

    with suppress(ImportError):  # which `open_store` says in words of its own
        make_url(checked_url(url)).get_dialect().import_dbapi()
