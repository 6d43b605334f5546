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


@pytest.mark.parametrize(
    ("document", "mended", "count"),
    [
        (rb'"\ud83d"', rb'"\ufffd"', 1),
        (rb'"\uDE00"', rb'"\ufffd"', 1),
        (rb'"a\uD83Db"', rb'"a\ufffdb"', 1),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"', 2),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"', 1),
        (rb'"\ud83d\ude00\ude00"', rb'"\ud83d\ude00\ufffd"', 1),
        (rb'"\ud83d\n"', rb'"\ufffd\n"', 1),
        (rb'"\\\ud83d"', rb'"\\\ufffd"', 1),
        (b'"\xed\xa0\xbd"', '"\ufffd"'.encode(), 1),
        (b'"\xed\xa0\xbd\xed\xb8\x80"', '"\ufffd\ufffd"'.encode(), 2),
        (b'"\xed\xbf\xbf\\ud83d"', '"\ufffd'.encode() + rb'\ufffd"', 2),
    ],
    ids=[
        *("first half", "second half", "inside text", "halves the wrong way round"),
        *("half before a pair", "half after a pair", "half before another escape"),
        *("behind an escaped backslash", "encoded", "a pair encoded as two halves", "both ways"),
    ],
)
def test_each_half_becomes_one_replacement_character(document, mended, count):
    assert replace_lone_surrogates(document) == (mended, count)


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
