"""
What databases complain of, in words for an operator, and whether it may pass.

Messages of drivers name hosts, users and files, and no passwords. No SQL and no
values are repeated: they are somebody's traffic.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Final, TypeAlias

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from proxy.traffic.store.errors import ReadOnlyStoreError, StoreError, UnacceptableEntry

Told: TypeAlias = Callable[[BaseException], Exception]

_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: ("is locked by another program", True),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", True),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk, or what is mounted there", True),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened: is it a file that this user may read?", False),
    sqlite3.SQLITE_NOTADB: ("is no SQLite database: move it away, or name another file", False),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged: move it away, with -wal and -shm, and a new one is made;"
        " `sqlite3 FILE .recover` saves the rest",
        False,
    ),
}
_PASSING_STATES: Final = re.compile("08|40|53|55|57|58")
"""Classes of SQLSTATE: connections, conflicts, resources, locks, somebody at work, the system."""
_READ_ONLY_STATES: Final = {"25006", "42501"}
_TOO_LARGE: Final = "54"
"""Class of SQLSTATE: what is larger than PostgreSQL can keep, or find again."""
_REFUSALS: Final = re.compile(
    "authentication failed|no password supplied|no pg_hba.conf entry|not permitted to log in"
    "|does not exist|permission denied|invalid .*(option|value)"
)
"""There is no SQLSTATE where no connection was made; a server that speaks another language is
taken for one that may let us in later."""


def translate_database_error(
    error: Exception | None, cause: BaseException, told: Told
) -> Exception | None:
    """What to raise in place of what SQLAlchemy would; None: it is no complaint of a database."""
    if isinstance(error, DataError | IntegrityError):
        return UnacceptableEntry(type(cause).__name__)
    if isinstance(error, DBAPIError):
        return told(cause)
    if isinstance(cause, OverflowError | UnicodeError):  # while a value was made ready
        return UnacceptableEntry(type(cause).__name__)
    return None


def translate_sqlite_error(error: BaseException, name: str) -> StoreError:
    """What is wrong with a file."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it goes into detail
    if code == sqlite3.SQLITE_READONLY:
        return ReadOnlyStoreError(f"{name} cannot be written: it, or its directory, is read-only")
    text, may_pass = _SQLITE.get(code, (f"cannot be used: {_said(error)}", False))
    return StoreError(f"{name} {text}", may_pass=may_pass)


def translate_postgresql_error(error: BaseException, name: str) -> Exception:
    """What is wrong with a server, or on the way to it."""
    state, said = getattr(error, "sqlstate", None), _said(error)
    if state is None:
        may_pass = not _REFUSALS.search(said)
        return StoreError(f"{name} cannot be used: {said}", may_pass=may_pass)
    if state in _READ_ONLY_STATES:
        return ReadOnlyStoreError(f"{name} cannot be written: {said}")
    if state.startswith(_TOO_LARGE):
        return UnacceptableEntry(f"SQLSTATE {state}")
    return StoreError(f"{name} cannot be used: {said}", may_pass=bool(_PASSING_STATES.match(state)))


def _said(error: BaseException) -> str:
    """The first line: the rest of a message may quote what was to be done."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
