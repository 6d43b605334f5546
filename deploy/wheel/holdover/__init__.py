"""
The one import name that a wheel of Holdover installs, and what its commands start.

A wheel has the packages `proxy` and `translators` inside of this one, because both names have
other owners on PyPI: beside them in site-packages, whichever is installed last overwrites the
other. Their modules import each other by these names, so this directory comes first on the
import path of a process that runs Holdover. In a checkout both are found where they are.
"""

from __future__ import annotations

# Python's own start imports these two; other imports have to wait until the path is clean.
import os
import sys


def main() -> None:
    """Run the `holdover` command; the entry point of the console script."""
    inside = os.path.dirname(os.path.abspath(__file__))
    if os.path.isdir(os.path.join(inside, "proxy")):
        sys.path.insert(0, inside)
    from proxy.import_path import forget_working_directory  # noqa: PLC0415 - found only now

    forget_working_directory()
    from proxy.cli import main as run_command  # noqa: PLC0415 - the path is clean by now

    run_command()
