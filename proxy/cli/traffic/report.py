"""`holdover report`: who still calls, with what, and what each caller must change."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import typer

from proxy.cli.load_config import or_exit, settings_or_exit
from proxy.cli.traffic.known_names import require_caller
from proxy.cli.traffic.open_store import open_traffic_store
from proxy.cli.traffic.rollups import begun_rebuild, build_rollups
from proxy.console.reports import report_settings_of
from proxy.private_files import replace_file
from proxy.report.build import build_report
from proxy.report.collect import collect_report_input
from proxy.report.markdown import as_markdown
from proxy.report.model import Report
from proxy.report.terminal import as_terminal
from proxy.report.thresholds import Condition, InvalidCondition, broken_thresholds
from proxy.terminal import exit_with_error, print_to_stderr
from proxy.terminal_text import json_line
from proxy.time_options import InvalidTime, milliseconds, since, until
from proxy.traffic import ReadOnlyStoreError

_DEFAULT_HTML_FILE: Final = Path("holdover-report.html")


def run_report(  # noqa: PLR0913 - an option each
    config: Path | None,
    secrets: Path | None,
    *,
    demo: bool,
    begin: str,
    end: str | None,
    caller: str | None,
    form: str,
    output: Path | None,
    fail_if: list[str],
) -> None:
    """Write the report; exit with 1 if a condition fails, with 2 if it cannot be made."""
    now = datetime.now(UTC)
    try:
        conditions = [Condition.parse(text) for text in fail_if]
        period = _period(begin, end, now)
    except (InvalidTime, InvalidCondition) as exc:
        exit_with_error(str(exc))
    settings = settings_or_exit(config, secrets)
    with or_exit():
        report_settings = report_settings_of(settings, now)
    # Bytes of the command line that are not UTF-8 cannot be in a store, and no database takes them.
    caller = caller and caller.encode(errors="replace").decode()
    must_be_complete = bool(conditions)
    with open_traffic_store(config, secrets, demo=demo, must_be_complete=must_be_complete) as store:
        try:
            build_rollups(store, begun_rebuild(store))
        except ReadOnlyStoreError as exc:  # otherwise the report says what is missing
            if must_be_complete:
                exit_with_error(f"the sums of older records are not complete, and {exc}")
        require_caller(store, settings, caller)
        collected = collect_report_input(store, *period, caller, report_settings.names)
    report = build_report(collected, report_settings, milliseconds(now))
    _write(report, form, output)
    failures = [each for condition in conditions for each in broken_thresholds(condition, report)]
    print_to_stderr(*(f"holdover: {failure}" for failure in failures))
    if failures:
        raise typer.Exit(1)


def _period(begin: str, end: str | None, now: datetime) -> tuple[int, int]:
    """Return the period in milliseconds, cut to the time between 1970 and now."""
    present = milliseconds(now) + 1
    since_ms = max(since(begin, now), 0)
    until_ms = present if end is None else min(until(end, now), present)
    if since_ms >= until_ms:
        raise InvalidTime(
            f"the period from {begin} to {end or 'now'} is empty; choose a start before its end"
        )
    return since_ms, until_ms


def _as_html(report: Report) -> str:
    from proxy.report.page import as_html  # noqa: PLC0415 - importing templates takes a while

    return as_html(report)


_WRITERS: Final[Mapping[str, Callable[[Report], str]]] = {
    "terminal": as_terminal,
    "html": _as_html,
    "json": lambda report: msgspec.json.format(json_line(msgspec.to_builtins(report))) + "\n",
    "markdown": as_markdown,
}
FORMATS: Final = tuple(_WRITERS)


def _write(report: Report, form: str, output: Path | None) -> None:
    """Write the report; HTML goes to a file if stdout is a terminal, which cannot show it."""
    is_terminal = sys.stdout.isatty()
    if output is None and form == "html" and is_terminal:
        output = _DEFAULT_HTML_FILE
    if output is not None:
        try:
            # Readable by its owner only, as it may quote prompts.
            replace_file(output, _WRITERS[form](report).encode())
        except OSError as exc:
            exit_with_error(f"cannot write {output}: {exc.strerror}")
        print_to_stderr(f"Wrote {output}.")
    elif form == "terminal" and is_terminal:
        width = shutil.get_terminal_size().columns
        typer.echo(as_terminal(report, width=width, in_color=True), nl=False)
    else:
        typer.echo(_WRITERS[form](report), nl=False)
