from contextlib import suppress

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.errors import InvalidCompletionRequest
from translators.wire.completion_requests import (
    CompletionMetadata,
    CompletionRequest,
    DecodedRequest,
    LaxField,
    decode_completion_request,
)

MINIMUM = CompletionRequest(model="claude-2", prompt="Hi", max_tokens_to_sample=5)


def body(**fields):
    return msgspec.json.encode(
        {"model": "claude-2", "prompt": "Hi", "max_tokens_to_sample": 5} | fields
    )


def with_raw(name, value):
    """A body with one more field, spelled as given."""
    return body()[:-1] + b',"' + name.encode() + b'":' + value + b"}"


def decode(document):
    return decode_completion_request(document)


def problem_with(document):
    with pytest.raises(InvalidCompletionRequest) as refused:
        decode_completion_request(document)
    return str(refused.value)


def test_every_field_of_the_reference():
    document = body(
        stop_sequences=["\n\nHuman:", "END"],
        temperature=0.5,
        top_p=0.7,
        top_k=5,
        metadata={"user_id": "u-1"},
        stream=True,
    )

    assert decode(document) == DecodedRequest(
        CompletionRequest(
            model="claude-2",
            prompt="Hi",
            max_tokens_to_sample=5,
            stop_sequences=("\n\nHuman:", "END"),
            temperature=0.5,
            top_p=0.7,
            top_k=5,
            metadata=CompletionMetadata("u-1"),
            stream=True,
        )
    )


def test_the_least_that_can_be_asked():
    assert decode(body()) == DecodedRequest(MINIMUM)


def test_null_stands_for_not_given():
    names = ("stop_sequences", "temperature", "top_p", "top_k", "metadata", "stream", "tags")

    assert decode(body(**dict.fromkeys((*names, "disable_checks")))) == DecodedRequest(MINIMUM)
    assert decode(body(metadata={"user_id": None})).request.metadata == CompletionMetadata(None)


def test_fields_that_only_very_old_clients_send():
    request = decode(body(tags={"team": "a"}, disable_checks=False)).request

    assert (request.tags, request.disable_checks) == ({"team": "a"}, False)


@pytest.mark.parametrize(
    ("document", "prompt"),
    [
        (
            b'{\n  "prompt": "\\n\\nHuman: Hi",\n\t"model":"m", "max_tokens_to_sample" : 5 }\r\n',
            None,
        ),
        (b'{"model":"m","max_tokens_to_sample":5,"prompt":"\\n\\nHuman: Hi"}', None),
        ('{"model":"m","max_tokens_to_sample":5,"prompt":"é\u2028😀"}'.encode(), "é\u2028😀"),
        (
            rb'{"model":"m","max_tokens_to_sample":5,"prompt":"\u00e9\u2028\ud83d\ude00"}',
            "é\u2028😀",
        ),
        (b'{"model":"m","max_tokens_to_sample":5,"prompt":"a\\u0000b"}', "a\0b"),
        (b'{"prompt":"old","model":"m","max_tokens_to_sample":5,"prompt":"new"}', "new"),
    ],
    ids=["pretty", "compact", "raw UTF-8", "escaped", "NUL", "given twice, the last counts"],
)
def test_json_is_read_however_it_is_formatted(document, prompt):
    assert decode(document).request.prompt == (prompt or "\n\nHuman: Hi")


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("max_tokens_to_sample", b"1000000", 1_000_000),
        ("max_tokens_to_sample", b"9223372036854775807", 2**63 - 1),
        ("max_tokens_to_sample", b"1", 1),
        ("top_k", b"-1", -1),
        ("top_k", b"0", 0),
        ("top_p", b"-1", -1),
        ("top_p", b"0", 0),
        ("top_p", b"1", 1),
        ("temperature", b"0", 0),
        ("temperature", b"1.0", 1),
        ("temperature", b"1e-400", 0),
    ],
)
def test_numbers_as_clients_spell_them(name, value, read):
    assert getattr(decode(with_raw(name, value)).request, name) == read


@pytest.mark.parametrize(
    ("name", "value", "read", "sent"),
    [
        ("max_tokens_to_sample", "500", 500, "a string"),
        ("max_tokens_to_sample", " 7 ", 7, "a string"),
        ("top_k", "-1", -1, "a string"),
        ("temperature", "0.7", 0.7, "a string"),
        ("temperature", "1", 1, "a string"),
        ("top_p", "5e-1", 0.5, "a string"),
        ("top_p", ".5", 0.5, "a string"),
        ("stream", "true", True, "a string"),
        ("stream", "False", False, "a string"),
        ("stream", 1, True, "a number"),
        ("stream", 0, False, "a number"),
        ("stream", "on", True, "a string"),
        ("disable_checks", "0", False, "a string"),
        ("model", 2.1, "2.1", "a decimal number"),
        ("prompt", 5, "5", "a number"),
        ("max_tokens_to_sample", 500.0, 500, "a decimal number"),
        ("max_tokens_to_sample", 1e30, int(1e30), "a decimal number"),
        ("top_k", 40.0, 40, "a decimal number"),
        ("max_tokens_to_sample", 500.7, 500, "a decimal number"),
        ("max_tokens_to_sample", "1_000", 1000, "a string"),
        ("max_tokens_to_sample", True, 1, "a boolean"),
        ("top_k", 0.5, 0, "a decimal number"),
        ("top_k", -1.5, -1, "a decimal number"),
        ("top_k", False, 0, "a boolean"),
        ("temperature", True, 1, "a boolean"),
        ("top_p", False, 0, "a boolean"),
        ("model", True, "True", "a boolean"),
        ("stop_sequences", [True], ("True",), "a list with other values"),
        ("stop_sequences", "END", ("END",), "a string"),
        ("stop_sequences", ["END", None, 5], ("END", "5"), "a list with other values"),
        (
            "metadata",
            {"user_id": 12345},
            CompletionMetadata("12345"),
            "an object with other values",
        ),
        ("tags", {"attempt": 1}, {"attempt": "1"}, "an object with other values"),
    ],
)
@pytest.mark.parametrize("prompt", ["Hi", "x" * 200_000], ids=["short", "long"])
def test_a_lax_value_is_read_as_what_it_stands_for(name, value, read, sent, prompt):
    decoded = decode(body(**{"prompt": prompt} | {name: value}))

    assert getattr(decoded.request, name) == read
    assert decoded.lax_fields == (LaxField(name, sent),)
    assert decoded.lax_error is not None
    assert decoded.lax_error.startswith(name)


def test_the_error_of_several_lax_values_is_that_of_the_first():
    decoded = decode(body(max_tokens_to_sample=5.5, top_k=7.5, temperature="1"))

    assert (decoded.request.max_tokens_to_sample, decoded.request.top_k) == (5, 7)
    assert [lax.name for lax in decoded.lax_fields] == [
        *("max_tokens_to_sample", "temperature", "top_k")
    ]
    assert decoded.lax_error == f"max_tokens_to_sample: {INTEGER}"


def test_lax_values_beside_fields_nobody_knows():
    decoded = decode(body(max_tokens_to_sample="5", stream=1, n=1, metadata={"user_id": 5, "x": 1}))

    assert decoded.request.max_tokens_to_sample == 5
    assert [lax.name for lax in decoded.lax_fields] == [
        *("max_tokens_to_sample", "metadata", "stream")
    ]
    assert decoded.unknown_fields == ("n", "metadata.x")


def test_a_byte_order_mark_is_passed_over():
    assert decode(b"\xef\xbb\xbf" + body()) == DecodedRequest(MINIMUM)


STRING = "str type expected"
NONE = "none is not an allowed value"
INTEGER = "value is not a valid integer"
NUMBER = "value is not a valid float"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b'{"prompt":"Hi","max_tokens_to_sample":5}', "model: field required"),
        (b'{"model":"m","max_tokens_to_sample":5}', "prompt: field required"),
        (b'{"model":"m","prompt":"Hi"}', "max_tokens_to_sample: field required"),
        (b"{}", "model: field required"),
        (b'{"messages":[]}', "model: field required"),
        (body(model=""), "model: ensure this value has at least 1 characters"),
        (body(model=None), f"model: {NONE}"),
        (body(prompt=["Hi"]), f"prompt: {STRING}"),
        (body(prompt=None), f"prompt: {NONE}"),
        (body(max_tokens_to_sample=None), f"max_tokens_to_sample: {NONE}"),
        (
            body(max_tokens_to_sample=0),
            "max_tokens_to_sample: range: 1..1,000,000",
        ),
        (
            body(max_tokens_to_sample=-1),
            "max_tokens_to_sample: range: 1..1,000,000",
        ),
        (body(top_k=-2), "top_k: ensure this value is greater than or equal to -1"),
        (body(top_p=1.1), "top_p: range: 0..1"),
        (body(top_p=-0.5), "top_p: range: 0..1"),
        (body(temperature=-1), "temperature: range: 0..1"),
        (body(temperature=1.5), "temperature: range: 0..1"),
        (body(metadata="u"), "metadata: value is not a valid dict"),
        (body(tags={"a": None}), f"tags: {NONE}"),
        (body(prompt={"text": "Hi"}), f"prompt: {STRING}"),
        (
            body(max_tokens_to_sample=0.5),
            "max_tokens_to_sample: range: 1..1,000,000",
        ),
        (body(max_tokens_to_sample="1__0"), f"max_tokens_to_sample: {INTEGER}"),
        (body(max_tokens_to_sample="many"), f"max_tokens_to_sample: {INTEGER}"),
        (body(max_tokens_to_sample="5.5"), f"max_tokens_to_sample: {INTEGER}"),
        (body(max_tokens_to_sample=" "), f"max_tokens_to_sample: {INTEGER}"),
        (
            body(max_tokens_to_sample="0"),
            "max_tokens_to_sample: range: 1..1,000,000",
        ),
        (body(temperature="nan"), f"temperature: {NUMBER}"),
        (body(temperature="1.5"), "temperature: range: 0..1"),
        (body(top_p="1e99999"), f"top_p: {NUMBER}"),
        (body(stream="perhaps"), "stream: value could not be parsed to a boolean"),
        (body(stream=2), "stream: value could not be parsed to a boolean"),
        (body(stop_sequences=[["a"]]), f"stop_sequences.0: {STRING}"),
        (body(stop_sequences={"a": 1}), "stop_sequences: value is not a valid list"),
        (body(metadata={"user_id": ["u"]}), f"metadata.user_id: {STRING}"),
        (body(prompt=["Hi"], max_tokens_to_sample="5"), f"prompt: {STRING}"),
        (b"[]", "value is not a valid dict"),
        (b"null", "value is not a valid dict"),
        (b'"Hi"', "value is not a valid dict"),
        (b"5", "value is not a valid dict"),
        (b"[" * 1_000_000, "value is not a valid dict"),
        (
            with_raw("top_k", b"1" + b"0" * 300),
            "top_k: ensure this value is less than or equal to 9223372036854775807",
        ),
        (with_raw("top_k", b"1e999"), "top_k: Number out of range"),
        (with_raw("temperature", b"1" + b"0" * 400), "temperature: Number out of range"),
        (with_raw("top_k", b"9" * 5_000), "top_k: Integer value out of range"),
    ],
    ids=lambda case: case if isinstance(case, str) else case[-60:].decode(),
)
def test_the_field_at_fault_is_named(document, problem):
    assert problem_with(document) == problem


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "Input data was truncated"),
        (b'{"model":', "Input data was truncated"),
        (b"model=claude-2", "JSON is malformed: invalid character (byte 0)"),
        (b"<html>", "JSON is malformed: invalid character (byte 0)"),
        (body() + b"{}", "JSON is malformed: trailing characters"),
        (b'{"model":"m\xff","prompt":"Hi","max_tokens_to_sample":5}', None),
        (b'{"model":"m\xe2\x82","prompt":"Hi","max_tokens_to_sample":5}', None),
        (b'{"model":"\xed\xa0\xbd","prompt":"\xff","max_tokens_to_sample":5}', None),
        (b"\xff\xfe{\x00}\x00", "JSON is malformed: invalid character (byte 0)"),
        (with_raw("x", b"[" * 100_000), "maximum recursion depth exceeded"),
        (with_raw("x", b"[" * 100_000 + b"]" * 100_000), "maximum recursion depth exceeded"),
        (with_raw("x", rb'"\ud83d"') + b"}", "JSON is malformed: trailing characters"),
        (with_raw("x", b'"\xed\xa0\xbd",' + b'"y":' + b"[" * 100_000), "maximum recursion depth"),
        (with_raw("top_k", b"NaN"), "JSON is malformed: invalid character"),
    ],
    ids=[
        *("nothing", "cut short", "a form", "a page", "two documents", "latin-1"),
        *("half a character", "half a pair and latin-1", "UTF-16", "nested without end"),
        *("nested deeply", "mended and still bad", "mended and nested", "not a number"),
    ],
)
def test_what_is_not_json_is_said_not_to_be(document, reason):
    problem = problem_with(document)

    assert problem.startswith(f"The request body is not valid JSON: {reason or ''}")


def test_fields_nobody_knows_are_named_and_passed_over():
    document = body(maxOutputTokens=5, metadata={"user_id": "u", "trace": 1}, nonsense=[{"a": 1}])

    assert decode(document) == DecodedRequest(
        CompletionRequest(
            model="claude-2",
            prompt="Hi",
            max_tokens_to_sample=5,
            metadata=CompletionMetadata("u"),
        ),
        unknown_fields=("maxOutputTokens", "nonsense", "metadata.trace"),
    )


def test_metadata_that_is_not_given_is_not_looked_into():
    assert decode(body(metadata=None, x=1)) == DecodedRequest(MINIMUM, unknown_fields=("x",))


@pytest.mark.parametrize(
    ("prompt", "read", "count"),
    [
        (rb"a\ud83d", "a\ufffd", 1),
        (rb"\ude00\ud83d", "\ufffd\ufffd", 2),
        (b"a\xed\xa0\xbdb", "a\ufffdb", 1),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd", 1),
        (rb"\ud83d\ude00", "😀", 0),
        (rb"\\ud83d", "\\ud83d", 0),
    ],
    ids=[
        *("first half", "the wrong way round", "encoded", "beside an escaped backslash"),
        *("a whole pair", "an escaped backslash alone"),
    ],
)
def test_lone_surrogates_become_replacement_characters_and_are_counted(prompt, read, count):
    document = b'{"model":"claude-2","max_tokens_to_sample":5,"prompt":"' + prompt + b'"}'
    decoded = decode(document)

    assert (decoded.request.prompt, decoded.lone_surrogates) == (read, count)


def test_lone_surrogates_and_unknown_fields_are_both_told():
    assert decode(with_raw("x", rb'"\ud83d"')) == DecodedRequest(MINIMUM, ("x",), 1)


JSONISH = st.lists(
    st.sampled_from(
        [
            *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"null", b"1", b"-1", b"1e9", b" "),
            *(
                b'"model"',
                b'"prompt"',
                b'"max_tokens_to_sample"',
                b'"metadata"',
                b'"x"',
                b'"top_k"',
            ),
            *(rb"\ud83d", b"\xed\xa0\xbd", b"\xff", b"\x00", b'{"model":"m","prompt":"p",'),
        ]
    )
).map(b"".join)


@given(st.binary() | JSONISH)
@example(b'{"model":"m","prompt":"p","max_tokens_to_sample":1,"metadata":{"x":{"x":1}}}')
@example(b'{"metadata":{')
@example(b'"\\\xed\xa0\xbd"')
def test_any_bytes_are_a_request_or_the_clients_fault(document):
    with suppress(InvalidCompletionRequest):
        decode_completion_request(document)


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        name: st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text("a\n")
        | st.lists(st.text("a"), max_size=2)
        | st.dictionaries(st.sampled_from(["user_id", "x"]), st.text("a") | st.none())
        for name in (*CompletionRequest.__struct_fields__, "x")
    },
)


@given(FIELDS)
def test_any_object_is_a_request_or_the_clients_fault(fields):
    with suppress(InvalidCompletionRequest):
        assert set(decode(body(**fields)).unknown_fields) <= {"x", "metadata.x"}


LONG = "a\n😀" * 30_000


@pytest.mark.parametrize("word", ["w" * 255, "w" * 256, "w" * 4096])
def test_a_long_request_is_read_like_a_short_one(word):
    document = body(
        model=word,
        prompt=LONG,
        stop_sequences=["a", word],
        metadata={"user_id": word, "trace": LONG},
        tags={"a": LONG, word: "b"},
        x=[LONG, {"y": LONG}],
    )

    assert decode(document) == DecodedRequest(
        CompletionRequest(
            model=word,
            prompt=LONG,
            max_tokens_to_sample=5,
            stop_sequences=("a", word),
            metadata=CompletionMetadata(word),
            tags={"a": LONG, word: "b"},
        ),
        unknown_fields=("x", "metadata.trace"),
    )


@pytest.mark.parametrize("prompt", ["Hi", LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"model": "m" * 4097}, "model"),
        ({"stop_sequences": ["a", "s" * 4097]}, "stop_sequences.1"),
        ({"metadata": {"user_id": "u" * 4097}}, "metadata.user_id"),
        ({"stop_sequences": [LONG]}, "stop_sequences.0"),
    ],
)
def test_a_word_is_not_as_long_as_a_prompt(prompt, fields, name):
    problem = problem_with(body(prompt=prompt, **fields))

    assert problem == f"{name}: ensure this value has at most 4096 characters"


@pytest.mark.parametrize("prompt", ["Hi", LONG], ids=["short", "long"])
def test_of_unknown_fields_no_more_is_kept_than_a_few_names(prompt):
    names = [f"field{number}" for number in range(3000)]
    decoded = decode(body(prompt=prompt, **dict.fromkeys(["n" * 1025, "n" * 1024, *names], 1)))

    assert decoded.request.prompt == prompt
    assert decoded.unknown_fields == ("(a name of 1025 characters)", "n" * 1024, *names[:62])


@pytest.mark.parametrize(
    "document",
    [
        body(**dict.fromkeys(map(str, range(10_000)), 1)),
        body(tags=dict.fromkeys(map(str, range(10_000)), "x")),
        body(stop_sequences=[str(number) for number in range(20_000)]),
        body(x=[[1]] * 20_000),
        with_raw("top_k", b"1" * 100_000),
        b" " * 100_000 + body(),
    ],
    ids=["unknown fields", "tags", "stops", "unknown values", "digits", "white space"],
)
def test_what_is_long_without_a_long_text_is_no_request(document):
    problem = problem_with(document)

    assert problem == (
        "The request body is too large to decode: without texts of 256 characters and more it"
        " still has over 65536 bytes; send fewer or shorter fields"
    )


def test_halves_of_pairs_are_counted_in_a_long_prompt_and_beside_it():
    decoded = decode(body(prompt=LONG + "?" * 300, x="?").replace(b"?", rb"\ud83d"))

    assert decoded.request.prompt == LONG + "\ufffd" * 300
    assert decoded.lone_surrogates == 301
