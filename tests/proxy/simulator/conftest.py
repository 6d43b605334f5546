import datetime
from collections.abc import Iterator

import pytest

from proxy.simulator import create_simulator
from tests.servers import serving


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The base url of a simulator that all tests share, on the date of the recorded facts."""
    with serving(create_simulator(today=datetime.date(2026, 11, 22))) as base_url:
        yield base_url
