import datetime
from collections.abc import Iterator

import pytest

from proxy.simulator import create_simulator
from tests.servers import serving


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """A simulator that nobody asks what it received: the day is that of the facts."""
    with serving(create_simulator(today=datetime.date(2026, 11, 22))) as base_url:
        yield base_url
