import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.redaction import Digester, Redactor, describe_crash


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
