"""
Upgrades a store in place to the newest revision.

If several processes open an old store, one upgrades it and the others wait. Alembic is
imported only if an upgrade is due, because its import is slow.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, String, column, func, inspect, select, table

from proxy.traffic.store.database.engines import BEGINS
from proxy.traffic.store.errors import OutdatedStoreError, StoreError
from proxy.traffic.store.migrations import REVISIONS, VERSION_TABLE

HEAD: Final = REVISIONS[-1]
_LOCK: Final = 0x484F4C44
"""Key of the PostgreSQL advisory lock that is held during an upgrade."""
_ALEMBIC_LOCK: Final = threading.Lock()
"""Alembic keeps its current context in a global, so only one thread may use it."""


def upgrade(engine: Engine, name: str) -> None:
    """Upgrade the store to the newest revision in one transaction; raises `StoreError`."""
    with engine.connect() as connection:
        if _is_current(connection, name):
            return
    options = {BEGINS: "IMMEDIATE"}
    with (
        _ALEMBIC_LOCK,
        engine.connect().execution_options(**options) as connection,
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        if not _is_current(connection, name):
            from alembic import command  # noqa: PLC0415 - rarely needed, and slow to import
            from alembic.config import Config  # noqa: PLC0415

            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            command.upgrade(config, "head")


def check_current(engine: Engine, name: str) -> None:
    """Raise `StoreError` unless the store is at the newest revision."""
    with engine.connect() as connection:
        if not _is_current(connection, name):
            raise OutdatedStoreError(
                f"{name} is empty or from an older version of Holdover, and is opened read-only: a"
                " server that has just started makes it ready within seconds; else start this"
                " version's `holdover serve` once to upgrade it"
            )


def _is_current(connection: Connection, name: str) -> bool:
    if not inspect(connection).has_table(VERSION_TABLE):
        return False
    version = column("version_num", String)
    revision = connection.execute(select(version).select_from(table(VERSION_TABLE))).scalar()
    if revision is not None and revision not in REVISIONS:
        raise StoreError(
            f"{name} is at revision {revision!r}, which this version of Holdover does not know:"
            " use the newer version that wrote it"
        )
    return revision == HEAD
