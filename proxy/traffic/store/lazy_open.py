"""Opening a store, without SQLAlchemy for those who never open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store


def open_store(url: str, *, read_only: bool = False) -> Store:
    """The store at this address, made or brought up to date if need be; raises `StoreError`."""
    from proxy.traffic.store.store import Store  # noqa: PLC0415 - half a second

    return Store.open(url, read_only=read_only)
