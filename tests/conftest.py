"""Options of the whole suite: here they are known whichever folder is asked for."""

from __future__ import annotations

import os
import tempfile

import pytest

_STATE = tempfile.TemporaryDirectory(prefix="holdover-tests-")


def pytest_configure() -> None:
    """No test, and no process that one starts, leaves evidence among its user's own."""
    os.environ.pop("STATE_DIRECTORY", None)
    os.environ["XDG_STATE_HOME"] = _STATE.name


def pytest_unconfigure() -> None:
    _STATE.cleanup()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sdk-matrix",
        action="store_true",
        help="install the official SDKs of every era and run them against the proxy",
    )
