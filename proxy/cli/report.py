"""Who still calls, with what, and what each caller must change: for people, files and CI."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import typer

from proxy.cli.load_config import policy_or_exit, settings_or_exit
from proxy.cli.open_store import open_evidence
from proxy.cli.time_options import InvalidMoment, milliseconds, since, until
from proxy.config.settings import Settings
from proxy.private_files import replace_file
from proxy.report.build import build_report
from proxy.report.callers import ReportSettings
from proxy.report.collect import collect_report_input
from proxy.report.markdown import as_markdown
from proxy.report.model import Report
from proxy.report.prices import Price
from proxy.report.terminal import as_terminal
from proxy.report.thresholds import Condition, InvalidCondition, broken_thresholds
from proxy.terminal import stop, tell
from proxy.terminal_text import json_line

_NAMED: Final = Path("holdover-report.html")


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
    """Write the report; status 1 if it fails a condition, 2 if it cannot be made."""
    now = datetime.now(UTC)
    try:
        conditions = [Condition.parse(text) for text in fail_if]
        period = _period(begin, end, now)
    except (InvalidMoment, InvalidCondition) as exc:
        stop(str(exc))
    settings = settings_or_exit(config, secrets)
    present = _present(settings, now)
    # What is no UTF-8 on the command line is nowhere in a store, and no engine takes it.
    wanted = caller and caller.encode(errors="replace").decode()
    with open_evidence(config, secrets, demo=demo) as store:
        gathered = collect_report_input(store, *period, wanted)
    report = build_report(gathered, present, milliseconds(now))
    _write(report, form, output)
    failures = [each for condition in conditions for each in broken_thresholds(condition, report)]
    tell(*(f"holdover: {failure}" for failure in failures))
    if failures:
        raise typer.Exit(1)


def _period(begin: str, end: str | None, now: datetime) -> tuple[int, int]:
    """In milliseconds; nothing is in the future, and nothing was before 1970."""
    present = milliseconds(now) + 1
    since_ms = max(since(begin, now), 0)
    until_ms = present if end is None else min(until(end, now), present)
    if since_ms >= until_ms:
        raise InvalidMoment(f"there is no time from {begin} until {end or 'now'}")
    return since_ms, until_ms


def _present(settings: Settings, now: datetime) -> ReportSettings:
    return ReportSettings(
        policy=policy_or_exit(settings),
        prices={
            pattern: Price(price.input, price.output) for pattern, price in settings.prices.items()
        },
        today=now.date().isoformat(),
    )


def _as_html(report: Report) -> str:
    from proxy.report.page import as_html  # noqa: PLC0415 - templates take their time

    return as_html(report)


def _as_json(report: Report) -> str:
    return msgspec.json.format(json_line(msgspec.to_builtins(report))) + "\n"


_WRITERS: Final[Mapping[str, Callable[[Report], str]]] = {
    "terminal": as_terminal,
    "html": _as_html,
    "json": _as_json,
    "markdown": as_markdown,
}
FORMATS: Final = tuple(_WRITERS)


def _write(report: Report, form: str, output: Path | None) -> None:
    """A page that nobody could read on a terminal is given a file."""
    is_terminal = sys.stdout.isatty()
    if output is None and form == "html" and is_terminal:
        output = _NAMED
    if output is not None:
        _write_file(_WRITERS[form](report), output)
    elif form == "terminal" and is_terminal:
        width = shutil.get_terminal_size().columns
        typer.echo(as_terminal(report, width=width, in_color=True), nl=False)
    else:
        typer.echo(_WRITERS[form](report), nl=False)


def _write_file(text: str, file: Path) -> None:
    """For its owner only, as it may quote prompts."""
    try:
        replace_file(file, text.encode())
    except OSError as exc:
        stop(f"{file}: {exc.strerror}")
    tell(f"Wrote {file}.")
