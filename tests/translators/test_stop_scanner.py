import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.stop_scanner import StopScanner

HUMAN = "\n\nHuman:"


def scan(sequences, *deltas):
    scanner = StopScanner(sequences)
    text = "".join([scanner.feed(delta) for delta in deltas])
    return text + scanner.flush(), scanner.matched


@pytest.mark.parametrize(
    ("sequences", "deltas", "outcome"),
    [
        ((), ["as", " is"], ("as is", None)),
        (("END",), [], ("", None)),
        ((HUMAN,), ["Bye.\n", "\nHum", "an: ok"], ("Bye.", HUMAN)),
        (("END",), ["the E", "Nd"], ("the ENd", None)),
        (("END",), ["the E", "N"], ("the EN", None)),
        (("END",), ["END"], ("", "END")),
        (("END",), ["a END b END"], ("a ", "END")),
        (("abcd", "bc"), ["abcd"], ("a", "bc")),
        (("b", "ab"), ["ab"], ("", "ab")),
        (("aab",), ["aaab"], ("a", "aab")),
        (("abab", "b"), ["a", "b"], ("a", "b")),
        (("aba", "bab"), ["xbab"], ("x", "bab")),
        (("abcabd",), ["abcabcabd"], ("abc", "abcabd")),
        (("aa", "a"), ["aa"], ("", "a")),
        ((".*",), ["a.b", ".*"], ("a.b", ".*")),
        (("😀",), ["é😀"], ("é", "😀")),
        (("x", "x"), ["ax"], ("a", "x")),
    ],
    ids=[
        *("no sequences", "no text", "split across deltas", "false start", "unfinished at the end"),
        *("the whole text", "the first of two", "completed first beats begun first"),
        *("of two completed at once the longer", "overlapping start", "one inside another, split"),
        *("shared parts", "a failed match leads into another", "the shorter comes first"),
        *("no pattern language", "beyond the basic plane", "asked for twice"),
    ],
)
def test_where_the_text_is_cut(sequences, deltas, outcome):
    assert scan(sequences, *deltas) == outcome


def test_text_is_held_no_longer_than_it_could_become_a_match():
    scanner = StopScanner(("abc",))

    assert [scanner.feed(text) for text in ("xa", "b", "a", "x", "ab", "c")] == [
        *("x", "", "ab", "ax", "", ""),
    ]
    assert scanner.matched == "abc"


def test_nothing_comes_out_after_a_match():
    scanner = StopScanner(("END",))

    assert scanner.feed("a END b") == "a "
    assert (scanner.feed("more"), scanner.flush(), scanner.matched) == ("", "", "END")


def test_flushed_text_is_no_start_of_what_follows():
    scanner = StopScanner(("ab",))

    assert (scanner.feed("a"), scanner.flush(), scanner.feed("b")) == ("", "a", "b")


def test_scanners_of_the_same_sequences_do_not_share_what_they_hold():
    one, other = StopScanner(("ab",)), StopScanner(("ab",))

    assert (one.feed("a"), other.feed("b"), one.feed("b")) == ("", "b", "")
    assert (one.matched, other.matched) == ("ab", None)


@pytest.mark.parametrize(
    ("sequences", "text", "found", "outcome"),
    [
        (("END",), "a ", "END", ("a ", "END")),
        (("END", "a END"), "a ", "END", ("", "a END")),
        (("b\nc", "\n"), "a", "b\nc", ("ab", "\n")),
        (("END",), "a EN", "STOP", ("a EN", "STOP")),
        ((), "a ", "STOP", ("a ", "STOP")),
        (("a",), "a", "END", ("", "a")),
    ],
    ids=[
        *("watched for", "part of a longer one", "another one inside", "not watched for"),
        *("nothing is watched for", "after a match"),
    ],
)
def test_a_sequence_that_upstream_found_is_read_like_text(sequences, text, found, outcome):
    scanner = StopScanner(sequences)

    assert (scanner.feed(text) + scanner.feed_found(found), scanner.matched) == outcome


def test_long_texts_and_many_sequences():
    sequences = tuple(f"<{number}>" for number in range(1_000))
    text = "<99" * 100_000

    assert scan(sequences, text, "9>") == (text[:-3], "<999>")


def first_completed(sequences, text):
    """What the law says, by trying everything: least end, then least start."""
    ends = [
        (start + len(sequence), start, sequence)
        for sequence in sequences
        for start in range(len(text))
        if text.startswith(sequence, start)
    ]
    if not ends:
        return text, None
    _, start, sequence = min(ends)
    return text[:start], sequence


SEQUENCES = st.lists(st.text("ab", min_size=1, max_size=4), max_size=4).map(tuple)


@given(sequences=SEQUENCES, text=st.text("abc", max_size=12))
@example(sequences=("abcd", "bc"), text="abcd")
def test_the_sequence_completed_first_wins(sequences, text):
    assert scan(sequences, text) == first_completed(sequences, text)


@given(sequences=SEQUENCES, deltas=st.lists(st.text("abc", max_size=3), max_size=8))
@example(sequences=("aba", "b"), deltas=["ab", "a"])
def test_cut_does_not_depend_on_chunking(sequences, deltas):
    assert scan(sequences, *deltas) == scan(sequences, "".join(deltas))


@given(sequences=SEQUENCES, deltas=st.lists(st.text("abc", max_size=3), max_size=8))
def test_only_what_may_still_match_is_held(sequences, deltas):
    scanner = StopScanner(sequences)
    said, released = "", ""
    for delta in deltas:
        said, released = said + delta, released + scanner.feed(delta)
        if scanner.matched is not None:
            return
        held = said.removeprefix(released)

        starts = (said[start:] for start in range(len(said) + 1))
        longest = next(s for s in starts if any(q.startswith(s) for q in (*sequences, "")))
        assert held == longest
