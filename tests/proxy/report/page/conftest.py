"""One browser for all tests of the page; where there is none, they are skipped and say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import CHROMIUM, Browser, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the path: apt-get install chromium")
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running
