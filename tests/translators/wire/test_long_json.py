import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import scaled
from translators.steps import STEP_SIZE, completed
from translators.wire.long_json import (
    UNREADABLE,
    DocumentTooLarge,
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
    size = STEP_SIZE - draw(st.integers(0, 40))
    return draw(parts) + filler * (size // len(filler)) + draw(parts) + draw(parts)


@settings(max_examples=scaled(200))  # of tens of thousands of characters each
@given(texts(UNITS), texts(UNITS))
@example(rb"\ud83d\ude00" * (STEP_SIZE // 6), rb"\\" * STEP_SIZE)
@example(b"a" * (STEP_SIZE - 3) + rb"\u0041", b"")
def test_a_long_text_is_read_as_it_would_be_in_one_go(one, other):
    document = saying(one, b',"words":["', other, b'","b"],"inner":{"said":"', one, b'"}')

    assert read(document) == (DECODER.decode(document), 0)


@settings(max_examples=scaled(200))  # of tens of thousands of characters each
@given(texts([*UNITS, *HALVES]))
@example(rb"\ud83d" * (STEP_SIZE // 6))
@example(b"a" * (STEP_SIZE - 6) + rb"\ud83d\ude00")
@example(b"a" * (STEP_SIZE - 12) + rb"\ud83d\ud83d\ude00")
def test_halves_of_pairs_are_mended_as_they_would_be_in_one_go(text):
    document = saying(text)

    assert read(document) == read_short_json(document, DECODER.decode)


@settings(max_examples=scaled(200))  # of tens of thousands of characters each
@given(texts([*UNITS, *HALVES, *FAULTS]), st.sampled_from([b"}", b'"}', b"", b'","number":"5"}']))
@example(b"\\" + b"\x80" * STEP_SIZE, b'"}')
@example(b"a" * (STEP_SIZE - 6) + rb"\ud83d\\" + b"\x80" * STEP_SIZE, b'"}')
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
        saying(b"a" * STEP_SIZE, b",}"),
        saying(b"a" * STEP_SIZE, b',"words":["', b"b" * 300, b'"]', b"]"),
        saying(b"a" * STEP_SIZE + rb"\x"),
        saying(b"a" * STEP_SIZE + b"\n"),
        saying(b"a" * STEP_SIZE) + b"{}",
        saying(b"a" * STEP_SIZE)[:-1],
        saying(b"a" * STEP_SIZE)[:-2],
        b'{"words":["' + b"a" * STEP_SIZE + b'"],"text":5}',
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
    problem = problem_with(saying(b"a" * STEP_SIZE + b"\xff"))

    assert "UTF-8" in problem  # in words that differ between versions of msgspec
    assert "byte" not in problem


@pytest.mark.parametrize("digits", ["0" * 255, "0" * 256, "0" * 255 + "1", "9" * 300])
def test_no_text_can_pass_for_another(digits):
    spelled = digits.encode()
    spelt_out = b"".join(rb"\u%04x" % byte for byte in spelled)
    document = saying(b"a" * STEP_SIZE, b',"words":["', spelled, b'","', spelt_out, b'"]}')[:-1]

    assert read(document)[0].words == (digits, digits)


def test_names_may_be_long_and_what_is_not_looked_into_too():
    document = saying(
        b"a" * STEP_SIZE,
        *(b',"names":{"', b"n" * 500, b'":"', b"v" * 500, b'"}'),
        *(b',"anything":[["', b"x" * 500, b'"],{"a":"', b"y" * 500, b'"},null,1.5]'),
    )

    assert read(document) == (DECODER.decode(document), 0)


def test_what_is_left_without_long_texts_has_to_be_short():
    few, many = (
        saying(b"a" * STEP_SIZE, b',"words":[' + b",".join([b'"b"'] * count) + b"]")
        for count in (STEP_SIZE // 4 - 200, STEP_SIZE // 4)
    )

    assert read(few) == (DECODER.decode(few), 0)
    assert problem_with(many) == (
        "without texts of 256 characters and more it still has over 65536 bytes;"
        " send fewer or shorter fields"
    )


@pytest.mark.parametrize(
    "unit",
    [b"[],", b'"a",', b'"' + b"a" * 300 + b'",', b" ", b"1", b"-", b"1.5e5,", b"{},", rb'"\"",'],
    ids=lambda unit: unit[:4].decode(),
)
@pytest.mark.parametrize("times", [2, 4])
def test_a_document_of_many_small_things_is_given_up_at_once(unit, times):
    document = b'{"anything":[' + unit * (times * STEP_SIZE // len(unit))
    steps: list[None] = []
    with pytest.raises(msgspec.DecodeError) as refused:
        steps.extend(read_json(document, msgspec.json.decode))

    assert unit == b"-" or type(refused.value) is DocumentTooLarge
    assert len(steps) <= 2 * STEP_SIZE // 256  # two for each text that is long


@pytest.mark.parametrize(
    "document",
    [
        b"[" * (2 * STEP_SIZE),
        b'{"anything":' + b"[" * (2 * STEP_SIZE),
        bytes(2 * STEP_SIZE),
        b'{"text":tru,' + b" " * (2 * STEP_SIZE),
        saying(b"a" * STEP_SIZE, b",}") + b" " * (2 * STEP_SIZE),
    ],
    ids=["no object", "nested without end", "no JSON", "a word that is none", "behind a text"],
)
def test_what_is_wrong_with_the_beginning_of_one_is_said(document):
    with pytest.raises(UNREADABLE) as in_one_go:
        DECODER.decode(document)

    assert problem_with(document) == str(in_one_go.value)


def test_white_space_without_end_behind_a_document_is_given_up():
    space = b" " * STEP_SIZE

    assert read(saying(b"a" * STEP_SIZE) + space[:-400]) == read(saying(b"a" * STEP_SIZE))
    assert "over 65536 bytes" in problem_with(saying(b"a" * STEP_SIZE) + space)


@pytest.mark.without_coverage
@pytest.mark.one_in(3)
@pytest.mark.parametrize("size", [255, 256, 257])
@pytest.mark.parametrize("unit", [b"a", rb"\n", rb"\\"])
def test_the_last_of_what_is_left_may_be_a_text_just_as_long(size, unit):
    for missing in range(0, 600, 7):
        words = b",".join([b'"b"'] * ((STEP_SIZE - missing) // 4))
        document = saying(b"a" * STEP_SIZE, b',"words":[' + words + b',"' + unit * size + b'"]')
        try:
            assert read(document) == (DECODER.decode(document), 0)
        except DocumentTooLarge:
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
    pieces = times * STEP_SIZE // len(unit) * len(unit) / STEP_SIZE
    steps = sum(
        1 for _ in read_json(saying(unit * (times * STEP_SIZE // len(unit))), DECODER.decode)
    )

    assert pieces <= steps <= pieces * 1.01 + 4


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["0" * 256, "a\n" * 200, "é" * 300, '😀"' * STEP_SIZE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(max_examples=scaled(200))
@given(VALUES)
@example({"0" * 256: ["0" * 256, "0" * 255]})
def test_a_value_is_written_as_it_would_be_in_one_go(value):
    assert b"".join(completed(write_json(value))) == msgspec.json.encode(value)


def test_a_long_text_is_written_piece_by_piece():
    value = Spoken(text="\n" * (8 * STEP_SIZE), words=("a" * (2 * STEP_SIZE),))
    pieces = completed(write_json(value))

    assert b"".join(pieces) == msgspec.json.encode(value)
    assert max(map(len, pieces)) <= 2 * STEP_SIZE
    assert sum(1 for _ in write_json(value)) == 8 + 2
