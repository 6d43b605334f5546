import json
import subprocess
import sys
from resource import RLIM_INFINITY

import pytest

from proxy.server.descriptors import most_connections

RAISE = """
import resource
from proxy.observability.log_config import configure_logs
from proxy.server.descriptors import raise_descriptor_limit, warn_of_few_descriptors
from proxy.server.resources import descriptor_limit
configure_logs("json")
raise_descriptor_limit()
warn_of_few_descriptors()
print(descriptor_limit())
"""


def raised(soft: int, hard: int) -> tuple[int, list[dict[str, object]]]:
    """The limit that a process of these limits gives itself, and what it logs."""
    done = subprocess.run(
        [
            "/bin/sh",
            "-c",
            f"ulimit -Sn {soft} && ulimit -Hn {hard} && exec $0 -c '{RAISE}'",
            sys.executable,
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    return int(done.stdout), [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.unmeasured
def test_the_soft_limit_is_raised_to_the_hard_one():
    assert raised(64, 1000) == (1000, [])


@pytest.mark.measured
@pytest.mark.unmeasured
def test_a_limit_that_is_low_for_good_is_logged():
    limit, [line] = raised(64, 256)

    assert limit == 256
    assert (line["event"], line["limit"], line["connections"]) == ("few_descriptors", 256, 96)


@pytest.mark.parametrize(
    ("limit", "clients"),
    [(10, 1), (64, 1), (128, 32), (1024, 480), (65_536, 20_000), (RLIM_INFINITY, 20_000)],
)
def test_clients_get_half_of_what_is_not_reserved(limit: int, clients: int):
    assert most_connections(limit) == clients
