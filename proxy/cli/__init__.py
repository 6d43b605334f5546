"""
The `holdover` command.

One module per command. Only typer is imported before a command is chosen, so
that `--help` is quick.
"""

from __future__ import annotations

import atexit
import gc
import io
import sys
from contextlib import suppress
from typing import Final, cast

from proxy.cli.serving_commands import app
from proxy.cli.traffic.commands import app as traffic_app
from proxy.import_path import forget_working_directory

_GC_THRESHOLD: Final = 100_000
"""Objects made between two garbage collections: about as many as a command imports, which stay."""

app.add_typer(traffic_app)  # without a name, so that its commands are on the top level


def main() -> None:
    """Run the `holdover` command; the entry point of the console script."""
    forget_working_directory()
    gc.set_threshold(_GC_THRESHOLD)
    # At its end the interpreter looks for garbage several times, among all that was imported.
    atexit.register(gc.freeze)
    with suppress(AttributeError):  # stdout is None if it was closed before we started
        # Characters that the terminal's encoding lacks are printed as escapes.
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
    app()
