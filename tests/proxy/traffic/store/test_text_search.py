import pytest

from proxy.traffic import compress
from proxy.traffic.store.text_search import contains_text, decode_body, texts_of, texts_of_record
from tests.record_factory import record


@pytest.mark.parametrize(
    ("kept", "value"),
    [
        (b'{"prompt": "Hi"}', {"prompt": "Hi"}),
        (b"<html>", "<html>"),
        (b"", ""),
        (b'{"prompt": "Hi', '{"prompt": "Hi'),
        (b'"\xff"', '"\ufffd"'),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_what_is_kept_is_a_value_or_else_a_text(kept: bytes, value: object):
    assert decode_body(compress(kept)) == value


def test_texts_are_found_wherever_they_stand_and_names_of_fields_are_none():
    value = {"a": ["one", {"b": "two"}], "c": ("three",), "d": 4, "e": None, "f": True}

    assert sorted(texts_of(value)) == ["one", "three", "two"]


def test_words_of_a_record_are_all_but_its_time():
    texts = set(texts_of_record(record(features=("system",))))

    assert texts >= {"claude-2.1", "python-requests/2.31.0", "system"}
    assert not any(text.startswith("2026-11-23T") for text in texts)


@pytest.mark.parametrize("wanted", ["refund policy", "REFUND  Policy", "policy.\n\nHuman", "", "É"])
def test_case_and_white_space_make_no_difference(wanted: str):
    assert contains_text(wanted, ["other", "our refund\npolicy.  Human: é"])


def test_words_have_to_stand_together_and_in_one_text():
    assert not contains_text("our policy", ["our refund policy", "our", "policy"])


def test_what_is_damaged_is_called_that():
    assert decode_body(b"no zstd") == "(damaged)"
    assert decode_body(compress(b"x" * 1000)[:-3]) == "(damaged)"
