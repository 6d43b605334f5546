from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Postgres, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """One for all tests that do not stop it."""
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is not there yet, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'traffic.db'}"
    running: Postgres = request.getfixturevalue("server")
    return running.new_database()
