import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.server.connection.partial_heads import PartialHeads


def test_heads_that_fit_are_all_kept():
    heads = PartialHeads[str](1000)

    assert heads.set("a", 400, 1) == []
    assert heads.set("b", 400, 0) == []


def test_the_head_that_began_first_makes_room():
    heads = PartialHeads[str](1000)
    heads.set("a", 300, 0)
    heads.set("b", 300, 0)
    heads.set("a", 400, 0)

    assert heads.set("c", 301, 0) == ["a"]


def test_a_header_costs_more_than_its_bytes():
    heads = PartialHeads[str](1000)

    assert heads.set("a", 400, 4) == []
    assert heads.set("a", 400, 5) == ["a"]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_head_that_is_complete_costs_nothing(is_known: bool):
    heads = PartialHeads[str](1000)
    if is_known:
        heads.set("a", 900, 0)
    heads.remove("a")

    assert heads.set("b", 1000, 0) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 600), st.integers(0, 3)), max_size=30))
def test_what_is_kept_never_costs_more_than_the_limit(steps: list[tuple[int, int, int]]):
    heads, kept = PartialHeads[int](1000), dict[int, int]()
    for connection, received, headers in steps:
        kept[connection] = received + headers * 128
        for refused in heads.set(connection, received, headers):
            heads.remove(refused)
            del kept[refused]

        assert sum(kept.values()) <= 1000
