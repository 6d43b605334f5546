"""Commands that read recorded traffic; each is implemented in the module of the same name."""

# ruff: noqa: PLC0415 - a command imports what it needs when it is chosen

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.options import SINCE, CallerFilter, Config, Demo, Secrets, Since, Until

app = typer.Typer()
traffic_app = typer.Typer(help="Look after the store of recorded traffic.", no_args_is_help=True)
app.add_typer(traffic_app, name="traffic")


class LogFormat(enum.Enum):
    """Output formats of `log` and `show`."""

    TABLE = "table"
    JSON = "json"


class ReportFormat(enum.Enum):
    """Output formats of `report`; a test keeps them equal to `proxy.cli.traffic.report.FORMATS`."""

    TERMINAL = "terminal"
    HTML = "html"
    JSON = "json"
    MARKDOWN = "markdown"


class ReplayFormat(enum.Enum):
    """Output formats of `replay`."""

    TERMINAL = "terminal"
    JSON = "json"


class ExportFormat(enum.Enum):
    """Formats of the files that `traffic export` writes."""

    PARQUET = "parquet"
    JSONL = "jsonl"


@app.command()
def log(  # noqa: PLR0913, PLR0917 - an option each
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, help="Show at most this many; 0 shows all.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep showing new exchanges until Ctrl-C.")
    ] = False,
    caller: CallerFilter = None,
    model: Annotated[
        str | None,
        typer.Option(help="The model asked for, sent or answering; * matches anything."),
    ] = None,
    adjustment: Annotated[
        str | None, typer.Option(help="A kind of adjustment that was made.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="400, 4xx, error, ok, or gone (the client left).")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="The rule that decided.")] = None,
    route: Annotated[str | None, typer.Option(help="translate, forward or refuse.")] = None,
    feature: Annotated[
        str | None, typer.Option(help="A feature of the legacy API in use: system, top_k...")
    ] = None,
    sdk: Annotated[
        str | None, typer.Option(help="The client's SDK: python, `python 0.3*`...")
    ] = None,
    since: Since = None,
    until: Until = None,
    text: Annotated[
        str | None, typer.Option(help="Text in the recorded contents, or in the record.")
    ] = None,
    form: Annotated[
        LogFormat, typer.Option("--format", help="A table, or JSON with one object per line.")
    ] = LogFormat.TABLE,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Show recorded exchanges, newest last."""
    from proxy.cli.traffic.log import run_log

    options = {
        "caller": caller,
        "model": model,
        "adjustment": adjustment,
        "status": status,
        "rule": rule,
        "route": route,
        "feature": feature,
        "sdk": sdk,
        "since": since,
        "until": until,
        "text": text,
    }
    run_log(
        *(config, secrets, options),
        demo=demo,
        limit=limit,
        follow=follow,
        as_json=form is LogFormat.JSON,
    )


@app.command()
def show(
    exchange: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Holdover's or the upstream's id, or its first characters."
        ),
    ],
    form: Annotated[
        LogFormat, typer.Option("--format", help="A page to read, or one JSON object.")
    ] = LogFormat.TABLE,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Show one exchange: what was decided, what was changed, and the recorded bodies."""
    from proxy.cli.traffic.show import run_show

    run_show(config, secrets, demo=demo, name=exchange, as_json=form is LogFormat.JSON)


@app.command()
def report(  # noqa: PLR0913, PLR0917 - an option each
    since: Annotated[str, SINCE] = "7d",
    until: Until = None,
    caller: CallerFilter = None,
    form: Annotated[
        ReportFormat, typer.Option("--format", help="The output format.")
    ] = ReportFormat.TERMINAL,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write to.")
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with 1 if this holds for any caller (readiness<0.95, errors>0.01) or for all"
            " together (callers>0, exchanges>0). May be repeated."
        ),
    ] = None,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Report who still sends legacy traffic, with what, and what each caller must change."""
    from proxy.cli.traffic.report import run_report

    run_report(
        config,
        secrets,
        demo=demo,
        begin=since,
        end=until,
        caller=caller,
        form=form.value,
        output=output,
        fail_if=fail_if or [],
    )


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - an option each
    since: Since = "7d",
    until: Until = None,
    caller: CallerFilter = None,
    model: Annotated[
        str | None, typer.Option(help="Translate every request for this model.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A TOML file whose settings replace the present ones.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help="Replay at most this many, the newest first."),
    ] = None,
    budget_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Spend at most this many tokens, resumed runs included."),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="Send this many requests at a time.")
    ] = 4,
    name: Annotated[
        str | None,
        typer.Option(help="Name for the results; default: derived from settings and filters."),
    ] = None,
    form: Annotated[
        ReplayFormat, typer.Option("--format", help="A page to read, or one JSON object.")
    ] = ReplayFormat.TERMINAL,
    yes: Annotated[
        bool, typer.Option("--yes", help="Send the requests, even to a real upstream.")
    ] = False,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Send recorded requests again, by present or other rules or models, and compare answers."""
    from proxy.cli.traffic.replay import ReplayOptions, run_replay

    options = ReplayOptions(
        since=since,
        until=until,
        caller=caller,
        model=model,
        rules=rules,
        limit=limit,
        budget_tokens=budget_tokens,
        concurrency=concurrency,
        name=name,
        yes=yes,
        as_json=form is ReplayFormat.JSON,
    )
    run_replay(config, secrets, options, demo=demo)


@traffic_app.command()
def rebuild(demo: Demo = False, config: Config = None, secrets: Secrets = None) -> None:
    """Make the sums that reports are made of from the records again, while serving goes on."""
    from proxy.cli.traffic.rollups import run_rebuild

    run_rebuild(config, secrets, demo=demo)


@traffic_app.command()
def check(
    buckets: Annotated[
        int, typer.Option(min=0, help="Compare this many time buckets, chosen at random, in full.")
    ] = 24,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Compare the sums that reports are made of with the records; exit with 1 if they differ."""
    from proxy.cli.traffic.rollups import run_check

    run_check(config, secrets, demo=demo, buckets=buckets)


@traffic_app.command()
def export(  # noqa: PLR0913, PLR0917 - an option each
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The directory; one that exists is gone on with.")
    ],
    since: Since = None,
    until: Annotated[
        str | None,
        typer.Option(help="Until when; days are exported as a whole. Default: before today."),
    ] = None,
    form: Annotated[
        ExportFormat, typer.Option("--format", help="Parquet files, or JSON lines in gzip.")
    ] = ExportFormat.PARQUET,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Copy records into files by day, for DuckDB, ClickHouse, Spark or BigQuery."""
    from proxy.cli.traffic.export import run_export

    run_export(
        config,
        secrets,
        demo=demo,
        begin=since,
        end=until,
        file_format=form.value,
        output=output,
    )
