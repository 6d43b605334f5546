"""
SQLAlchemy engines for SQLite and PostgreSQL, set up for many readers and one writer.

Every error of a database leaves these engines as a `StoreError` or `UnacceptableEntry`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ExceptionContext,
    create_engine,
    event,
    make_url,
)

from proxy.traffic.store.database.engine_errors import (
    ErrorTranslator,
    translate_database_error,
    translate_postgresql_error,
    translate_sqlite_error,
)
from proxy.traffic.store.database.url import place_of_store
from proxy.traffic.store.errors import StoreError

BEGINS: Final = "holdover_begins"
"""Execution option: the mode in which SQLite begins a transaction; the default is DEFERRED."""

_BUSY_SECONDS: Final = 10.0
"""A disk may keep a process with a lock waiting for seconds."""
_CONNECT_SECONDS: Final = 10
_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = NORMAL",  # a power cut may take minutes, which the journal still has
    "cache_size = -65536",  # KiB: ids are random, so inserts touch the whole index
)


def sqlite_engine(file: Path, *, read_only: bool, patience: float | None = None) -> Engine:
    """Return an engine for an existing file; `patience` limits the seconds of waiting for locks."""
    query = {"uri": "true", "mode": "ro" if read_only else "rw"}
    may_write = os.access(file.parent, os.W_OK, effective_ids=True)
    if read_only and not may_write and _identity_of(file.with_name(f"{file.name}-wal")) is None:
        # In a read-only directory SQLite cannot create its lock files, so the file can only be
        # opened as immutable. Without a WAL there, no process can be writing to it.
        query["immutable"] = "1"
    place = URL.create("sqlite", database=f"file:{quote(str(file))}", query=query)
    timeout = _BUSY_SECONDS if patience is None else patience
    engine = create_engine(place, connect_args={"timeout": timeout})
    opened = _identity_of(file)

    @event.listens_for(engine, "checkout")
    def _check(*_: object) -> None:
        # SQLite goes on writing into a deleted file, and those rows would be lost.
        if _identity_of(file) != opened:
            raise StoreError(f"{file} was moved or deleted while it was open", may_pass=True)

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:
        connection.isolation_level = (
            None  # autocommit: `_begin` starts transactions, sqlite3 would do it late
        )
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            return
        # It has an effect on an empty file only, but would wait for whoever is writing to any.
        if connection.execute("PRAGMA page_count").fetchone() == (0,):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        how = connection.get_execution_options().get(BEGINS, "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {how}")

    _translate_errors(engine, lambda cause: translate_sqlite_error(cause, str(file)))
    return engine


def postgresql_engine(
    url: str, *, read_only: bool, patience: float | None = None
) -> tuple[Engine, str]:
    """
    Return an engine for a checked URL, and the name of the database for messages.

    `patience` limits the seconds of connecting; the driver knows no less than two.
    """
    connecting = _CONNECT_SECONDS if patience is None else max(2, round(patience))
    place = make_url(url)
    place = place.update_query_dict(
        {
            "connect_timeout": str(connecting),
            "tcp_user_timeout": "30000",  # milliseconds that sent data may stay unacknowledged
            "keepalives_idle": "30",  # seconds of silence before the kernel probes the server
            "application_name": "holdover",
            **place.query,
        }
    )
    options = {"postgresql_readonly": read_only}
    try:
        engine = create_engine(place, pool_pre_ping=True, execution_options=options)
    except ImportError as exc:
        raise StoreError("PostgreSQL needs a driver: pip install 'holdover[postgres]'") from exc
    name = place_of_store(url)
    _translate_errors(engine, lambda cause: translate_postgresql_error(cause, name))
    return engine, name


def _translate_errors(engine: Engine, translate: ErrorTranslator) -> None:
    @event.listens_for(engine, "handle_error", retval=True)
    def _replace(context: ExceptionContext) -> Exception | None:
        return translate_database_error(
            context.sqlalchemy_exception, context.original_exception, translate
        )


def _identity_of(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
