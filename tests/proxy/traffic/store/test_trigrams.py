"""A document that may contain a text has all its trigrams, whatever the text is."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.traffic.content import compress
from proxy.traffic.store.text_index.trigrams import (
    documents_with,
    encode_postings,
    pair_of,
    trigrams_of,
    wanted_trigrams,
)
from proxy.traffic.store.text_search import contains_text

TEXTS = st.text("aAbB \n\"'\\é漢ß\u017f\u212a\ud800", max_size=12)


@given(texts=st.lists(TEXTS, max_size=4), wanted=TEXTS)
def test_who_contains_a_text_has_its_trigrams(texts: list[str], wanted: str):
    if contains_text(wanted, texts):
        assert trigrams_of(texts) >= {*wanted_trigrams(wanted)}


def test_a_text_within_the_longest_and_others_count_alike():
    apart = trigrams_of(["one two three"]) | trigrams_of(["two three"]) | trigrams_of(["xyz"])

    assert trigrams_of(["One  two three", "two three", "xyz", "four two"]) == (
        apart | trigrams_of(["four two"])
    )
    assert trigrams_of([]) == set()


@pytest.mark.parametrize("text", ["", " ", "ab", " a\n", "é"])
def test_what_has_fewer_than_three_bytes_has_no_trigrams(text: str):
    assert wanted_trigrams(text) == []


def test_few_trigrams_of_a_long_text_are_wanted_and_of_all_its_parts():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 500)))
    wanted = wanted_trigrams(text)

    assert 8 <= len(wanted) <= 16
    assert {*wanted} < trigrams_of([text])
    assert len(wanted_trigrams("one two")) == len("one two") - 2


@example(documents=["abc", "bca", "caa"], wanted="abcaa")
@given(
    documents=st.lists(st.text("abc", max_size=8), max_size=30), wanted=st.text("abc", max_size=5)
)
def test_documents_are_found_by_their_postings(documents: list[str], wanted: str):
    postings: dict[tuple[int, int, int], list[int]] = {}
    for number, text in enumerate(documents):
        for trigram in trigrams_of([text]):
            postings.setdefault(trigram, []).append(number)
    trigrams = wanted_trigrams(wanted)

    if trigrams:
        has_all = {n for n, text in enumerate(documents) if trigrams_of([text]) >= {*trigrams}}
        assert documents_with(trigrams, encode_postings(postings)) == has_all


@pytest.mark.parametrize("row", [b"no zstd", compress(b"\x81\x63\xc1"), compress(b"\x81\x63\xa1x")])
def test_a_damaged_row_of_postings_is_told_from_an_empty_one(row: bytes):
    [trigram] = wanted_trigrams("abc")

    assert documents_with([trigram], {}) == set()
    with pytest.raises(msgspec.MsgspecError):
        documents_with([trigram], {pair_of(trigram): row})
