"""
SQLAlchemy engines for both databases, set up for many readers and a writer that must not wait.

Whatever a database complains of comes out of them as a `StoreError`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url

from proxy.traffic.store.database_errors import (
    Told,
    translate_database_error,
    translate_postgresql_error,
    translate_sqlite_error,
)
from proxy.traffic.store.errors import StoreError

BEGINS: Final = "holdover_begins"
"""Execution option: how a transaction begins on SQLite, if not by reading."""

_BUSY_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = "10"
_PRAGMAS: Final = (
    "auto_vacuum = INCREMENTAL",  # before there are tables, or not at all
    "journal_mode = WAL",
    "synchronous = NORMAL",  # of what a power cut takes, the journal still has the last minutes
    "cache_size = -65536",  # KiB: ids are random, and so is their index
)


def sqlite_engine(file: Path, *, read_only: bool) -> Engine:
    """For a file that is there."""
    query = {"uri": "true", "mode": "ro" if read_only else "rw"}
    if read_only and _is_at_rest(file):
        query["immutable"] = "1"
    place = URL.create("sqlite", database=f"file:{quote(str(file))}", query=query)
    engine = create_engine(place, connect_args={"timeout": _BUSY_SECONDS})
    opened = _identity_of(file)

    @event.listens_for(engine, "checkout")
    def _check(*_: object) -> None:
        # Into a file that is no longer there SQLite writes on, and what it takes is gone.
        if _identity_of(file) != opened:
            raise StoreError(f"{file} has been moved or deleted", may_pass=True)

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None  # sqlite3 begins transactions late, or not at all
        for pragma in ("query_only = ON",) if read_only else _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        how = connection.get_execution_options().get(BEGINS, "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {how}")

    _tell(engine, lambda cause: translate_sqlite_error(cause, str(file)))
    return engine


def postgresql_engine(url: str, *, read_only: bool) -> tuple[Engine, str]:
    """For an address with its driver in it; and what to call it in messages."""
    place = make_url(url)
    place = place.update_query_dict(
        {
            "connect_timeout": _CONNECT_SECONDS,
            "tcp_user_timeout": "30000",  # milliseconds: a server whose machine is gone
            "keepalives_idle": "30",  # seconds: the same, while we wait for what it says
            "application_name": "holdover",
            **place.query,
        }
    )
    options = {"postgresql_readonly": read_only}
    try:
        engine = create_engine(place, pool_pre_ping=True, execution_options=options)
    except ImportError as exc:
        raise StoreError("PostgreSQL needs a driver: pip install 'holdover[postgres]'") from exc
    name = f"PostgreSQL at {place.host or 'localhost'}:{place.port or 5432}/{place.database or ''}"
    _tell(engine, lambda cause: translate_postgresql_error(cause, name))
    return engine, name


def _tell(engine: Engine, told: Told) -> None:
    @event.listens_for(engine, "handle_error", retval=True)
    def _replace(context: ExceptionContext) -> Exception | None:
        return translate_database_error(
            context.sqlalchemy_exception, context.original_exception, told
        )


def _identity_of(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_at_rest(file: Path) -> bool:
    """Whether nobody can be writing to it: SQLite itself could not make sure of that here."""
    may_write = os.access(file.parent, os.W_OK, effective_ids=True)
    return not may_write and not file.with_name(f"{file.name}-wal").exists()
