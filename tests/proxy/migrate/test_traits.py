"""What the source of a call says of its requests."""

from __future__ import annotations

import pytest

from proxy.migrate.calls import Expression
from proxy.migrate.text import Hole
from proxy.migrate.traits import NOT_SENT, CallTraits, may_be_same, stops_of, words_of

A_NAME = Expression("MODEL")


def test_what_is_known_has_the_names_of_the_api():
    traits = CallTraits(
        model="claude-2",
        max_tokens=9,
        limit=Expression("LIMIT"),
        temperature=0.0,
        top_p=NOT_SENT,
        stops=("a", None),
        stream=False,
    )

    assert traits.asked == (
        ("model", "claude-2"),
        ("max_tokens_to_sample", 9),
        ("temperature", 0.0),
        ("top_p", None),
        ("stop_sequences", 2),
        ("stream", False),
    )


@pytest.mark.parametrize(
    "traits",
    [
        CallTraits(model="claude-2"),
        CallTraits(max_tokens=1),
        CallTraits(temperature=0),
        CallTraits(stops=(None,)),
        CallTraits(stream=True),
    ],
)
def test_a_value_is_enough_to_find_requests(traits: CallTraits):
    assert traits.can_be_found


@pytest.mark.parametrize(
    "traits",
    [
        CallTraits(),
        CallTraits(model=A_NAME, limit=A_NAME, words=("You are",)),
        CallTraits(temperature=NOT_SENT, top_p=NOT_SENT, top_k=NOT_SENT, stops=(), stream=False),
    ],
)
def test_what_is_only_left_out_finds_none(traits: CallTraits):
    assert not traits.can_be_found


def test_what_others_may_add_to_is_known_by_what_it_gives():
    left_out = CallTraits(
        model="a", temperature=NOT_SENT, top_p=NOT_SENT, top_k=NOT_SENT, stops=(), stream=False
    )
    given = CallTraits(model="a", temperature=0, top_p=1, top_k=2, stops=("a",), stream=True)

    assert left_out.of_a_part() == CallTraits(model="a")
    assert given.of_a_part() == given


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ((), (), True),
        ((("model", "a"),), (), True),
        ((("model", "a"),), (("model", "a"), ("stream", True)), True),
        ((("model", "a"),), (("model", "b"), ("stream", True)), False),
        ((("temperature", None),), (("temperature", 0.0),), False),
    ],
)
def test_calls_may_send_the_same_unless_they_contradict(one, other, is_same: bool):
    assert may_be_same(one, other) is is_same
    assert may_be_same(other, one) is is_same


def test_words_are_what_is_literal_between_markers():
    text = ("You are a bot.\n\nHuman: a ", Hole("q"), " Answer now.\n\nAssistant: OK")

    assert words_of(text) == ("You are a bot.", "Answer now.")


def test_stop_sequences_count_even_where_they_are_not_known():
    assert stops_of((("a", "b"), (Hole("x"),), ())) == ("ab", None, "")
    assert stops_of(Expression("stops")) is None
