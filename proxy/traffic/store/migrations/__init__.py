"""Migrations of the store. A released revision is never changed."""

from typing import Final

REVISIONS: Final = (
    *("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010"),
    "0011",
)
"""Revisions in order; the last one produces the tables of `schema.py`, as a test checks."""
VERSION_TABLE: Final = "holdover_version"
"""Differs from Alembic's default, because another program may use Alembic in this database."""
