"""Files of JSON lines in gzip; the lines are those of `holdover log --format json`."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import IO, Final

from proxy.terminal_text import json_line
from proxy.traffic.export.rows import Row
from proxy.traffic.store.days import RecordKind

SUFFIX: Final = ".jsonl.gz"
_LEVEL: Final = 6
_DAMAGED: Final = (EOFError, OSError, zlib.error)


def write_file(file: IO[bytes], _: RecordKind, pages: Iterable[list[Row]]) -> None:
    """Write the rows of all pages to a file."""
    # Without a name and a time, so that the same records make the same bytes.
    with closing(
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0)
    ) as compressed:
        for page in pages:
            compressed.write("".join(f"{json_line(row)}\n" for row in page).encode())


def rows_in(path: Path) -> int:
    """Return the number of rows of a file; 0 if it is damaged or not there."""
    try:
        with gzip.open(path) as lines:
            return sum(1 for _ in lines)
    except _DAMAGED:
        return 0
