import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import scaled
from translators.completion_text import CompletionText
from translators.plan import Plan
from translators.steps import completed
from translators.wire.dialects import V2
from translators.wire.messages import MessagesRequest


def plan(*, echo="", trimmed="", stops=(), space=False):
    return Plan(
        dialect=V2,
        asked_model="claude-2",
        echoed_model=None,
        request=MessagesRequest(model="m", max_tokens=1, messages=()),
        betas=None,
        emulated_stops=stops,
        watched_stops=stops,
        echo=echo,
        trimmed=trimmed,
        gains_leading_space=space,
        adjustments=(),
    )


def translate(a_plan, *deltas):
    text = CompletionText(a_plan)
    return [*map(text.feed, deltas), text.flush()], text.matched


@pytest.mark.parametrize(
    ("a_plan", "deltas", "pieces", "matched"),
    [
        (plan(), ["a", "b"], ["a", "b", ""], None),
        (plan(space=True), ["Hi", " you"], [" Hi", " you", ""], None),
        (plan(space=True), ["", "Hi"], ["", " Hi", ""], None),
        (plan(space=True), ["\n\nSo"], ["\n\nSo", ""], None),
        (plan(space=True), [" Hi"], [" Hi", ""], None),
        (plan(space=True), ["\u3000a", "b"], ["\u3000a", "b", ""], None),
        (plan(space=True), [], [""], None),
        (plan(space=True), [""], ["", ""], None),
        (plan(echo="{", trimmed="\n"), ["{", "\n", "a"], ["", "", "a", ""], None),
        (plan(echo="{", trimmed="\n"), ["\n", "{"], ["", "", ""], None),
        (plan(echo="{{"), ["{"], ["", "{"], None),
        (plan(echo="aa\nbb", stops=("\n",)), ["aa\nbb", "c\nd"], ["", "c", ""], "\n"),
        (plan(echo="aa\nbb", stops=("\n",)), ["a\nc"], [" a", ""], "\n"),
        (plan(echo="a\nbb", stops=("\n",)), ["a\nb"], ["", " a"], "\n"),
        (plan(trimmed="\n", stops=("\n\n",)), ["\n\n", "\n"], ["", "", ""], "\n\n"),
        (plan(stops=(" the",), space=True), ["the", " end"], ["", "", ""], " the"),
        (plan(stops=(" the",), space=True), ["th"], ["", " th"], None),
        (plan(stops=("b",), space=True), ["b"], ["", ""], "b"),
        (plan(stops=("bc",), space=True), ["b", "c"], ["", "", ""], "bc"),
        (plan(stops=("bc",), space=True), ["b", "d"], ["", " bd", ""], None),
        (plan(stops=("b",), space=True), [" b"], [" ", ""], "b"),
        (plan(stops=("\n",)), ["a", "\n", "b"], ["a", "", "", ""], "\n"),
    ],
    ids=[
        *("nothing to do", "one leading space", "before the first text", "not before white space"),
        *("not before a space", "nor before another script's", "none for no text"),
        *("none for empty text", "echo, then white space", "white space, then echo"),
        *("unfinished echo", "stop inside the echo"),
        *("stop in what is no echo", "stop in an unfinished echo", "stop behind trimmed space"),
        *("stop with the emulated space", "almost that stop", "no space before a stop"),
        *("nor in front of a split one", "but before what is none", "a space of the model's own"),
        "nothing after a stop",
    ],
)
def test_what_becomes_completion_and_when(a_plan, deltas, pieces, matched):
    assert translate(a_plan, *deltas) == (pieces, matched)


@pytest.mark.parametrize(
    ("stops", "found", "completion", "matched"),
    [
        (("b",), "b", "", "b"),
        (("bc", " b"), "bc", "", " b"),
        (("bc", " "), "bc", "", " "),
        (("bc", "c"), "bc", "", "bc"),
        (("b\nc", "\n"), "b\nc", " b", "\n"),
        ((), "b", "", "b"),
    ],
    ids=[
        *("nothing was written", "it begins with the space", "it is the space", "it ends alike"),
        *("it is inside", "it is not watched for here"),
    ],
)
def test_what_upstream_cuts_before_the_first_word_is_cut_alike_here(
    stops, found, completion, matched
):
    by_upstream, here = (CompletionText(plan(stops=stops, space=True)) for _ in range(2))

    assert (by_upstream.flush(found), by_upstream.matched) == (completion, matched)
    if stops:
        assert (here.feed(found) + here.flush(), here.matched) == (completion, matched)


def test_what_upstream_cuts_after_a_word_has_its_leading_space():
    text = CompletionText(plan(stops=("b", "c"), space=True))

    assert (text.feed("a"), text.flush("b"), text.matched) == (" a", "", "b")


PLANS = st.builds(
    plan,
    echo=st.text("a \n", max_size=3),
    trimmed=st.text(" \n", max_size=2),
    stops=st.lists(st.text("ab \n", min_size=1, max_size=3), max_size=2).map(tuple),
    space=st.booleans(),
)


@given(PLANS, st.lists(st.text("ab \n", max_size=3), max_size=6))
def test_completion_does_not_depend_on_chunking(a_plan, deltas):
    pieces, matched = translate(a_plan, *deltas)
    whole, matched_whole = translate(a_plan, "".join(deltas))

    assert ("".join(pieces), matched) == ("".join(whole), matched_whole)


@settings(max_examples=scaled(200))  # of tens of thousands of characters each
@given(
    PLANS, st.lists(st.sampled_from(["a", "\n", " ", "b", " " * 9_000, "b" * 16_384]), max_size=6)
)
def test_completion_in_steps_is_the_completion(a_plan, deltas):
    steps, at_once = CompletionText(a_plan), CompletionText(a_plan)

    for delta in deltas:
        assert completed(steps.feed_in_steps(delta * 3)) == at_once.feed(delta * 3)
    assert completed(steps.flush_in_steps()) == at_once.flush()
    assert steps.matched == at_once.matched


def test_a_long_text_is_looked_through_part_by_part_and_so_is_an_echo_that_breaks_off():
    text = "a" * 160_000
    scanned = CompletionText(plan(stops=("\n",)))
    echoed = CompletionText(plan(echo=text + "b", stops=("\n",)))

    assert sum(1 for _ in scanned.feed_in_steps(text)) == 160_000 // 16_384
    assert completed(echoed.feed_in_steps(text)) == ""
    assert sum(1 for _ in echoed.feed_in_steps("c")) == 160_000 // 16_384

    held = CompletionText(plan(echo=text + "b", stops=("\n",)))
    assert completed(held.feed_in_steps(text)) == ""
    assert sum(1 for _ in held.flush_in_steps()) == 160_000 // 16_384
