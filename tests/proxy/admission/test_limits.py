import pytest

from proxy.admission import AskedLimits, Limits, Machine

GIB = 1024**3
LARGE = Machine(connections=20_000, memory=64 * GIB)


def test_a_large_machine_is_not_used_up_by_one_worker():
    assert Limits.derived(AskedLimits(), LARGE) == Limits(
        exchanges=4_000,
        exchanges_per_caller=2_000,
        waiting=2_000,
        max_wait=10,
        body_bytes=256 * 1024**2,
        body_bytes_per_caller=128 * 1024**2,
    )


@pytest.mark.parametrize(
    ("machine", "exchanges"),
    [
        (Machine(connections=480, memory=64 * GIB), 480),
        (Machine(connections=LARGE.connections, memory=GIB), 1024),
        (Machine(connections=LARGE.connections, memory=GIB, workers=4), 256),
        (Machine(connections=480, memory=GIB, workers=4), 256),
        (Machine(connections=1, memory=GIB), 1),
        (Machine(connections=480, memory=1), 1),
    ],
)
def test_connections_and_memory_limit_what_runs_at_a_time(machine, exchanges):
    assert Limits.derived(AskedLimits(), machine).exchanges == exchanges


def test_bodies_take_a_share_of_a_small_memory():
    limits = Limits.derived(AskedLimits(), Machine(connections=480, memory=GIB, workers=2))

    assert (limits.body_bytes, limits.body_bytes_per_caller) == (16 * 1024**2, 8 * 1024**2)


def test_what_is_asked_for_is_shared_by_the_workers():
    asked = AskedLimits(
        exchanges=10, exchanges_per_caller=5, waiting=7, max_wait=3, body_bytes=1001
    )
    machine = Machine(connections=480, memory=GIB, workers=2)

    assert Limits.derived(asked, machine) == Limits(
        exchanges=5,
        exchanges_per_caller=3,
        waiting=4,
        max_wait=3,
        body_bytes=501,
        body_bytes_per_caller=250,
    )


def test_one_caller_may_have_no_more_than_all():
    limits = Limits.derived(AskedLimits(exchanges=3, exchanges_per_caller=9), LARGE)

    assert limits.exchanges_per_caller == 3
