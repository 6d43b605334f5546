import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.adjustments import Adjustment, AdjustmentKind
from translators.errors import InvalidCompletionRequest
from translators.stops import (
    MAX_EMULATED_CHARACTERS,
    MAX_SCANNED_CHARACTERS,
    MAX_SEQUENCES,
    StopPlan,
    plan_stops,
)

HUMAN = "\n\nHuman:"


def emulated(asked):
    kind = AdjustmentKind.EMULATE_STOP_SEQUENCE
    return Adjustment(kind, "stop_sequences", asked, "emulated")


IN_THE_PREFILL = emulated("one that may match inside the prefill")


def repeated(count):
    kind = AdjustmentKind.DROP_REPEATED_STOP_SEQUENCE
    return Adjustment(kind, "stop_sequences", f"{count} repeated", "nothing")


EMPTY_DROPPED = Adjustment(
    AdjustmentKind.DROP_EMPTY_STOP_SEQUENCE, "stop_sequences", '""', "nothing"
)


@pytest.mark.parametrize(
    ("asked", "plan"),
    [
        ((), StopPlan((HUMAN,), (), ())),
        ((HUMAN,), StopPlan((HUMAN,), (), ())),
        ((HUMAN, "END"), StopPlan((HUMAN, "END"), (), ())),
        (("END", "\nObservation:"), StopPlan(("END", "\nObservation:", HUMAN), (), ())),
        (("END", "END", HUMAN, HUMAN), StopPlan(("END", HUMAN), (), (repeated(2),))),
        (("\n\nHuman: ",), StopPlan(("\n\nHuman: ", HUMAN), (), ())),
        (("\n",), StopPlan((HUMAN,), ("\n",), (emulated(r"'\n'"),))),
        (
            ("\n\n", "END", " "),
            StopPlan(("END", HUMAN), ("\n\n", " "), (emulated(r"'\n\n'"), emulated("' '"))),
        ),
        (("", "END", ""), StopPlan(("END", HUMAN), (), (EMPTY_DROPPED, repeated(1)))),
        (("", "\t"), StopPlan((HUMAN,), ("\t",), (emulated(r"'\t'"), EMPTY_DROPPED))),
        ((" the",), StopPlan((" the", HUMAN), (), ())),
    ],
    ids=[
        *("the built-in stop is always told", "but once", "and where it was asked for"),
        *("sequences with text are native", "duplicates are told once", "the one of haystack"),
        *("white space is emulated", "beside native ones", "empty ones are dropped"),
        *("empty and blank", "a leading space means nothing by itself"),
    ],
)
def test_sequences_are_divided_by_who_watches_for_them(asked, plan):
    assert plan_stops(asked) == plan


def test_sequence_that_the_emulated_space_may_complete_is_watched_for_on_both_sides():
    assert plan_stops((" the", "the"), gains_leading_space=True) == StopPlan(
        (" the", "the", HUMAN), (" the",), ()
    )


@pytest.mark.parametrize(
    ("stop", "echo"),
    [("b", "abc"), ("abc", "abc"), ("cd", "abc"), ("bcd", "abc"), ("abcd", "abc")],
    ids=["inside", "all of it", "across its end", "further across", "from its start"],
)
def test_sequence_that_could_match_in_an_echo_is_not_for_upstream_to_see(stop, echo):
    assert plan_stops((stop,), echo=echo) == StopPlan((HUMAN,), (stop,), (IN_THE_PREFILL,))


@pytest.mark.parametrize("stop", ["d", "abd", "ba", "bcb"])
def test_sequence_that_cannot_match_in_an_echo_stays_native(stop):
    assert plan_stops((stop,), echo="abcx") == StopPlan((stop, HUMAN), (), ())


def test_even_the_built_in_stop_is_emulated_where_an_echo_holds_it():
    assert plan_stops((), echo="a\n\nHuman: b") == StopPlan((), (HUMAN,), (IN_THE_PREFILL,))


def test_white_space_in_an_echo_is_reported_as_white_space():
    assert plan_stops(("\n",), echo="a\nb") == StopPlan((HUMAN,), ("\n",), (emulated(r"'\n'"),))


def test_sequences_in_an_echo_are_counted_and_not_listed():
    plan = plan_stops(tuple("abcd\n"), echo="a\nbc")

    assert plan.emulated == ("a", "b", "c", "\n")
    assert plan.adjustments == (
        *(emulated(r"'\n'"), emulated("3 that may match inside the prefill")),
    )


def test_of_many_blank_sequences_a_few_are_shown():
    blank = tuple("\n" * size for size in range(1, 41))
    plan = plan_stops(blank)

    assert plan.emulated == blank
    assert plan.adjustments == (
        *(emulated(repr("\n" * size)) for size in range(1, 17)),
        *(emulated(f"{size} characters of white space") for size in range(17, 33)),
        emulated("8 more of white space"),
    )


def test_native_sequences_are_not_counted():
    stop = "x" * (MAX_EMULATED_CHARACTERS + 1)

    assert plan_stops((stop,)) == StopPlan((stop, HUMAN), (), ())


@pytest.mark.parametrize(
    ("asked", "watched"),
    [
        ((), (HUMAN,)),
        (("END", "\n"), ("END", HUMAN, "\n")),
        (("x" * (MAX_EMULATED_CHARACTERS + 1), "\n"), ("\n",)),
    ],
)
def test_all_sequences_are_watched_for_here_unless_they_are_too_long_for_it(asked, watched):
    assert plan_stops(asked).watched == watched


@pytest.mark.parametrize(
    ("asked", "echo", "gains_leading_space"),
    [
        (("\n" * (MAX_EMULATED_CHARACTERS + 1),), "", False),
        ((" " + "x" * MAX_EMULATED_CHARACTERS,), "", True),
        (("x" * MAX_EMULATED_CHARACTERS,), "echo", False),
        (tuple(f"{number:04}" for number in range(5_000)), "echo", False),
    ],
    ids=["white space", "with the leading space", "beside an echo", "many beside an echo"],
)
def test_more_than_can_be_emulated_is_refused(asked, echo, gains_leading_space):
    with pytest.raises(InvalidCompletionRequest) as refused:
        plan_stops(asked, echo=echo, gains_leading_space=gains_leading_space)

    assert str(refused.value) == (
        "stop_sequences: more than 20000 characters that upstream cannot watch for; "
        "send fewer or shorter ones"
    )


def test_more_sequences_than_anybody_has_are_refused():
    with pytest.raises(InvalidCompletionRequest) as refused:
        plan_stops(("END",) * (MAX_SEQUENCES + 1))

    assert str(refused.value) == "stop_sequences: more than 20000 sequences; send fewer"
    assert plan_stops(("END",) * MAX_SEQUENCES).native == plan_stops(("END",)).native


def test_as_much_as_can_be_emulated_is():
    stop = "\n" * MAX_EMULATED_CHARACTERS

    assert plan_stops((stop,)).emulated == (stop,)


def as_defined(asked, echo, gains_leading_space):
    """Which sequences are native and which are emulated: by trying each for itself."""
    told = [stop for stop in dict.fromkeys((*asked, HUMAN)) if stop]
    hidden = {
        stop
        for stop in told
        if not stop.strip()
        or (echo and stop in echo)
        or any(echo.endswith(stop[:size]) for size in range(1, len(stop)))
    }
    spaced = {stop for stop in told if gains_leading_space and stop.startswith(" ")}
    native = tuple(stop for stop in told if stop not in hidden)
    return native, tuple(stop for stop in told if stop in hidden | spaced)


@given(
    asked=st.lists(st.text("ab \n", max_size=4), max_size=5).map(tuple),
    echo=st.text("ab \n", max_size=8) | st.text("\nHuman:", max_size=8),
    gains_leading_space=st.booleans(),
)
@example(asked=("abc", "c"), echo="a", gains_leading_space=False)
@example(asked=(), echo="\n\nHuman", gains_leading_space=False)
def test_sequences_are_divided_as_defined(asked, echo, gains_leading_space):
    plan = plan_stops(asked, echo=echo, gains_leading_space=gains_leading_space)

    assert (plan.native, plan.emulated) == as_defined(asked, echo, gains_leading_space)


def test_in_a_prefill_that_is_too_long_to_look_through_every_sequence_may_match():
    echo = "x" * MAX_SCANNED_CHARACTERS

    assert plan_stops(("END",), echo=echo).emulated == ()
    assert plan_stops(("END",), echo=echo + "x").emulated == ("END", HUMAN)


STOPS = st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=4).map(tuple)


@given(asked=STOPS, echo=st.text("ab\n", max_size=5), gains_leading_space=st.booleans())
def test_every_sequence_is_watched_for_by_someone(asked, echo, gains_leading_space):
    plan = plan_stops(asked, echo=echo, gains_leading_space=gains_leading_space)

    assert {*plan.native, *plan.emulated} == {*asked, HUMAN}
    assert all(stop.strip() for stop in plan.native)
