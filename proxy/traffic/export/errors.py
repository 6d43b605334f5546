"""The error that ends an export."""

from __future__ import annotations


class ExportError(Exception):
    """Raised if nothing can be exported to a directory; the text says why and what to do."""
