"""Verbs that ask the evidence; what they do is in the module of the same name."""

# ruff: noqa: PLC0415 - a verb imports what it needs when it is chosen

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.options import Config, Demo, Secrets, Since

app = typer.Typer()


class LogFormat(enum.Enum):
    """What `log` and `show` can write."""

    TABLE = "table"
    JSON = "json"


class ReportFormat(enum.Enum):
    """What `report` can write; a test keeps it equal to `proxy.cli.report.FORMATS`."""

    TERMINAL = "terminal"
    HTML = "html"
    JSON = "json"
    MARKDOWN = "markdown"


class ReplayFormat(enum.Enum):
    """What `replay` can write."""

    TERMINAL = "terminal"
    JSON = "json"


@app.command()
def log(  # noqa: PLR0913, PLR0917 - an option each
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most; 0: all.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    caller: Annotated[str | None, typer.Option(help="A name, or how a digest begins.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Asked, sent or answered; * stands for anything.")
    ] = None,
    adjustment: Annotated[str | None, typer.Option(help="A kind of adjustment.")] = None,
    status: Annotated[
        str | None, typer.Option(help="400, 4xx, error, ok or gone (the client was).")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="The rule that decided.")] = None,
    route: Annotated[str | None, typer.Option(help="translate, forward or refuse.")] = None,
    feature: Annotated[str | None, typer.Option(help="Of the legacy API: system, top_k...")] = None,
    sdk: Annotated[str | None, typer.Option(help="python, `python 0.3*`...")] = None,
    since: Since = None,
    until: Annotated[str | None, typer.Option(help="The same; a day is meant to its end.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Said in contents that were kept, or in the record.")
    ] = None,
    form: Annotated[
        LogFormat, typer.Option("--format", help="A table, or JSON: an object a line.")
    ] = LogFormat.TABLE,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Show what came by, newest last."""
    from proxy.cli.log import run_log

    words = {
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
        *(config, secrets, words),
        demo=demo,
        limit=limit,
        follow=follow,
        as_json=form is LogFormat.JSON,
    )


@app.command()
def show(
    exchange: Annotated[
        str, typer.Argument(metavar="ID", help="Of ours or of upstream, or how it begins.")
    ],
    form: Annotated[
        LogFormat, typer.Option("--format", help="For people, or JSON: one object.")
    ] = LogFormat.TABLE,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Show one exchange: what was decided, what was changed, and what was said."""
    from proxy.cli.show import run_show

    run_show(config, secrets, demo=demo, name=exchange, as_json=form is LogFormat.JSON)


@app.command()
def report(  # noqa: PLR0913, PLR0917 - an option each
    since: Annotated[
        str, typer.Option(help="15m, 24h, 7d ago, or 2026-11-20, or with a time (UTC).")
    ] = "7d",
    until: Annotated[str | None, typer.Option(help="The same; a day is meant to its end.")] = None,
    caller: Annotated[str | None, typer.Option(help="A name, or how a digest begins.")] = None,
    form: Annotated[ReportFormat, typer.Option("--format")] = ReportFormat.TERMINAL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file.")] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="Status 1 if it is so of any caller: readiness<0.95, errors>0.01; or of all"
            " together: callers>0, exchanges>0. Repeat it."
        ),
    ] = None,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Say who still sends legacy traffic, with what, and what each caller must change."""
    from proxy.cli.report import run_report

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
    until: Annotated[str | None, typer.Option(help="The same; a day is meant to its end.")] = None,
    caller: Annotated[str | None, typer.Option(help="A name, or how a digest begins.")] = None,
    model: Annotated[str | None, typer.Option(help="Translate all, for this model.")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A TOML file: what it says goes before the settings.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="At most so many, the newest.")
    ] = None,
    budget_tokens: Annotated[
        int | None, typer.Option(min=1, help="At most so many, interruptions included.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="So many at a time.")] = 4,
    name: Annotated[
        str | None, typer.Option(help="Of the results; else by what is asked, and of whom.")
    ] = None,
    form: Annotated[
        ReplayFormat, typer.Option("--format", help="For people, or JSON: one object.")
    ] = ReplayFormat.TERMINAL,
    yes: Annotated[bool, typer.Option("--yes", help="Send it, also to a real upstream.")] = False,
    demo: Demo = False,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Ask recorded requests again, by the rules, other rules or another model, and compare."""
    from proxy.cli.replay import Order, run_replay

    order = Order(
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
    run_replay(config, secrets, order, demo=demo)
