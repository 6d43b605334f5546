"""
The log, for modules that commands import: structlog is imported with the first line.

Its import takes a tenth of a second, and most commands log nothing. What they print is read by
programs, so their log goes to stderr, unless the process has set up one of its own.
"""

from __future__ import annotations

import sys
from typing import Any, Final


class _LateLog:
    def __getattr__(self, level: str) -> Any:
        import structlog  # noqa: PLC0415

        log_to_stderr()
        return getattr(structlog.get_logger(), level)


log: Final = _LateLog()


def log_to_stderr() -> None:
    """Let structlog write to stderr where it would write to stdout, its default."""
    import structlog  # noqa: PLC0415

    if isinstance(structlog.get_config()["logger_factory"], structlog.PrintLoggerFactory):
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
