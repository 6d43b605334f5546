"""The verbs and their options; what they do is in the module of the same name."""

# ruff: noqa: PLC0415 - a verb imports what it needs when it is chosen

from __future__ import annotations

import enum
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


Config = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="HOLDOVER_CONFIG", help="A TOML file.")
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")]


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    upstream_url: Annotated[str | None, typer.Option(help="Base url of the Messages API.")] = None,
    config: Config = None,
    secrets: Annotated[
        Path | None, typer.Option(envvar="HOLDOVER_SECRETS", help="A directory of secret files.")
    ] = None,
) -> None:
    """Run the proxy."""
    from proxy.cli.serve import run_proxy

    run_proxy(config, secrets, host=host, port=port, upstream_url=upstream_url)


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
) -> None:
    """Run the stand-in for the Messages API alone."""
    from proxy.cli.serve import run_simulator

    run_simulator(host, port)


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
