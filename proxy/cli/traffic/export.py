"""`holdover traffic export`: copy whole days of records into files that other engines read."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import typer

from proxy.cli.traffic.open_store import open_traffic_store
from proxy.cli.traffic.progress import shown
from proxy.report.formatting import one_or_many
from proxy.terminal import exit_with_error, print_lines, print_to_stderr
from proxy.time_options import InvalidTime, milliseconds, since, until
from proxy.timestamps import DAY_MS
from proxy.traffic.export.errors import ExportError
from proxy.traffic.export.manifest import FileFormat
from proxy.traffic.export.run import Export, opened
from proxy.traffic.store.days import Day
from proxy.traffic.store.store import Store

_INTERRUPTED = 130


def run_export(  # noqa: PLR0913 - an option each
    config: Path | None,
    secrets: Path | None,
    *,
    demo: bool,
    begin: str | None,
    end: str | None,
    file_format: FileFormat,
    output: Path,
) -> None:
    """Write what the directory lacks; exit with 2 if it cannot, and with 130 at Ctrl-C."""
    now = datetime.now(UTC)
    try:
        since_ms = since(begin, now) if begin else 0
        until_ms = until(end, now) if end else milliseconds(now) // DAY_MS * DAY_MS
    except InvalidTime as exc:
        exit_with_error(str(exc))
    try:
        with (
            opened(output, file_format) as export,
            open_traffic_store(config, secrets, demo=demo) as store,
        ):
            days = export.missing(store, since_ms, until_ms)
            _write(export, store, days)
    except ExportError as exc:
        exit_with_error(str(exc))
    except OSError as exc:
        exit_with_error(f"{output}: {exc.strerror or exc}; all files that are there are whole")
    except KeyboardInterrupt:  # pragma: no cover - one that comes in a tracer ends the tracing
        print_to_stderr("holdover: interrupted; all files are whole, and the same command goes on")
        raise typer.Exit(_INTERRUPTED) from None
    rows = Counter[str]()
    for day in days:
        rows[day.kind.name] += day.rows
    what = " and ".join(one_or_many(count, name[:-1]) for name, count in rows.items())
    files = one_or_many(len(days), "file")
    print_lines(f"{output}: {files} written, with {what}." if days else f"{output}: nothing new.")


def _write(export: Export, store: Store, days: list[Day]) -> None:
    if not days:
        return
    done, total = 0, sum(day.rows for day in days)

    with shown("records", "exported", done=0, total=total) as show:

        def observe(rows: int) -> None:
            nonlocal done
            done += rows
            show(done, total)

        for day in days:
            export.write(store, day, observe)
