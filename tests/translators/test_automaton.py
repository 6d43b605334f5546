import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.automaton import START, Automaton

SEQUENCES = st.lists(st.text("ab", min_size=1, max_size=4), max_size=5)
TEXT = st.text("abc", max_size=12)


def ends(sequences, text):
    """Where the text read so far ends with a sequence, and with which: by trying everything."""
    for end in range(1, len(text) + 1):
        complete = [sequence for sequence in sequences if text[:end].endswith(sequence)]
        if complete:
            yield end, max(complete, key=len)


@given(sequences=SEQUENCES, text=TEXT)
@example(sequences=["abab", "b"], text="ababab")
def test_every_place_where_a_sequence_is_complete_is_found(sequences, text):
    automaton = Automaton(sequences)
    *found, last = automaton.follow(text)

    assert [(end, automaton.match[state]) for end, state in found] == [*ends(sequences, text)]
    assert last[0] == len(text)


@given(sequences=SEQUENCES, text=TEXT)
def test_a_state_stands_for_the_longest_beginning_that_the_text_ends_with(sequences, text):
    automaton = Automaton(sequences)
    *_, (_, state) = automaton.follow(text)

    starts = (text[start:] for start in range(len(text) + 1))
    longest = next(s for s in starts if any(q.startswith(s) for q in (*sequences, "")))
    assert automaton.prefix(state, automaton.depth[state]) == longest
    assert automaton.prefix(state, 1) == longest[:1]


@given(sequences=SEQUENCES, one=TEXT, other=TEXT)
def test_a_text_may_be_followed_in_pieces(sequences, one, other):
    automaton = Automaton(sequences)
    *_, (_, between) = automaton.follow(one)

    assert [*automaton.follow(other, between)][-1][1] == [*automaton.follow(one + other)][-1][1]


def test_what_may_begin_is_found_in_the_middle_of_a_text():
    automaton = Automaton(["<a>"])

    assert [end for end, _ in automaton.follow("--<a>--<b>--<a>")] == [5, 15, 15]


@pytest.mark.parametrize(
    "number", [64, 65], ids=["few beginnings are looked for", "many are not told apart"]
)
def test_beginnings_of_many_sequences(number):
    characters = [chr(0x20000 + 2 * each) for each in range(number)]
    automaton = Automaton([f"{character}." for character in characters])
    text = f"{chr(0x20001)}{characters[-1]}.{characters[0]}"

    assert [(end, automaton.depth[state]) for end, state in automaton.follow(text)] == [
        *((3, 2), (4, 1)),
    ]


def test_no_sequence_is_found_in_any_text():
    automaton = Automaton([])

    assert automaton.first_character.search("a") is None
    assert [*automaton.follow("abc")] == [(3, START)]


def touched(sequences, text):
    """As the words of `possible_matches` say it."""
    return {
        sequence
        for sequence in sequences
        if sequence in text
        or any(text.endswith(sequence[:size]) for size in range(1, len(sequence)))
    }


@given(sequences=SEQUENCES, text=TEXT)
@example(sequences=["abc", "c"], text="a")
@example(sequences=["bab", "a"], text="aba")
def test_what_is_touched_is_complete_inside_or_may_have_begun_at_the_end(sequences, text):
    assert Automaton(sequences).possible_matches(text) == touched(sequences, text)
