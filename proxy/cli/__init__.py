"""
The `holdover` command.

One module per verb. Nothing but typer is imported before a verb is chosen, so
that `--help` is quick.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import cast

from proxy.cli.serving_commands import app
from proxy.cli.traffic_commands import app as evidence
from proxy.import_path import forget_working_directory

app.add_typer(evidence)  # without a name: its verbs are ours


def main() -> None:
    """Entry point of the console script."""
    forget_working_directory()
    with suppress(AttributeError):  # somebody may have closed it
        # What its encoding has no letters for is spelled.
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
    app()
