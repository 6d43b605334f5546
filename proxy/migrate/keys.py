"""Keys written into sources: where they are; they are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from proxy.migrate.findings import Finding, Verdict

_KEY: Final = re.compile(r"sk-ant-[A-Za-z0-9_-]{12,}")
HIDDEN: Final = "sk-ant-(hidden)"


def keys_in(text: str) -> Iterator[Finding]:
    """Yield a finding for each line that has a key of Anthropic in it."""
    lines: set[int] = set()
    for found in _KEY.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if line not in lines:
            lines.add(line)
            yield Finding(
                line=line,
                column=found.start() - text.rfind("\n", 0, found.start()),
                shape="a key in the source",
                verdict=Verdict.BY_HAND,
                reasons=(
                    "Whoever reads the source can use the key: revoke it, and read another one "
                    "from the environment.",
                ),
            )


def has_key(text: str) -> bool:
    """Return True if there is a key in a text."""
    return _KEY.search(text) is not None


def without_keys(text: str) -> str:
    """Return a text that can be shown."""
    return _KEY.sub(HIDDEN, text)
