"""Options of the whole suite: here they are known whichever folder is asked for."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sdk-matrix",
        action="store_true",
        help="install the official SDKs of every era and run them against the proxy",
    )
