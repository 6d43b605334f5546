"""What can be wrong with a store, in words for its operator; never with a password in them."""

from __future__ import annotations


class StoreError(Exception):
    """A store that cannot be used as it is; the text says what to do."""

    def __init__(self, text: str, *, may_pass: bool = False) -> None:
        super().__init__(text)
        self.may_pass = may_pass
        """Whether the same may go well later, without anybody doing anything about the store."""


class ReadOnlyStoreError(StoreError):
    """It can be read, but not written to."""


class UnacceptableEntry(Exception):
    """The store is well, and refuses one of these entries for what it says."""
