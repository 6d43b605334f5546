"""
Opens a database as a store, creating or upgrading its tables as needed.

A SQLite file is created readable by its owner only. While one process creates or
upgrades a store, other processes wait.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, func, select

from proxy.private_files import make_directory, open_file
from proxy.traffic.store.database.engines import postgresql_engine, sqlite_engine
from proxy.traffic.store.errors import ReadOnlyStoreError, StoreError
from proxy.traffic.store.migrate import check_current, upgrade
from proxy.traffic.store.rollups.build import repair as repair_rollups
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.text_index.blocks import repair as repair_text_index

_CREATION_SECONDS: Final = 15.0
"""Longer than another process waits for a lock of SQLite's while it opens the file."""
_POLL_SECONDS: Final = 0.05


def open_sqlite(file: Path, *, read_only: bool, patience: float | None = None) -> Engine:
    """Open a SQLite file; create it unless `read_only`. Raises `StoreError`."""
    if read_only:
        try:
            engine = sqlite_engine(file, read_only=True, patience=patience)
            with _disposed_on_error(engine):
                check_current(engine, str(file))
        except StoreError as exc:
            if _is_missing(file):  # only asked now, since it may be deleted at any moment
                raise StoreError(
                    f"{file} does not exist: no traffic has been recorded there yet"
                ) from exc
            raise
        return engine
    try:
        with (
            _creation_lock(file),
            _disposed_on_error(sqlite_engine(file, read_only=False, patience=patience)) as engine,
        ):
            upgrade(engine, str(file))
            repair_rollups(engine)
            repair_text_index(engine)
    except OSError as exc:
        raise StoreError(f"{file} cannot be created or opened: {exc.strerror}") from exc
    return engine


def open_postgresql(url: str, *, read_only: bool, patience: float | None = None) -> Engine:
    """Open a database of a running PostgreSQL server; raises `StoreError`."""
    engine, name = postgresql_engine(url, read_only=read_only, patience=patience)
    with _disposed_on_error(engine):
        if read_only:
            check_current(engine, name)
        else:
            upgrade(engine, name)
            repair_rollups(engine)
            repair_text_index(engine)
            is_standby = func.current_setting("transaction_read_only") == "on"
            may_insert = func.has_table_privilege(exchanges.name, "INSERT")
            with engine.connect() as connection:
                is_read_only = connection.execute(select(is_standby | ~may_insert)).scalar_one()
            if is_read_only:
                raise ReadOnlyStoreError(
                    f"{name} cannot be written: the server is read-only, or this user may not"
                    " insert"
                )
    return engine


def _is_missing(file: Path) -> bool:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # such as a directory that this user may not enter
        return False
    return False


@contextmanager
def _disposed_on_error(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    except BaseException:
        engine.dispose()
        raise


@contextmanager
def _creation_lock(file: Path) -> Iterator[None]:
    """Keep other processes from creating the file; two that switch it to WAL would collide."""
    make_directory(file.parent)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        _wait_for_lock(directory, file)
        if file.exists() and not (_may_write(file) and _may_write(file.parent)):
            raise ReadOnlyStoreError(
                f"{file} cannot be written: the file or its directory is read-only"
            )
        if not file.exists():
            os.close(open_file(file, os.O_WRONLY))
        yield
    finally:
        os.close(directory)


def _wait_for_lock(directory: int, file: Path) -> None:
    deadline = time.monotonic() + _CREATION_SECONDS
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{file} is being opened or upgraded by another Holdover, which does not get "
                    "on: let it finish, or stop it, then try again",
                    may_pass=True,
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)
