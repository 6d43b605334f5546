"""Errors of the store. Their texts are written for operators and never contain a password."""

from __future__ import annotations


class StoreError(Exception):
    """Raised if a store cannot be used; the text says why and, where known, what to do."""

    def __init__(self, text: str, *, may_pass: bool = False) -> None:
        super().__init__(text)
        self.may_pass = may_pass
        """True if a later attempt may succeed without anyone repairing the store."""


class OutdatedStoreError(StoreError):
    """Raised if a store that is opened read-only is empty or of an older version."""


class ReadOnlyStoreError(StoreError):
    """Raised if a store can be read but not written."""


class MissingDayError(StoreError):
    """Raised if PostgreSQL has no partition for the day of a row."""


class BusyStoreError(StoreError):
    """Raised if others use a table that was to be locked."""


class UnacceptableEntry(Exception):
    """Raised if a working store rejects one of the given entries because of its values."""
