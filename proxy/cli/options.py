"""Options that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="HOLDOVER_CONFIG", help="The settings file (TOML)."),
]
Secrets = Annotated[
    Path | None,
    typer.Option(envvar="HOLDOVER_SECRETS", help="A directory with one file per secret setting."),
]
Demo = Annotated[bool, typer.Option("--demo", help="Use the traffic that the demo recorded.")]
SINCE = typer.Option(
    help="From when: 15m, 24h or 7d ago, or 2026-11-20, or 2026-11-20T09:30 (UTC)."
)
Since = Annotated[str | None, SINCE]
Until = Annotated[str | None, typer.Option(help="Until when, written likewise; a day is included.")]
CallerFilter = Annotated[
    str | None, typer.Option(help="A caller's name, or the first characters of its digest.")
]
