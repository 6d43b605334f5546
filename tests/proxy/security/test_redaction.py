import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.security.redaction import Digester, Redactor, describe_crash, in_brief, whole_words
from proxy.security.sensitive import KINDS

MIXED = (
    *("mail", "a.b+c@example.co.uk", "sk-ant-api03-abc_DEF", "Bearer", "abc.def-ghi=", "+49"),
    *("(171)", "123-4567", "4111", "1111", "10.0.0.1", "2001:db8::1", "\n", "x", "12:30:45"),
    *("4111111111111111", "12/26", "card-", "1-800-555-1234", "x12", "0049", "IP:", "::ffff:"),
    *(
        "jane%40example.com",
        r"\u0040",
        "&#64;",
        "\uff20",
        '"jane doe"@example.com',
        "\u2011",
        "::1:",
    ),
    *("ab:cd:ef:01:23:45:67:" * 3 + "89", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "sk-" + "a" * 40),
)
MARKED = [example for kind in KINDS for example in kind.examples]
EXAMPLES = [example.replace("«", "").replace("»", "") for example in MARKED]
hide = Redactor().text
PARTS = st.one_of(
    st.sampled_from([*MIXED, *EXAMPLES]), st.text(max_size=5), st.text("019af:.-@% \\", max_size=9)
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
    ("text", "kept"),
    [
        ("4111 1111 1111 1111 12/26", "[card] 12/26"),
        ("4111111111111111 12/26 cvv 123", "[card] 12/26 cvv 123"),
        ("1 4111 1111 1111 1111", "1 [card]"),
        ("card-4111111111111111, id_4111111111111111", "card-[card], id_[card]"),
        ("Visa4111111111111111", "Visa[card]"),
        ("4111111111111111x", "[card]x"),
        ("4111.1111.1111.1111", "[card]"),
        ("4111\xa01111\xa01111\xa01111", "[card]"),
        ("4111\u20111111\u20111111\u20111111", "[card]"),
        ("3782 822463 10005", "[card]"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card]"),
        ("\uff14111 1111 1111 1111", "[card]"),
    ],
)
def test_cards_are_found_however_their_numbers_are_written(text, kept):
    assert Redactor().text(text) == kept


@pytest.mark.parametrize(
    "number",
    [
        *("1-800-555-1234", "1-555-123-4567", "1 (555) 123-4567", "555\u2011123\u20114567"),
        *("0049 30 1234567", "00493012345678", "+49/30/1234567", "+49\xa030\xa01234567"),
        *("555-123-4567x12", "555-123-4567 ext. 12", "555/123-4567"),
    ],
)
def test_telephones_are_found_however_their_numbers_are_written(number):
    assert Redactor().text(f"at {number}, or") == "at [phone], or"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2001:db8::1: refused", "[ip]: refused"),
        ("IP:2001:db8::1", "IP:[ip]"),
        ("IP:10.0.0.1:80", "IP:[ip]:80"),
        ("add:2001:db8:0:0:0:0:0:1", "add:[ip]"),
        ("from ::ffff:10.0.0.1.", "from [ip]."),
        ("10.0.0.1::1", "[ip]::1"),
    ],
)
def test_addresses_are_found_beside_colons(text, kept):
    assert Redactor().text(text) == kept


@pytest.mark.parametrize(
    "address",
    [
        *("jane%40example.com", "jane%2540example.com", r"jane\u0040example.com"),
        *("jane&#64;example.com", "jane&#x40;example.com", "jane&commat;example.com"),
        *("jane\uff20example.com", "jane@example\uff0ecom"),
        *('"jane doe"@example.com', r"\"jane doe\"@example.com"),
    ],
)
def test_mail_is_found_however_the_at_sign_is_written(address):
    assert Redactor().text(f"to {address}, or") == "to [email], or"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (r"so:\nsk-ant-12345678", r"so:\n[key]"),
        (r"so:\n415-555-2671", r"so:\n[phone]"),
        (r"so:\t0049 30 1234567", r"so:\t[phone]"),
        ("Bearer%20abc.def-ghi=", "[key]"),
    ],
)
def test_what_is_escaped_before_a_word_is_no_part_of_it(text, kept):
    assert Redactor().text(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("キーはsk-ant-api03-aB3dE5fGです", "キーは[key]です"),
        ("カード4111111111111111です", "カード[card]です"),
        ("IBANはDE89370400440532013000です", "IBANは[iban]です"),
        ("サーバー10.0.0.1に接続", "サーバー[ip]に接続"),
        ("地址是2001:db8::1吗", "地址是[ip]吗"),
        ("お電話は+81-3-1234-5678まで", "お電話は[phone]まで"),
        ("我的密码是hunter2。", "我的密码是[password]"),
    ],
)
def test_secrets_are_found_where_no_space_is_written_before_or_after_them(text, kept):
    assert hide(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "claude-3-5-sonnet-20240620",
        "Anthropic/Python 0.7.8",
        "python-requests/2.31.0",
        "at 12:30:45 on 2023-06-01",
        "4111 1111 1111 1112",
        "version 1.2.3.4.5",
        "sk-ip this; @home; a@b; @home.com; task-something-long",
        "999.10.10.10",
        "1700000000000, 1700000000000000000",
        "978-0-306-40615-7, 9780306406157",
        "order 4111111111111112, 0012345678, 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5",
        "550e8400-e29b-41d4-a716-446655440000",
        "a4111111111111111f",
        "2024-01-02 2024-01-03",
        "ab:cd:ef:01:23:45:67:89:" * 3 + "ab",
        "aa:bb:cc:dd:ee:ff",
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
    once = hide(" ".join(words))

    assert hide(once) == once
    assert not any(trace in once for trace in ["@", "10.1", "sk-", "::"])


@pytest.mark.without_coverage
@given(st.lists(PARTS, max_size=30), st.sampled_from(["", " "]), st.integers(1, 50))
def test_it_does_not_matter_in_which_pieces_a_text_is_looked_at(parts, between, length):
    text = between.join(parts)

    assert Redactor(piece=length).text(text) == Redactor(piece=len(text) + 1).text(text)


@pytest.mark.parametrize("filler", ["a", "1", "1234 ", "\u6f22", "x@", "."])
def test_a_text_without_words_is_looked_at_in_pieces_too(filler):
    text = filler * 9000 + " x@y.de " + filler * 9000

    assert Redactor().text(text) == Redactor(piece=len(text)).text(text)
    assert " [email] " in Redactor().text(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("so sk-{} it is", "so [key] it is"),
        ("so Bearer {} it is", "so [key] it is"),
        ("so token={} it is", "so token=[key] it is"),
        ('so {{"api_key": "{}"}} it is', 'so {{"api_key": "[key]"}} it is'),
        ("so password: {}\nit is", "so password: [password]\nit is"),
    ],
)
def test_a_key_is_taken_out_to_its_end_however_long_it_is(text, kept):
    assert Redactor(piece=9).text(text.format("aB3d" * 12_000)) == kept.format()


def test_letters_make_a_key_if_there_are_enough_of_them():
    assert Redactor(piece=9).text("so sk-" + "a" * 50_000 + " it is") == "so [key] it is"


def test_a_secret_is_taken_out_whatever_it_looks_like_unless_it_is_a_mere_word():
    hide = Redactor().hiding(["correct horse", "correct horse battery", "word", ""])

    assert hide("my correct horse battery, correct horses, a word") == "my [key], [key]s, a word"


def test_patterns_of_the_operator_are_looked_for_across_anything():
    hide = Redactor({"story": r"once\s+upon(?s:.)*after"})

    assert hide.text("so: once\nupon a time" + " and on" * 9000 + "\never after.") == "so: [story]."


@pytest.mark.parametrize(
    "text",
    [
        "test/6663204976574f3d975cfab6bfcfe4d7",
        "5a0923aa-4177-4532-9356-4316eb8b5da8",
        "2134083071624291a960a1bd2f1c7c8a",
        "69980292-5805-496a-ad43-a36b0fc767ed",
        "c510d920-1133-4967-8051-2364579f4e25",
    ],
)
def test_digits_in_a_digest_or_a_uuid_are_no_card(text):
    assert Redactor().text(text) == text


def secret_in(example):
    marked = example if "«" in example else f"«{example}»"
    return marked.partition("«")[2].partition("»")[0]


@given(st.sampled_from(MARKED), st.integers(0, 300), st.sampled_from([64, 256, 1024]))
def test_a_text_is_cut_after_it_is_redacted(marked, before, most):
    text = "so " * (before // 3) + marked.replace("«", "").replace("»", "") + " so" * 500
    kept = in_brief(text, hide, most)

    assert kept == hide(text)[: len(kept)]
    assert len(kept) <= most
    assert not re.search(r"\[[a-z]*\Z", kept)


@pytest.mark.parametrize(
    "kept", ["of", "of ", "of [", "of [e", "of [emai", "of [email", "of [email]"]
)
def test_a_word_that_stands_for_something_is_not_cut_in_half(kept):
    whole = kept if kept.endswith("]") else "of "[: len(kept)]

    assert in_brief("of jane@example.com", Redactor().text, len(kept)) == whole


# Half a passphrase is words like any others; no field keeps as much as is looked at.
@given(st.sampled_from(MARKED).filter(lambda text: "horse" not in text), st.integers(0, 400))
def test_what_lies_where_a_very_long_text_is_cut_before_it_is_redacted_is_not_kept_in_part(
    marked, before
):
    start = "so " * ((4096 - before) // 3)
    kept = in_brief(start + marked.replace("«", "").replace("»", "") + " so" * 500, hide, 5000)
    secret = secret_in(marked)

    assert secret[: len(secret) // 2 + 1] not in kept[len(start) :]


def test_a_text_without_words_is_cut_to_nothing():
    assert whole_words("x" * 5000) == "..."
    assert whole_words("x" * 4096) == "x" * 4096
    assert whole_words("so " * 2000) == "so " * 1365 + "..."


def test_numbers_in_groups_are_not_cut_between_them():
    assert whole_words("a" * 4080 + " 4111 1111 1111 1111") == "a" * 4080 + " ..."


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            r'{"SecretAccessKey":"wmupVmPr6KUPP0KQ\u002BeUNAt3heIQKjIOag1WTpR"}',
            "SecretAccessKey",
        ),
        (r'"password":"Tr0ub\u002B4dor\u00263xQ"', "password"),
        (r'"password":"Tr0ub\u0026dor3xQ\u003c9"', "password"),
        (r"PASSWORD \x27Qw3rty!\x27", "PASSWORD"),
        (r"password=aB3\fgh7!kQ", "password"),
        (r"password = 'Tr0u\b4dor3xQ'", "password"),
        ("password=\x1b[33mTr0ub4dor&3xQ\x1b[39m", "password"),
    ],
)
def test_an_escape_within_a_secret_shows_no_part_of_it(text, kept):
    shown = Redactor().text(text)

    assert kept in shown
    for part in ("wmup", "eUNA", "Tr0u", "dor", "3xQ", "Qw3", "aB3", "gh7"):
        assert part not in shown
