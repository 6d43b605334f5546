"""The verbs and their options; what they do is in the module of the same name."""

# ruff: noqa: PLC0415 - a verb imports what it needs when it is chosen

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="holdover",
    help="Keeps old /v1/complete integrations running on the Messages API.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


class Language(enum.Enum):
    """What `explain --code` can write; a test keeps it equal to `translators.LANGUAGES`."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"
    CURL = "curl"


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


Config = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="HOLDOVER_CONFIG", help="A TOML file.")
]
Secrets = Annotated[
    Path | None, typer.Option(envvar="HOLDOVER_SECRETS", help="A directory of secret files.")
]
Demo = Annotated[bool, typer.Option("--demo", help="Of the demo instead.")]
Since = Annotated[
    str | None, typer.Option(help="15m, 24h, 7d ago, or 2026-11-20, or with a time (UTC).")
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")]


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    upstream_url: Annotated[str | None, typer.Option(help="Base url of the Messages API.")] = None,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Run the proxy."""
    from proxy.cli.serve import run_proxy

    run_proxy(config, secrets, host=host, port=port, upstream_url=upstream_url)


@app.command(hidden=True)
def load(
    config: Config = None,
    secrets: Secrets = None,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="What standard input says, until it ends.")
    ] = False,
) -> None:
    """Load what is in the journals into the store; `serve` does so by itself."""
    from proxy.cli.load import run_load

    run_load(config, secrets, until_eof=until_eof)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    once: Annotated[bool, typer.Option("--once", help="Stop after the example.")] = False,
) -> None:
    """Show one legacy request become a Messages request, and keep serving: no key, no network."""
    from proxy.cli.demo import run_demo

    run_demo(port, keep_serving=not once)


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 9000,
    legacy: Annotated[
        bool, typer.Option("--legacy", help="Let /v1/complete answer, as it did until July 2025.")
    ] = False,
) -> None:
    """Run the stand-in for the Messages API alone."""
    from proxy.cli.serve import run_simulator

    run_simulator(host, port, legacy=legacy)


@app.command()
def check(  # noqa: PLR0913, PLR0917 - an option each
    config: Annotated[Path, typer.Argument(help="A TOML file.")],
    request: Annotated[
        Path | None, typer.Option(help="A legacy request body as JSON; - reads it.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="As `name: value`; repeat it.")
    ] = None,
    caller: Annotated[str | None, typer.Option(help="The name of the caller.")] = None,
    now: Annotated[
        datetime | None,
        typer.Option(
            "--at", help="A moment other than now, in UTC.", formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"]
        ),
    ] = None,
    secrets: Secrets = None,
) -> None:
    """Say what is wrong with a settings file, or which rule decides about a request, and why."""
    from proxy.cli.check import run_check

    run_check(config, secrets, request, header or [], caller, now)


rollout = typer.Typer(help="Change the rules in the settings file, safely.", no_args_is_help=True)
app.add_typer(rollout, name="rollout")
Rules = Annotated[
    Path, typer.Option("--config", "-c", envvar="HOLDOVER_CONFIG", help="The TOML file.")
]


@rollout.command()
def share(
    name: Annotated[str, typer.Argument(help="The rule.")],
    percent: Annotated[float, typer.Argument(help="0 to 100, with two decimals at most.")],
    config: Rules,
    secrets: Secrets = None,
) -> None:
    """Set a rule's share."""
    from proxy.cli.rollout import run_share

    run_share(config, secrets, name, percent)


@rollout.command()
def override(
    action: Annotated[str, typer.Argument(help="translate, forward, refuse, or off.")],
    config: Rules,
    secrets: Secrets = None,
) -> None:
    """Send everything one way, whatever the rules say; `off` ends that."""
    from proxy.cli.rollout import run_override

    run_override(config, secrets, action)


@rollout.command()
def rearm(
    name: Annotated[str, typer.Argument(help="The rule.")],
    config: Rules,
    secrets: Secrets = None,
) -> None:
    """Give a rule its share back that its guard has taken."""
    from proxy.cli.rollout import run_rearm

    run_rearm(config, secrets, name)


@rollout.command()
def status(config: Rules, secrets: Secrets = None) -> None:
    """Show the rules of a file, and which guards are tripped."""
    from proxy.cli.rollout import run_status

    run_status(config, secrets)


keys = typer.Typer(help="Make tokens for callers.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@keys.command()
def new(name: Annotated[str, typer.Argument(help="The caller.")]) -> None:
    """Make a token for a caller: print it, once, and the lines for the settings file."""
    from proxy.cli.keys import run_new

    run_new(name)


@keys.command("hash")
def hash_() -> None:
    """Read a key or token from standard input and print it as the settings file wants it."""
    from proxy.cli.keys import run_hash

    run_hash()


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="A legacy request body as JSON; - reads it.")],
    version: Annotated[
        str | None, typer.Option("--anthropic-version", help="The header the client sends.")
    ] = "2023-06-01",
    code: Annotated[
        Language | None, typer.Option(help="Print the equivalent call for a current SDK instead.")
    ] = None,
    config: Config = None,
) -> None:
    """Print the Messages request and the adjustments for a legacy request; sends nothing."""
    from proxy.cli.explain import run_explain

    run_explain(file, version, config, code and code.value)


@app.command()
def models(
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Compare with what upstream says of its models.")
    ] = False,
    config: Config = None,
) -> None:
    """Print what is known of every model, and what each legacy name becomes today."""
    from proxy.cli.models import run_models

    run_models(config, refresh=refresh)


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
