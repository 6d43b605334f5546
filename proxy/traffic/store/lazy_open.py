"""Opens a store; SQLAlchemy is imported only when this is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store


def open_store(url: str, *, read_only: bool = False, patience: float | None = None) -> Store:
    """
    Open the store at a URL; create or upgrade it unless `read_only`. Raises `StoreError`.

    `patience` limits the seconds of waiting for locks of SQLite's and for a connection.
    """
    from proxy.traffic.store.store import Store  # noqa: PLC0415 - the import takes half a second

    return Store.open(url, read_only=read_only, patience=patience)
