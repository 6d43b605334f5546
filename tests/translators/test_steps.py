import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import scaled
from translators.steps import (
    STEP_SIZE,
    completed,
    is_blank,
    leading_space_length,
    rstripped_length,
    windows,
)


def steps_in(work):
    """How often some work can be put down."""
    return sum(1 for _ in work)


TEXTS = st.lists(
    st.sampled_from(["a", " ", "\n", "\u2028", "é", " " * (STEP_SIZE - 2), "a" * (STEP_SIZE - 2)]),
    max_size=6,
).map("".join)


@settings(max_examples=scaled(200))  # of tens of thousands of characters each
@given(TEXTS)
@example("")
@example(" " * (2 * STEP_SIZE))
@example(" " * STEP_SIZE + "a" + " " * STEP_SIZE)
def test_white_space_is_what_python_strips(text):
    assert completed(leading_space_length(text)) == len(text) - len(text.lstrip())
    assert completed(rstripped_length(text)) == len(text.rstrip())
    assert completed(is_blank(text)) is (not text.strip())


@settings(max_examples=scaled(200))  # of tens of thousands of characters each
@given(TEXTS, st.integers(0, 3 * STEP_SIZE))
def test_white_space_is_found_at_the_end_of_a_beginning_too(text, end):
    end = min(end, len(text))

    assert completed(rstripped_length(text, end)) == len(text[:end].rstrip())


@pytest.mark.parametrize("work", [leading_space_length, rstripped_length, is_blank])
@pytest.mark.parametrize("times", [1, 2, 4])
def test_white_space_is_looked_through_part_by_part(work, times):
    assert steps_in(work(" " * (times * STEP_SIZE))) == times - 1


def test_the_parts_of_a_text_are_all_of_it():
    assert list(windows(0)) == []
    assert list(windows(STEP_SIZE)) == [(0, STEP_SIZE)]
    assert list(windows(5, 2)) == [(0, 2), (2, 4), (4, 5)]
