"""What is said of the requests that were recorded."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.migrate.evidence import (
    Contents,
    Count,
    Evidence,
    Places,
    Skeleton,
    data_of,
    in_words,
    sentences_of,
)
from proxy.migrate.traits import Asked

ASKED: Asked = (("model", "claude-2"),)


def said(**fields: Any) -> list[str]:
    return list(sentences_of(Evidence(**({"period": "in the last day", "asked": ASKED} | fields))))


def found(**fields: Any) -> list[str]:
    """What is said of two requests of one caller."""
    plain: dict[str, Any] = {
        "requests": 2,
        "callers": (Count("bot", 2),),
        "turns": (Count("2", 2),),
    }
    return said(**(plain | fields))


def about(**fields: Any) -> list[str]:
    """What is said of the contents of two requests."""
    plain: dict[str, Any] = {
        "read": 2,
        "meant": 2,
        "has_words": False,
        "skeletons": (Skeleton(("user",), 2),),
    }
    return found(contents=Contents(**(plain | fields)))[3:]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((("model", "claude-2"),), "for claude-2"),
        ((("max_tokens_to_sample", 300),), "with max_tokens_to_sample 300"),
        (
            (("temperature", 0.50), ("stop_sequences", 1)),
            "with temperature 0.5 and 1 stop sequence",
        ),
        ((("stop_sequences", 2), ("top_p", None)), "with 2 stop sequences, without top_p"),
        (
            (("model", "a"), ("top_p", None), ("top_k", None), ("stop_sequences", 0)),
            "for a, without top_p, top_k and stop sequences",
        ),
        ((("model", "a"), ("stream", True)), "for a, streamed"),
        ((("model", "a"), ("stream", False)), "for a, not streamed"),
    ],
)
def test_what_was_looked_for_is_said(asked: Asked, words: str):
    assert in_words(asked) == words


def test_no_match_is_said_with_what_was_looked_for():
    assert said() == [
        "No request in the last day was for claude-2: this may be code that does not run, or its "
        "requests go to another base URL."
    ]


def test_a_call_that_says_nothing_is_not_matched():
    assert said(asked=()) == [
        "The source names no value by which the requests of this call could be found in what was "
        "recorded."
    ]


def test_only_the_model_is_claimed_if_only_that_is_known():
    assert found(features=(Count("system", 1),)) == [
        "2 requests in the last day were for claude-2.",
        "Callers: bot (2).",
        "Features: system (1).",
        "Turns, with the answer: 2 (2).",
        'None of their contents were kept: `capture = "full"` would show the system prompt and the '
        "turns of those to come.",
    ]


def test_one_request_is_one():
    assert found(requests=1)[0] == "1 request in the last day was for claude-2."


def test_many_callers_are_counted_together():
    callers = tuple(Count(f"c{number}", 1_000) for number in range(8))

    line = "Callers: c0 (1,000), c1 (1,000), c2 (1,000), c3 (1,000), c4 (1,000), others (3,000)."
    assert found(callers=callers)[1] == line


def test_other_calls_that_may_have_sent_them_are_named():
    places = tuple(f"x.py:{number}" for number in range(6))

    assert found(same=Places(("a.py:1",), 1), overlapping=Places(places, 30))[-2:] == [
        "The source says the same of a.py:1, so that these may be requests of those, too.",
        "Requests of x.py:0, x.py:1, x.py:2, x.py:3, x.py:4 and 25 more may be among them.",
    ]


LATEST = "Of the latest 2 whose contents were kept"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, f"{LATEST}, none has a system prompt."),
        (
            {"system": '"Be"', "systems": 1, "with_system": 2},
            f'{LATEST}, all have the system prompt "Be".',
        ),
        (
            {"system": '"Be"', "systems": 1, "with_system": 1},
            f'{LATEST}, 1 has the system prompt "Be".',
        ),
        (
            {"systems": 2, "with_system": 2},
            f"{LATEST}, all have system prompts, 2 different ones.",
        ),
        (
            {"read": 1, "meant": 1, "system": '"Be"', "systems": 1, "with_system": 1},
            'Of the latest whose contents were kept, it has the system prompt "Be".',
        ),
        (
            {"has_words": True, "meant": 1},
            f"{LATEST}, 1 has the literal parts of the source; of these, none has a system prompt.",
        ),
        (
            {"has_words": True},
            f"{LATEST}, 2 have the literal parts of the source; of these, none has a system "
            "prompt.",
        ),
        (
            {"has_words": True, "meant": 0},
            "None of the latest 2 whose contents were kept has the literal parts of the source: "
            "these may be of other calls.",
        ),
        (
            {"unreadable": 2, "meant": 0},
            "The contents of 2 of the latest 2 whose contents were kept are no request that can be "
            "read.",
        ),
    ],
)
def test_the_system_prompt_is_said_of_those_that_are_meant(fields: dict[str, Any], sentence: str):
    assert about(**fields)[0] == sentence


def test_turns_are_counted_and_long_ones_shortened():
    long = Skeleton(("user", "assistant") * 10 + ("user",), 1)
    others = tuple(Skeleton(("user", "prefill"), number) for number in range(6, 0, -1))

    assert about(skeletons=(long, *others))[1] == (
        "Their turns: user, assistant, user, 14 more, assistant, user, assistant, user (1); "
        "user, prefill (6); user, prefill (5); user, prefill (4); user, prefill (3); others (3)."
    )


def test_data_has_all_of_it():
    contents = Contents(read=2, meant=1, has_words=True, skeletons=(Skeleton(("user",), 1),))
    evidence = Evidence(
        period="in the last day",
        asked=ASKED,
        requests=2,
        callers=(Count("bot", 2),),
        contents=contents,
        same=Places(("a.py:1",), 1),
    )
    data = data_of(evidence)

    assert data["said"] == list(sentences_of(evidence))
    assert data["callers"] == [{"name": "bot", "requests": 2}]
    assert data["contents"] == {
        "read": 2,
        "unreadable": 0,
        "with_literal_words": 1,
        "system": None,
        "with_system": 0,
        "different_systems": 0,
        "roles": [{"roles": ("user",), "requests": 1}],
    }
    assert data_of(Evidence(period="", asked=ASKED))["contents"] is None
