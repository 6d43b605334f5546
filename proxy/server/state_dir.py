"""
Try the state directory before serving, or exit with status 2 and the reason.

A server without one would serve, but its workers could not meet, guards would forget that
they have tripped, and every record would be lost: somebody has to know before clients come. A
full disk stops nothing, since what is missing then comes back by itself.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from proxy.config.settings import Settings
from proxy.private_files import make_directory, write_temporary
from proxy.terminal import exit_with_error
from proxy.traffic import journal_directory

_PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def require_state_dir(settings: Settings) -> None:
    """Create the directories for state and journal, and see that files can be made there."""
    journals = [journal_directory(settings.state_dir)] if settings.traffic else []
    for path in (settings.state_dir, *journals):
        try:
            make_directory(path)
            write_temporary(path / "start", b"\n").unlink()
        except OSError as exc:
            if exc.errno not in _PASSING:
                exit_with_error(
                    f"state_dir: {path} cannot be used: {exc.strerror}; let the user"
                    f" {os.geteuid()} write there, or set state_dir to another directory"
                )
