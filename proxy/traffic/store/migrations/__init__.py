"""How the store came to be as it is: each revision once, in this order, and never changed again."""

from typing import Final

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006")
"""The last one is what `schema.py` says; a test compares them."""
VERSION_TABLE: Final = "holdover_version"
"""Not Alembic's own: a fleet may share a database with somebody else who uses it."""
