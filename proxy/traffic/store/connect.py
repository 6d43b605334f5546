"""
A database that is there, is a store, and is of this version: its engine.

A file is made for its owner's eyes only. While one process makes or upgrades
it, others wait.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, func, select

from proxy.private_files import make_directory, open_file
from proxy.traffic.store.engines import postgresql_engine, sqlite_engine
from proxy.traffic.store.errors import ReadOnlyStoreError, StoreError
from proxy.traffic.store.migrate import bring_up_to_date, check_current
from proxy.traffic.store.schema import exchanges


def open_sqlite(file: Path, *, read_only: bool) -> Engine:
    """Make the file, if it is to be written; raises `StoreError`."""
    if read_only:
        if not file.exists():
            raise StoreError(f"{file} does not exist: nothing has been recorded there")
        with _kept(sqlite_engine(file, read_only=True)) as engine:
            check_current(engine, str(file))
        return engine
    try:
        with _alone(file), _kept(sqlite_engine(file, read_only=False)) as engine:
            bring_up_to_date(engine, str(file))
    except OSError as exc:
        raise StoreError(f"{file} cannot be made or opened: {exc.strerror}") from exc
    return engine


def open_postgresql(url: str, *, read_only: bool) -> Engine:
    """The server is there already; raises `StoreError`."""
    engine, name = postgresql_engine(url, read_only=read_only)
    with _kept(engine):
        if read_only:
            check_current(engine, name)
        else:
            bring_up_to_date(engine, name)
            _check_writable(engine, name)
    return engine


def _check_writable(engine: Engine, name: str) -> None:
    is_standby = func.current_setting("transaction_read_only") == "on"
    may_insert = func.has_table_privilege(exchanges.name, "INSERT")
    with engine.connect() as connection:
        if connection.execute(select(is_standby | ~may_insert)).scalar_one():
            raise ReadOnlyStoreError(f"{name} cannot be written: by this user, or at all")


@contextmanager
def _kept(engine: Engine) -> Iterator[Engine]:
    """Let go of it if it turns out to be unfit."""
    try:
        yield engine
    except BaseException:
        engine.dispose()
        raise


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Nobody else makes it meanwhile: in switching to a write-ahead log, one of two would fail."""
    make_directory(file.parent)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        if file.exists() and not (_may_write(file) and _may_write(file.parent)):
            raise ReadOnlyStoreError(
                f"{file} cannot be written: it, or its directory, is read-only"
            )
        if not file.exists():
            os.close(open_file(file, os.O_WRONLY))
        yield
    finally:
        os.close(directory)


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)
