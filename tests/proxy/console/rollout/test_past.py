import pytest

from proxy.config.history import Change
from proxy.console.rollout.past import past_changes


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("share of canary: 5 -> 25 %", ("share of canary", "5 %", "25 %")),
        (
            "kill switch: not set -> refuse",
            ("kill switch", "not set", "refuse"),
        ),
        ("upstream_key: changed", ("upstream_key: changed", None, None)),
        ("model of canary: a -> b -> c", ("model of canary: a -> b -> c", None, None)),
        ("start with no rules", ("start with no rules", None, None)),
    ],
)
def test_what_was_and_what_is_are_told_apart_where_a_sentence_says_both(sentence, parts):
    [one] = past_changes([Change("2026-11-29T10:00:00.000+00:00", "a", (sentence,), "alice")])

    assert (one.what, one.before, one.after) == parts
    assert one.by == "alice"


def test_the_newest_change_is_first():
    history = [Change("1", "a", ("x", "y")), Change("2", "b", ("z",)), Change("3", "c")]

    assert [one.what for one in past_changes(history)] == ["z", "x", "y"]
