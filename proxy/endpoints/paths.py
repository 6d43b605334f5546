"""The ways in which real clients spell one path (clients, rule 9)."""

from __future__ import annotations

import re
from typing import Final

_COMPLETION_PATH: Final = re.compile(r"/+(?:v1/+){1,2}complete/*")


def without_prefix(path: str, prefix: str) -> str:
    """Take off the mount prefix; a client that lost it on the way is served all the same."""
    rest = path.removeprefix(prefix)
    return rest if rest.startswith("/") or not rest else path


def is_completion_path(path: str) -> bool:
    """Whether a client that writes this means `/v1/complete`."""
    return _COMPLETION_PATH.fullmatch(path) is not None
