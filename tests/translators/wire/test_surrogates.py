import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.wire.surrogates import replace_lone_surrogates

NOTHING_TO_MEND = [
    rb'{"a": "plain"}',
    rb'"\ud83d\ude00"',
    rb'"\uD83D\uDE00"',
    rb'"\\ud83d"',
    rb'"\\\\ud83d"',
    rb'"\u00e9\n\""',
    '"raw 😀 and é and \ufffd"'.encode(),
    rb'"ends in a backslash\\"',
    b"",
]


@pytest.mark.parametrize("document", NOTHING_TO_MEND)
def test_what_is_no_lone_surrogate_stays_to_the_byte(document):
    assert replace_lone_surrogates(document) == (document, 0)


REPLACED = "\ufffd".encode()


@pytest.mark.parametrize(
    ("document", "mended", "count"),
    [
        (rb'"\ud83d"', b'"%b"', 1),
        (rb'"\uDE00"', b'"%b"', 1),
        (rb'"a\uD83Db"', b'"a%bb"', 1),
        (rb'"\ude00\ud83d"', b'"%b%b"', 2),
        (rb'"\ud83d\ud83d\ude00"', rb'"%b\ud83d\ude00"', 1),
        (rb'"\ud83d\ude00\ude00"', rb'"\ud83d\ude00%b"', 1),
        (rb'"\ud83d\n"', rb'"%b\n"', 1),
        (rb'"\\\ud83d"', rb'"\\%b"', 1),
        (b'"\xed\xa0\xbd"', b'"%b"', 1),
        (b'"\xed\xa0\xbd\xed\xb8\x80"', b'"%b%b"', 2),
        (b'"\xed\xbf\xbf\\ud83d"', b'"%b%b"', 2),
    ],
    ids=[
        *("first half", "second half", "inside text", "halves the wrong way round"),
        *("half before a pair", "half after a pair", "half before another escape"),
        *("behind an escaped backslash", "encoded", "a pair encoded as two halves", "both ways"),
    ],
)
def test_each_half_becomes_one_replacement_character(document, mended, count):
    assert replace_lone_surrogates(document) == (mended.replace(b"%b", REPLACED), count)


PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\\\")
LONE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\xed[\xa0-\xbf][\x80-\xbf]")


def one_by_one(document):
    """What replacing means, read from the left: pairs and escaped backslashes stay as they are."""
    mended, count, position = b"", 0, 0
    while position < len(document):
        if kept := PAIR.match(document, position):
            mended, position = mended + kept[0], kept.end()
        elif lone := LONE.match(document, position):
            mended, position, count = mended + REPLACED, lone.end(), count + 1
        else:
            mended, position = mended + document[position : position + 1], position + 1
    return mended, count


TOKENS = st.sampled_from(
    [
        *(rb"\ud83d", rb"\uDBff", rb"\ude00", rb"\uDC00", rb"\u00e9", rb"\ud7ff", rb"\uE000"),
        *(b"\\", b"\\\\", b"\\u", b"\\n", b"u", b"d83d", b'"', b"a", b"\xc3\xa9", b"\x80"),
        *(b"\xed\xa0\xbd", b"\xed\xb8\x80", b"\xed\x9f\xbf", b"\xed", b"\xa0", b"\xee\x80\x80"),
    ]
)


@given(tokens=st.lists(TOKENS, max_size=12))
@example(tokens=[b"\\", rb"\ud83d", rb"\ude00"])
def test_halves_are_told_from_pairs_as_one_would_reading_from_the_left(tokens):
    document = b"".join(tokens)

    assert replace_lone_surrogates(document) == one_by_one(document)


AT_A_TIME = 64 * 1024


@given(tokens=st.lists(TOKENS, max_size=8), before=st.integers(0, 40))
@example(tokens=[rb"\ud83d", rb"\ude00"], before=6)
@example(tokens=[rb"\ud83d", rb"\ud83d", rb"\ude00"], before=12)
@example(tokens=[b"\xed\xa0\xbd"], before=2)
def test_a_long_document_is_mended_like_a_short_one(tokens, before):
    told = b"".join(tokens)
    padding = b"a" * (AT_A_TIME - before)

    mended, count = replace_lone_surrogates(padding + told + b"b")

    assert (mended.removeprefix(padding), count) == one_by_one(told + b"b")


def test_what_is_no_utf8_is_left_for_the_decoder_to_refuse():
    document = b'"\xff\\\\\\ud83d"'

    assert replace_lone_surrogates(document) == (document, 0)


def test_bad_json_is_not_made_good():
    document, _ = replace_lone_surrogates(b'"\\\xed\xa0\xbd"')

    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(document)


@pytest.mark.parametrize("neighbour", [b"\xed\x9f\xbf", b"\xee\x80\x80"])
def test_characters_beside_the_surrogates_are_left_alone(neighbour):
    assert replace_lone_surrogates(neighbour) == (neighbour, 0)


@given(units=st.lists(st.sampled_from([0x61, 0x22, 0x5C, 0x2028, 0xD83D, 0xDBFF, 0xDC00, 0xDE00])))
@example(units=[0x5C, 0xD83D])
def test_any_string_a_javascript_client_may_hold_is_read_as_a_lenient_encoder_sends_it(units):
    escaped = "".join(rf"\u{unit:04x}" for unit in units)
    held = b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "surrogatepass")
    document, count = replace_lone_surrogates(f'"{escaped}"'.encode())

    text = msgspec.json.decode(document)
    assert (text, count) == re.subn("[\ud800-\udfff]", "\ufffd", held)
