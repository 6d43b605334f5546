"""How soon a worker that has ended is replaced."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.server.restart_delay import count_brief_lives, restart_delay


def delays(count: int, *, somebody_serves: bool) -> list[float]:
    """The delays after so many brief lives in a row."""
    return [restart_delay(lives, somebody_serves=somebody_serves) for lives in range(count)]


def test_one_that_has_served_for_a_while_is_replaced_at_once():
    assert restart_delay(count_brief_lives(7, served_seconds=3600), somebody_serves=True) == 0


def test_one_that_ends_soon_is_replaced_at_once_and_then_less_and_less_often():
    assert delays(10, somebody_serves=True) == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_while_nobody_serves_none_is_waited_for_longer_than_a_second():
    assert delays(6, somebody_serves=False) == [0, 0, 1, 1, 1, 1]


@given(lives=st.integers(0, 10**12))
def test_no_place_stays_empty_for_longer_than_a_minute(lives):
    assert 0 <= restart_delay(lives, somebody_serves=True) <= 60


def test_brief_lives_are_counted():
    assert [count_brief_lives(before, served_seconds=1) for before in range(3)] == [1, 2, 3]
