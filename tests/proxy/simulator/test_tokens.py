from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator.tokens import (
    clip_deltas,
    count_tokens,
    find_stop,
    length_of_tokens,
    split_into_deltas,
)

TEXT = st.text("ab \n\u2028é", max_size=60)


@given(text=TEXT, tokens=st.integers(0, 70))
def test_text_is_cut_after_a_number_of_tokens(text, tokens):
    let_through = text[: length_of_tokens(text, tokens)]

    assert count_tokens(let_through) == min(tokens, count_tokens(text))


@given(text=TEXT, size=st.none() | st.integers(1, 5))
def test_deltas_join_to_the_text(text, size):
    assert "".join(split_into_deltas(text, size)) == text


@given(deltas=st.lists(TEXT), length=st.integers(0, 200))
def test_clipped_deltas_join_to_the_beginning_of_the_text(deltas, length):
    assert "".join(clip_deltas(deltas, length)) == "".join(deltas)[:length]


@given(text=TEXT, sequences=st.lists(st.text("ab \n", min_size=1, max_size=4), max_size=3))
def test_the_stop_sequence_that_completes_first_is_found(text, sequences):
    prefixes = (text[:end] for end in range(len(text) + 1))
    complete = next((seen for seen in prefixes if any(s in seen for s in sequences)), None)

    stop = find_stop(text, sequences)

    if complete is None:
        assert stop is None
    else:
        assert stop is not None
        start, sequence = stop
        assert complete == text[:start] + sequence
