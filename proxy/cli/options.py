"""Options that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
