"""What the fuzzers check is so for what they begin with, and for what they have found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.fuzzing.properties import CHECKS
from tests.faults.fuzzing.seeds import WORDS, dictionary, seeds
from tests.hypothesis_profiles import scaled

pytestmark = pytest.mark.without_coverage

FOUND: dict[str, list[bytes]] = {
    "client": [b"\x00\x55\xaaPOST /v1/#omplete HTTP/1.1\r\nhost: localhost\r\n\r\n"],
}
"""Inputs for which something was not as it must be, cut down to what mattered."""


@pytest.mark.parametrize("name", CHECKS)
def test_what_must_be_so_is_so_for_the_seeds_and_for_all_finds(name: str):
    for data in (*seeds(name), *FOUND.get(name, ())):
        CHECKS[name](data)


@pytest.mark.thorough
@pytest.mark.parametrize("name", CHECKS)
def test_what_must_be_so_is_so_for_words_in_any_order(name: str):
    @settings(max_examples=scaled(300))
    @given(st.lists(st.sampled_from(WORDS[name]) | st.text(max_size=4), max_size=12))
    def check(words: list[str]) -> None:
        CHECKS[name]("".join(words).encode("utf-8", "ignore"))

    check()


@pytest.mark.parametrize("name", CHECKS)
def test_a_dictionary_has_a_line_for_each_word(name: str):
    assert len(dictionary(name).splitlines()) == len(WORDS[name])
