"""Commands that serve and explain; each is implemented in the module of the same name."""

# ruff: noqa: PLC0415 - a command imports what it needs when it is chosen

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.options import Config, Demo, Secrets

app = typer.Typer(
    name="holdover",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    """Print the version of Holdover and of what it runs on, and exit."""
    if wanted:
        import platform
        from importlib.metadata import version

        from proxy.terminal import print_lines

        python = f"{platform.python_implementation()} {platform.python_version()}"
        print_lines(f"holdover {version('holdover')} ({python}, {platform.platform()})")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", is_eager=True, callback=print_version, help="Print the version."),
]


@app.callback()
def options(version: Version = False) -> None:
    """Keeps old /v1/complete integrations running on the Messages API."""


class Language(enum.Enum):
    """Languages of `explain --code`; a test keeps them equal to `translators.LANGUAGES`."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"
    CURL = "curl"


class ExplainFormat(enum.Enum):
    """Forms in which `explain` prints a plan."""

    TEXT = "text"
    JSON = "json"


Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on; 0 takes a free one.")]


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    upstream_url: Annotated[
        str | None, typer.Option(help="The base URL of the Messages API.")
    ] = None,
    config: Config = None,
    secrets: Secrets = None,
) -> None:
    """Run the proxy."""
    from proxy.cli.serve import run_proxy

    run_proxy(config, secrets, host=host, port=port, upstream_url=upstream_url)


@app.command(hidden=True)
def load(config: Config = None, secrets: Secrets = None) -> None:
    """Load the journals into the store; `serve` does so by itself."""
    from proxy.cli.traffic.open_store import open_traffic_store

    with open_traffic_store(config, secrets, demo=False):
        pass


@app.command()
def demo(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port to listen on; 0 takes a free one.")
    ] = 8080,
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the example instead of serving.")
    ] = False,
) -> None:
    """Show how a legacy request becomes a Messages request, and serve: no key, no network."""
    from proxy.cli.demo import run_demo

    run_demo(port, keep_serving=not once)


@app.command()
def console(
    host: Host = None,
    port: Port = None,
    config: Config = None,
    secrets: Secrets = None,
    demo: Demo = False,
) -> None:
    """Show the migration in a browser, and move it there."""
    from proxy.cli.console import run_console

    run_console(config, secrets, host=host, port=port, demo=demo)


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port to listen on; 0 takes a free one.")
    ] = 9000,
    legacy: Annotated[
        bool,
        typer.Option("--legacy", help="Answer /v1/complete, as until July 2025."),
    ] = False,
) -> None:
    """Run only the simulator that stands in for the Messages API."""
    from proxy.cli.serve import run_simulator

    run_simulator(host, port, legacy=legacy)


@app.command()
def check(  # noqa: PLR0913, PLR0917 - an option each
    config: Annotated[Path, typer.Argument(help="The settings file (TOML).")],
    request: Annotated[
        Path | None, typer.Option(help="A JSON file with a legacy request body; - for stdin.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", help="A request header, `name: value`; may be repeated."),
    ] = None,
    caller: Annotated[str | None, typer.Option(help="The name of the caller.")] = None,
    now: Annotated[
        datetime | None,
        typer.Option(
            "--at", help="Decide as at this time (UTC).", formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"]
        ),
    ] = None,
    secrets: Secrets = None,
) -> None:
    """Check a settings file, or show which rule decides about a request, and why."""
    from proxy.cli.check import run_check

    run_check(config, secrets, request, header or [], caller, now)


class DoctorFormat(enum.Enum):
    """Forms in which `doctor` prints what it has found."""

    TEXT = "text"
    JSON = "json"


@app.command()
def doctor(
    config: Config = None,
    secrets: Secrets = None,
    form: Annotated[
        DoctorFormat, typer.Option("--format", help="Lines, or everything as JSON.")
    ] = DoctorFormat.TEXT,
) -> None:
    """Try all that a server needs (upstream, keys, store, machine); say what to do about it."""
    from proxy.cli.doctor.command import run_doctor

    run_doctor(config, secrets, as_json=form is DoctorFormat.JSON)


@app.command()
def notify(config: Config = None, secrets: Secrets = None) -> None:
    """Send a test notice to the webhook in the settings, and say what it answers."""
    from proxy.cli.notify import run_notify

    run_notify(config, secrets)


rollout = typer.Typer(help="Change the rules in the settings file, safely.", no_args_is_help=True)
app.add_typer(rollout, name="rollout")
Rules = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="HOLDOVER_CONFIG", help="The settings file (TOML)."),
]


@rollout.command()
def share(
    name: Annotated[str, typer.Argument(help="The name of the rule.")],
    percent: Annotated[float, typer.Argument(help="0 to 100, with up to two decimals.")],
    config: Rules,
    secrets: Secrets = None,
) -> None:
    """Set the share of requests that a rule applies to."""
    from proxy.cli.rollout import run_share

    run_share(config, secrets, name, percent)


@rollout.command()
def override(
    action: Annotated[str, typer.Argument(help="translate, forward, refuse, or off.")],
    config: Rules,
    secrets: Secrets = None,
) -> None:
    """Send every request one way and ignore the rules; `off` ends that."""
    from proxy.cli.rollout import run_override

    run_override(config, secrets, action)


@rollout.command()
def rearm(
    name: Annotated[str, typer.Argument(help="The name of the rule.")],
    config: Rules,
    secrets: Secrets = None,
) -> None:
    """Reset a tripped guard, so that its rule gets its share back."""
    from proxy.cli.rollout import run_rearm

    run_rearm(config, secrets, name)


@rollout.command()
def status(config: Rules, secrets: Secrets = None) -> None:
    """Show the rules of a settings file, and which guards have tripped."""
    from proxy.cli.rollout import run_status

    run_status(config, secrets)


@rollout.command()
def history(config: Rules, secrets: Secrets = None) -> None:
    """Show when which share, rule or other setting changed, and by whom."""
    from proxy.cli.rollout import run_history

    run_history(config, secrets)


keys = typer.Typer(help="Make tokens for callers; find a key in the log.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@keys.command()
def new(name: Annotated[str, typer.Argument(help="The name of the caller.")]) -> None:
    """Make a token for a caller; print it once, with the lines for the settings file."""
    from proxy.cli.keys import run_new

    run_new(name)


@keys.command("hash")
def hash_() -> None:
    """Read a key or token from stdin and print its hash as the settings file takes it."""
    from proxy.cli.keys import run_hash

    run_hash()


@keys.command()
def digest(config: Config = None, secrets: Secrets = None) -> None:
    """Read a key from stdin and print the digest that the log shows for it."""
    from proxy.cli.keys import run_digest

    run_digest(config, secrets)


@app.command()
def explain(
    file: Annotated[
        Path, typer.Argument(help="A JSON file with a legacy request body; - for stdin.")
    ],
    version: Annotated[
        str | None, typer.Option("--anthropic-version", help="The version header of the client.")
    ] = "2023-06-01",
    code: Annotated[
        Language | None, typer.Option(help="Print the equivalent call for a current SDK instead.")
    ] = None,
    form: Annotated[
        ExplainFormat, typer.Option("--format", help="Prose, or everything as JSON.")
    ] = ExplainFormat.TEXT,
    config: Config = None,
) -> None:
    """Say what a legacy request becomes, and why, in prose or as JSON; sends nothing."""
    from proxy.cli.explain import run_explain

    run_explain(file, version, config, language=code and code.value, form=form.value)


@app.command()
def models(
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Compare the table with upstream's list of models.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="The same, with exit status 1 where they differ, for cron."),
    ] = False,
    config: Config = None,
) -> None:
    """Show what is known of every model, and what each legacy name becomes today."""
    from proxy.cli.models import run_models

    run_models(config, refresh=refresh or check, check=check)


class MigrateFormat(enum.Enum):
    """Forms in which `migrate` prints what it has found."""

    TERMINAL = "terminal"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


@app.command()
def migrate(  # noqa: PLR0913, PLR0917 - an option each
    paths: Annotated[list[Path], typer.Argument(help="Files and folders of source code.")],
    diff: Annotated[
        bool, typer.Option("--diff", help="Print what would be changed, for `git apply`.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Change the files, if they are committed.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with status 1 while a legacy use is left.")
    ] = False,
    form: Annotated[
        MigrateFormat,
        typer.Option("--format", help="Lines, JSON, SARIF, or annotations of GitHub."),
    ] = MigrateFormat.TERMINAL,
    config: Config = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model and what to ask instead: OLD=NEW; repeatable."),
    ] = None,
    sdk: Annotated[
        int,
        typer.Option(min=0, max=1, help="1: for the newest SDKs; 0: for those that stay on 0.x."),
    ] = 1,
    since: Annotated[
        str | None,
        typer.Option(
            help="Show what was recorded of calls that are left by hand, from when: 24h, 30d, ..."
        ),
    ] = None,
    demo: Demo = False,
    secrets: Secrets = None,
) -> None:
    """Rewrite source code that calls the legacy API; what it cannot, it lists with the reason."""
    from proxy.cli.migrate import Choices, Mode, run_migrate
    from proxy.terminal import exit_with_error

    if diff + write + check > 1:
        exit_with_error("--diff, --write and --check are one at a time")
    mode: Mode = "diff" if diff else "write" if write else "check" if check else "show"
    choices = Choices(
        mode=mode,
        form=form.value,
        config=config,
        models=model or (),
        sdk=sdk,
        since=since,
        demo=demo,
        secrets=secrets,
    )
    run_migrate(paths, choices)
