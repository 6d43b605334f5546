"""What can go wrong with a request, in words for the page that says so."""

from __future__ import annotations

from collections.abc import Mapping


class Problem(Exception):
    """An HTTP status, and sentences about what happened and what to do."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.title = title
        """Heading of the page; None for one that fits the status."""
        self.headers = headers or {}
        """Headers that belong to the status, such as `allow`."""
