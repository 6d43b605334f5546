"""
Translation of database errors into texts for operators, with the chance of a retry.

Driver messages name hosts, users and files, but no passwords. SQL and its values
are never repeated, because they contain clients' traffic.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from proxy.traffic.store.database.lock_holders import describe_lock_holders
from proxy.traffic.store.errors import (
    BusyStoreError,
    MissingDayError,
    ReadOnlyStoreError,
    StoreError,
    UnacceptableEntry,
)

ErrorTranslator: TypeAlias = Callable[[BaseException], Exception]

_SQLITE: Final = {
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", True),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk, or its mount, reports an error",
        True,
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened: check that it is a file and that this user may read it",
        False,
    ),
    sqlite3.SQLITE_NOTADB: (
        "is not a SQLite database: move it away, or configure another file",
        False,
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged: move it away, with its -wal and -shm files, and a new one is created;"
        " `sqlite3 FILE .recover` saves what can still be read",
        False,
    ),
}
_PASSING_STATES: Final = re.compile("08|40|53|55|57|58")
"""
Classes of SQLSTATE that may pass: connection, transaction rollback, resources, lock not
available, operator intervention, system error.
"""
_READ_ONLY_STATES: Final = {"25006", "42501"}
_NO_PARTITION: Final = "23514"
"""SQLSTATE of a check that failed: no table has any but the bounds of its partitions."""
_LOCK_NOT_AVAILABLE: Final = "55P03"
_TOO_LARGE: Final = "54"
"""Class of SQLSTATE: the value exceeds a limit of PostgreSQL."""
_REFUSALS: Final = re.compile(
    "authentication failed|no password supplied|no pg_hba.conf entry|not permitted to log in"
    "|does not exist|permission denied|invalid .*(option|value)"
)
"""
Messages that mean a lasting refusal. A failed connection has no SQLSTATE, so only its English
text can be matched; any other text counts as an error that may pass.
"""


def translate_database_error(
    error: Exception | None, cause: BaseException, translate: ErrorTranslator
) -> Exception | None:
    """Return the error to raise instead of SQLAlchemy's; None if the database is not its cause."""
    if getattr(cause, "sqlstate", None) == _NO_PARTITION:
        return MissingDayError("there is no partition for the day of a record", may_pass=True)
    if isinstance(error, DataError | IntegrityError):
        return UnacceptableEntry(type(cause).__name__)
    if isinstance(error, DBAPIError):
        return translate(cause)
    if isinstance(cause, OverflowError | UnicodeError):  # raised while a value was converted
        return UnacceptableEntry(type(cause).__name__)
    return None


def translate_sqlite_error(error: BaseException, name: str) -> StoreError:
    """Return the error that describes a problem with a SQLite file."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits are the extended code
    if code == sqlite3.SQLITE_READONLY:
        return ReadOnlyStoreError(
            f"{name} cannot be written: the file or its directory is read-only"
        )
    if code == sqlite3.SQLITE_BUSY:
        holders = describe_lock_holders(Path(name))
        return StoreError(
            f"{name} is locked by another program{holders}: let it finish, or stop it, then try "
            "again",
            may_pass=True,
        )
    text, may_pass = _SQLITE.get(code, (f"cannot be used: {_first_line(error)}", False))
    return StoreError(f"{name} {text}", may_pass=may_pass)


def translate_postgresql_error(error: BaseException, name: str) -> Exception:
    """Return the error that describes a problem with a PostgreSQL server or connection."""
    state, message = getattr(error, "sqlstate", None), _first_line(error)
    if state is None:
        may_pass = not _REFUSALS.search(message)
        return StoreError(f"{name} cannot be used: {message}", may_pass=may_pass)
    if state in _READ_ONLY_STATES:
        return ReadOnlyStoreError(f"{name} cannot be written: {message}")
    if state.startswith(_TOO_LARGE):
        return UnacceptableEntry(f"SQLSTATE {state}")
    kind = BusyStoreError if state == _LOCK_NOT_AVAILABLE else StoreError
    may_pass = bool(_PASSING_STATES.match(state))
    return kind(f"{name} cannot be used: {message}", may_pass=may_pass)


def _first_line(error: BaseException) -> str:
    # The other lines of a driver's message may quote the statement and its values.
    return str(error).strip().partition("\n")[0] or type(error).__name__
