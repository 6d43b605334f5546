import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from translators.steps import AT_ONCE, completed
from translators.wire.long_json import (
    UNREADABLE,
    TooMuch,
    read_json,
    read_short_json,
    write_json,
)

MIB = 1024 * 1024


class Inner(msgspec.Struct, frozen=True):
    said: str


class Spoken(msgspec.Struct, frozen=True):
    text: str
    words: tuple[str, ...] = ()
    names: dict[str, str] = {}
    inner: Inner | None = None
    number: int = 0
    anything: object = None


DECODER = msgspec.json.Decoder(Spoken)


def read(document, decode=DECODER.decode):
    value, lone_surrogates = completed(read_json(document, decode))
    return value, lone_surrogates


def saying(text, *more):
    return b'{"text":"' + text + b'"' + b"".join(more) + b"}"


def problem_with(document):
    with pytest.raises(UNREADABLE) as refused:
        read(document)
    return str(refused.value)


UNITS = [
    *(b"a", b" ", rb"\n", rb"\\", rb"\"", rb"\u0041", rb"\/", b"a" * 13, b"a" * 300),
    *("é".encode(), "€".encode(), "😀".encode(), rb"\ud83d\ude00", rb"\\ud83d", rb"\\\\"),
]
HALVES = [rb"\ud83d", rb"\ude00", rb"\uD83D", b"\xed\xa0\xbd"]
FAULTS = [b"\xff", rb"\x", rb"\u12", rb"\ud8", b"\x80" * 300, b"\n"]


@st.composite
def texts(draw, units):
    """Longer than a piece, and of anything where it is cut."""
    few = draw(st.lists(st.sampled_from(units), min_size=1, max_size=3))
    parts = st.lists(st.sampled_from(few), max_size=8).map(b"".join)
    filler = draw(st.sampled_from(UNITS))
    size = AT_ONCE - draw(st.integers(0, 40))
    return draw(parts) + filler * (size // len(filler)) + draw(parts) + draw(parts)


@settings(max_examples=200)  # of tens of thousands of characters each
@given(texts(UNITS), texts(UNITS))
@example(rb"\ud83d\ude00" * (AT_ONCE // 6), rb"\\" * AT_ONCE)
@example(b"a" * (AT_ONCE - 3) + rb"\u0041", b"")
def test_a_long_text_is_read_as_it_would_be_in_one_go(one, other):
    document = saying(one, b',"words":["', other, b'","b"],"inner":{"said":"', one, b'"}')

    assert read(document) == (DECODER.decode(document), 0)


@settings(max_examples=200)  # of tens of thousands of characters each
@given(texts([*UNITS, *HALVES]))
@example(rb"\ud83d" * (AT_ONCE // 6))
@example(b"a" * (AT_ONCE - 6) + rb"\ud83d\ude00")
@example(b"a" * (AT_ONCE - 12) + rb"\ud83d\ud83d\ude00")
def test_halves_of_pairs_are_mended_as_they_would_be_in_one_go(text):
    document = saying(text)

    assert read(document) == read_short_json(document, DECODER.decode)


@settings(max_examples=200)  # of tens of thousands of characters each
@given(texts([*UNITS, *HALVES, *FAULTS]), st.sampled_from([b"}", b'"}', b"", b'","number":"5"}']))
@example(b"\\" + b"\x80" * AT_ONCE, b'"}')
@example(b"a" * (AT_ONCE - 6) + rb"\ud83d\\" + b"\x80" * AT_ONCE, b'"}')
def test_what_cannot_be_read_in_one_go_cannot_be_read_in_steps(text, end):
    document = b'{"text":"' + text + end
    try:
        in_one_go = read_short_json(document, DECODER.decode)
    except UNREADABLE as exc:
        with pytest.raises(type(exc) if isinstance(exc, msgspec.ValidationError) else UNREADABLE):
            read(document)
    else:
        assert read(document) == in_one_go


@pytest.mark.parametrize(
    "document",
    [
        saying(b"a" * AT_ONCE, b",}"),
        saying(b"a" * AT_ONCE, b',"words":["', b"b" * 300, b'"]', b"]"),
        saying(b"a" * AT_ONCE + rb"\x"),
        saying(b"a" * AT_ONCE + b"\n"),
        saying(b"a" * AT_ONCE) + b"{}",
        saying(b"a" * AT_ONCE)[:-1],
        saying(b"a" * AT_ONCE)[:-2],
        b'{"words":["' + b"a" * AT_ONCE + b'"],"text":5}',
    ],
    ids=[
        *("behind a text", "behind two", "an escape", "a control character", "two documents"),
        *("no end", "no end of a text", "no text"),
    ],
)
def test_what_is_wrong_is_said_and_where_as_of_a_short_document(document):
    with pytest.raises(msgspec.DecodeError) as in_one_go:
        DECODER.decode(document)

    assert problem_with(document) == str(in_one_go.value)


def test_of_a_long_text_that_is_not_utf_8_no_place_is_told():
    problem = problem_with(saying(b"a" * AT_ONCE + b"\xff"))

    assert problem == "JSON is malformed: invalid UTF-8"


@pytest.mark.parametrize("digits", ["0" * 255, "0" * 256, "0" * 255 + "1", "9" * 300])
def test_no_text_can_pass_for_another(digits):
    spelled = digits.encode()
    spelt_out = b"".join(rb"\u%04x" % byte for byte in spelled)
    document = saying(b"a" * AT_ONCE, b',"words":["', spelled, b'","', spelt_out, b'"]}')[:-1]

    assert read(document)[0].words == (digits, digits)


def test_names_may_be_long_and_what_is_not_looked_into_too():
    document = saying(
        b"a" * AT_ONCE,
        *(b',"names":{"', b"n" * 500, b'":"', b"v" * 500, b'"}'),
        *(b',"anything":[["', b"x" * 500, b'"],{"a":"', b"y" * 500, b'"},null,1.5]'),
    )

    assert read(document) == (DECODER.decode(document), 0)


def test_what_is_left_without_long_texts_has_to_be_short():
    few, many = (
        saying(b"a" * AT_ONCE, b',"words":[' + b",".join([b'"b"'] * count) + b"]")
        for count in (AT_ONCE // 4 - 200, AT_ONCE // 4)
    )

    assert read(few) == (DECODER.decode(few), 0)
    assert problem_with(many) == (
        "beside texts of 256 characters and more there are over 65536 bytes;"
        " send fewer or shorter fields"
    )


@pytest.mark.parametrize(
    "unit",
    [b"[],", b'"a",', b'"' + b"a" * 300 + b'",', b" ", b"1", b"-", b"1.5e5,", b"{},", rb'"\"",'],
    ids=lambda unit: unit[:4].decode(),
)
@pytest.mark.parametrize("times", [2, 4])
def test_a_document_of_many_small_things_is_given_up_at_once(unit, times):
    document = b'{"anything":[' + unit * (times * AT_ONCE // len(unit))
    steps: list[None] = []
    with pytest.raises(msgspec.DecodeError) as refused:
        steps.extend(read_json(document, msgspec.json.decode))

    assert unit == b"-" or type(refused.value) is TooMuch
    assert len(steps) <= 2 * AT_ONCE // 256  # two for each text that is long


@pytest.mark.parametrize(
    "document",
    [
        b"[" * (2 * AT_ONCE),
        b'{"anything":' + b"[" * (2 * AT_ONCE),
        bytes(2 * AT_ONCE),
        b'{"text":tru,' + b" " * (2 * AT_ONCE),
        saying(b"a" * AT_ONCE, b",}") + b" " * (2 * AT_ONCE),
    ],
    ids=["no object", "nested without end", "no JSON", "a word that is none", "behind a text"],
)
def test_what_is_wrong_with_the_beginning_of_one_is_said(document):
    with pytest.raises(UNREADABLE) as in_one_go:
        DECODER.decode(document)

    assert problem_with(document) == str(in_one_go.value)


def test_white_space_without_end_behind_a_document_is_given_up():
    space = b" " * AT_ONCE

    assert read(saying(b"a" * AT_ONCE) + space[:-400]) == read(saying(b"a" * AT_ONCE))
    assert "over 65536 bytes" in problem_with(saying(b"a" * AT_ONCE) + space)


@pytest.mark.parametrize("size", [255, 256, 257])
@pytest.mark.parametrize("unit", [b"a", rb"\n", rb"\\"])
def test_the_last_of_what_is_left_may_be_a_text_just_as_long(size, unit):
    for missing in range(0, 600, 7):
        words = b",".join([b'"b"'] * ((AT_ONCE - missing) // 4))
        document = saying(b"a" * AT_ONCE, b',"words":[' + words + b',"' + unit * size + b'"]')
        try:
            assert read(document) == (DECODER.decode(document), 0)
        except TooMuch:
            assert missing < 600


def test_one_wide_character_may_not_make_a_giant_of_a_text():
    mebibytes = 17
    long = b"a" * (mebibytes * MIB)

    assert len(read(saying(long + "€".encode()))[0].text) == mebibytes * MIB + 1
    assert problem_with(saying(long + "😀".encode())) == (
        "a text takes more than 67108864 bytes of memory; send a shorter one"
    )


@pytest.mark.parametrize("unit", [*UNITS, *HALVES], ids=repr)
@pytest.mark.parametrize("times", [4, 8])
def test_a_long_text_is_read_piece_by_piece(unit, times):
    pieces = times * AT_ONCE // len(unit) * len(unit) / AT_ONCE
    steps = sum(1 for _ in read_json(saying(unit * (times * AT_ONCE // len(unit))), DECODER.decode))

    assert pieces <= steps <= pieces * 1.01 + 4


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["0" * 256, "a\n" * 200, "é" * 300, '😀"' * AT_ONCE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(max_examples=200)
@given(VALUES)
@example({"0" * 256: ["0" * 256, "0" * 255]})
def test_a_value_is_written_as_it_would_be_in_one_go(value):
    assert b"".join(completed(write_json(value))) == msgspec.json.encode(value)


def test_a_long_text_is_written_piece_by_piece():
    value = Spoken(text="\n" * (8 * AT_ONCE), words=("a" * (2 * AT_ONCE),))
    pieces = completed(write_json(value))

    assert b"".join(pieces) == msgspec.json.encode(value)
    assert max(map(len, pieces)) <= 2 * AT_ONCE
    assert sum(1 for _ in write_json(value)) == 8 + 2
