import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.redaction import Digester, Redactor, describe_crash

MIXED = (
    *("mail", "a.b+c@example.co.uk", "sk-ant-api03-abc_DEF", "Bearer", "abc.def-ghi=", "+49"),
    *("(171)", "123-4567", "4111", "1111", "10.0.0.1", "2001:db8::1", "\n", "x", "12:30:45"),
)


def test_one_digest_key_gives_one_digest_and_another_gives_another():
    digests = {Digester(key).caller(b"sk-1") for key in ["a", "a", "b"]}

    assert len(digests) == 2
    assert Digester("a").caller(b"sk-1") != Digester("a").caller(b"sk-2")


def test_without_a_key_no_two_processes_agree():
    assert Digester(None).caller(b"sk-1") != Digester(None).caller(b"sk-1")


def test_a_crash_is_described_by_type_and_place_but_not_in_its_own_words():
    try:
        raise ValueError("sk-ant-secret")
    except ValueError as crash:
        described = describe_crash(crash)

    assert described["error"] == "ValueError"
    assert "test_redaction.py" in str(described["where"])
    assert "sk-ant-secret" not in str(described)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mail a.b+c@example.co.uk now", "mail [email] now"),
        ("<x@y.de>", "<[email]>"),
        ("key sk-ant-api03-abc_DEF-123.", "key [key]."),
        ("Authorization: Bearer abc.def-ghi=", "Authorization: [key]"),
        ("holdover-" + "a" * 43, "[key]"),
        ("call +49 (171) 123-4567", "call [phone]"),
        ("(415) 555-2671, 415-555-2671", "[phone], [phone]"),
        ("4111 1111 1111 1111", "[card]"),
        ("378282246310005", "[card]"),
        ("10.0.0.1. ::1, 2001:db8::1", "[ip]. [ip], [ip]"),
        ("[fe80:0:0:0:1:2:3:4]:80", "[[ip]]:80"),
    ],
)
def test_what_points_at_people_or_opens_doors_is_taken_out(text, kept):
    assert Redactor().text(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "claude-3-5-sonnet-20240620",
        "Anthropic/Python 0.7.8",
        "python-requests/2.31.0",
        "at 12:30:45 on 2023-06-01",
        "4111 1111 1111 1112",
        "version 1.2.3.4.5",
        "sk-ip this; @home; a@b",
        "::",
        "",
    ],
)
def test_what_only_looks_like_it_stays(text):
    assert Redactor().text(text) == text


def test_an_operator_can_name_more():
    redactor = Redactor({"ticket": r"TICKET-\d+"})

    assert redactor.text("see TICKET-99 of x@y.de") == "see [ticket] of [email]"


def test_long_texts_are_redacted_like_short_ones():
    text = "word " * 100 + "x@y.de"

    assert Redactor().text(text) == "word " * 100 + "[email]"


@given(st.lists(st.sampled_from(["a@b.de", "sk-ant-12345678", "10.1.2.3", "said", "::1"])))
def test_nothing_is_found_in_what_was_redacted(words):
    redactor = Redactor()
    once = redactor.text(" ".join(words))

    assert redactor.text(once) == once
    assert not any(trace in once for trace in ["@", "10.1", "sk-", "::"])


@given(st.lists(st.sampled_from(MIXED), max_size=30).map(" ".join), st.integers(1, 50))
def test_it_does_not_matter_in_which_pieces_a_text_is_looked_at(text, length):
    assert Redactor(piece=length).text(text) == Redactor().text(text)


def test_a_secret_is_taken_out_whatever_it_looks_like_unless_it_is_a_mere_word():
    hide = Redactor().hiding(["correct horse", "correct horse battery", "word", ""])

    assert hide("my correct horse battery, correct horses, a word") == "my [key], [key]s, a word"


def test_patterns_of_the_operator_are_looked_for_across_anything():
    hide = Redactor({"story": r"once\s+upon(?s:.)*after"})

    assert hide.text("so: once\nupon a time" + " and on" * 9000 + "\never after.") == "so: [story]."
