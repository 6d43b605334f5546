from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.echo_remover import EchoRemover, TrimmedSpaceRemover


def without_echo(echo, *deltas):
    remover = EchoRemover(echo)
    return [*map(remover.feed, deltas), remover.flush()]


@pytest.mark.parametrize(
    ("echo", "deltas", "released"),
    [
        ("", ["a", "b"], ["a", "b", ""]),
        ("ab", ["abc"], ["c", ""]),
        ("ab", ["a", "bc", "d"], ["", "c", "d", ""]),
        ("ab", ["ab", "ab"], ["", "ab", ""]),
        ("ab", ["abab"], ["ab", ""]),
        ("ab", ["x", "ab"], ["x", "ab", ""]),
        ("ab", ["ax", "b"], ["ax", "b", ""]),
        ("ab", ["a", "x", "b"], ["", "ax", "b", ""]),
        ("ab", ["a"], ["", "a"]),
        ("ab", ["", "a", "", "b", ""], ["", "", "", "", "", ""]),
        ("ab", [], [""]),
        ("ab", [" ab"], ["", ""]),
        (" ab", ["ab\n"], ["\n", ""]),
        ("\nab", [" ", "\n", "a", "b c"], ["", "", "", " c", ""]),
        ("ab", [" ", "\n", "ac"], ["", "", " \nac", ""]),
        ("ab", [" ", "a"], ["", "", " a"]),
        ("ab", ["AB"], ["AB", ""]),
        ("aab", ["a", "a", "a", "b"], ["", "", "aaa", "b", ""]),
    ],
    ids=[
        *("nothing to remove", "at once", "in pieces", "once only", "once only, at once"),
        *("something else first", "only begins like it", "begins like it in pieces"),
        *("unfinished", "empty deltas", "no text", "white space before the answer's"),
        *("white space before the prefill's", "before both", "before what is no echo"),
        *("before half of it", "case matters"),
        *("at the start or not at all",),
    ],
)
def test_an_echo_is_taken_off_whole_or_not_at_all(echo, deltas, released):
    assert without_echo(echo, *deltas) == released


def test_an_echo_is_not_held_once_it_was_flushed():
    remover = EchoRemover("abc")

    assert (remover.feed("a"), remover.flush(), remover.feed("bc"), remover.flush()) == (
        *("", "a", "bc", ""),
    )


PIECES = st.lists(st.text("ab", max_size=3), max_size=6)


@given(echo=st.text("ab", max_size=5), deltas=PIECES)
@example(echo="ab", deltas=["a", "b", "ab"])
def test_echo_removal_does_not_depend_on_chunking(echo, deltas):
    assert "".join(without_echo(echo, *deltas)) == "".join(deltas).removeprefix(echo)


@given(
    remover=st.builds(EchoRemover, st.text("a ", max_size=3))
    | st.builds(TrimmedSpaceRemover, st.text("a ", max_size=3)),
    deltas=st.lists(st.text("ab ", max_size=3), max_size=4),
)
def test_once_the_start_is_settled_everything_passes(remover, deltas):
    said = [(remover.is_settled, delta, remover.feed(delta)) for delta in deltas]

    assert all(delta == released for was_settled, delta, released in said if was_settled)


@given(echo=st.text("ab", max_size=5), deltas=PIECES)
def test_nothing_is_held_longer_than_the_echo_could_still_match(echo, deltas):
    remover = EchoRemover(echo)
    said, released = "", ""
    for delta in deltas:
        said, released = said + delta, released + remover.feed(delta)

        may_still_match = echo.startswith(said) and said != echo
        assert released == ("" if may_still_match else said.removeprefix(echo))


def without_space(space, *deltas):
    remover = TrimmedSpaceRemover(space)
    return [remover.feed(delta) for delta in deltas]


@pytest.mark.parametrize(
    ("space", "deltas", "released"),
    [
        ("", [" a"], [" a"]),
        ("\n", ["\na"], ["a"]),
        ("\n", ["\n", "\na"], ["", "\na"]),
        ("\n\n", ["\n", "a", "\n"], ["", "a", "\n"]),
        (" \n", [" ", "", "\n", " a"], ["", "", "", " a"]),
        (" \n", ["\n a"], ["\n a"]),
        (" ", ["a", " "], ["a", " "]),
        ("  ", [" a  b"], ["a  b"]),
    ],
    ids=[
        *("nothing was trimmed", "all of it comes back", "no more than was trimmed"),
        *("some of it comes back", "in pieces", "not in another order", "not later"),
        *("not where text has begun",),
    ],
)
def test_trimmed_white_space_is_not_doubled(space, deltas, released):
    assert without_space(space, *deltas) == released


BLANKS = st.text(" \n", max_size=3)


@given(space=BLANKS, deltas=st.lists(st.text(" \na", max_size=3), max_size=6))
def test_space_removal_does_not_depend_on_chunking(space, deltas):
    whole = "".join(deltas)

    assert "".join(without_space(space, *deltas)) == "".join(without_space(space, whole))


@given(space=BLANKS, text=st.text(" \na", max_size=6))
def test_what_is_taken_off_is_what_the_prompt_ends_with(space, text):
    kept = "".join(without_space(space, text))
    taken = text.removesuffix(kept)

    shared = sum(1 for _ in iter_shared(space, text))
    assert taken == space[:shared]
    assert taken + kept == text


def iter_shared(one, other):
    """The characters both begin with."""
    for a, b in zip(one, other, strict=False):
        if a != b:
            return
        yield a


def test_a_long_echo_in_small_pieces():
    echo = "word " * 40_000
    edges = range(0, len(echo) + 1, 4)

    assert "".join(without_echo(echo, *(echo[a:b] for a, b in pairwise(edges)), "more")) == "more"
