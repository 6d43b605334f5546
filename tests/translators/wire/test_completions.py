from contextlib import suppress

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.exceptions import InvalidCompletionRequest
from translators.wire.completions import (
    PING_FRAME,
    Completion,
    CompletionMetadata,
    CompletionRequest,
    DecodedRequest,
    FailureChunk,
    FrameEncoder,
    LastChunk,
    PingChunk,
    TextChunk,
    decode_completion_request,
    encode_completion,
    encode_error,
    encode_failure,
    v1_ping_frame,
)
from translators.wire.versions import V1, V2

# --- requests ---------------------------------------------------------------------------------

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
        ("max_tokens_to_sample", b"300.0", 300),
        ("max_tokens_to_sample", b"1e3", 1_000),
        ("max_tokens_to_sample", b"1000000", 1_000_000),
        ("max_tokens_to_sample", b"9223372036854775807", 2**63 - 1),
        ("max_tokens_to_sample", b"1", 1),
        ("top_k", b"-1", -1),
        ("top_k", b"0", 0),
        ("top_k", b"40.0", 40),
        ("top_k", b"9e18", 9 * 10**18),
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


STRING = "Input should be a valid string"
INTEGER = "Input should be a valid integer"
NUMBER = "Input should be a valid number"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b'{"prompt":"Hi","max_tokens_to_sample":5}', "model: Field required"),
        (b'{"model":"m","max_tokens_to_sample":5}', "prompt: Field required"),
        (b'{"model":"m","prompt":"Hi"}', "max_tokens_to_sample: Field required"),
        (b"{}", "model: Field required"),
        (b'{"messages":[]}', "model: Field required"),
        (body(model=""), "model: String should have at least 1 character"),
        (body(model=None), f"model: {STRING}"),
        (body(model=5), f"model: {STRING}"),
        (body(prompt=["Hi"]), f"prompt: {STRING}"),
        (body(prompt=None), f"prompt: {STRING}"),
        (body(max_tokens_to_sample="5"), f"max_tokens_to_sample: {INTEGER}"),
        (body(max_tokens_to_sample=None), f"max_tokens_to_sample: {INTEGER}"),
        (body(max_tokens_to_sample=True), f"max_tokens_to_sample: {INTEGER}"),
        (body(max_tokens_to_sample=1.5), f"max_tokens_to_sample: {INTEGER}"),
        (
            body(max_tokens_to_sample=0),
            "max_tokens_to_sample: Input should be greater than or equal to 1",
        ),
        (
            body(max_tokens_to_sample=-1),
            "max_tokens_to_sample: Input should be greater than or equal to 1",
        ),
        (body(top_k=-2), "top_k: Input should be greater than or equal to -1"),
        (body(top_k=0.5), f"top_k: {INTEGER}"),
        (body(top_k="5"), f"top_k: {INTEGER}"),
        (body(top_p=1.1), "top_p: range: 0..1"),
        (body(top_p=-0.5), "top_p: range: 0..1"),
        (body(temperature=-1), "temperature: range: 0..1"),
        (body(temperature=1.5), "temperature: range: 0..1"),
        (body(temperature="0"), f"temperature: {NUMBER}"),
        (body(stop_sequences="END"), "stop_sequences: Input should be a valid list"),
        (body(stop_sequences=["a", 5]), f"stop_sequences.1: {STRING}"),
        (body(stop_sequences=[None]), f"stop_sequences.0: {STRING}"),
        (body(stream="true"), "stream: Input should be a valid boolean"),
        (body(stream=1), "stream: Input should be a valid boolean"),
        (body(metadata="u"), "metadata: Input should be a valid dictionary"),
        (body(metadata={"user_id": 5}), f"metadata.user_id: {STRING}"),
        (body(metadata={"user_id": 5, "x": 1}), f"metadata.user_id: {STRING}"),
        (body(tags={"a": 1}), f"tags: {STRING}"),
        (body(prompt=5, extra=1), f"prompt: {STRING}"),
        (b"[]", "Input should be a valid dictionary"),
        (b"null", "Input should be a valid dictionary"),
        (b'"Hi"', "Input should be a valid dictionary"),
        (b"5", "Input should be a valid dictionary"),
        (b"[" * 1_000_000, "Input should be a valid dictionary"),
        (
            with_raw("top_k", b"1" + b"0" * 300),
            "top_k: Input should be less than or equal to 9223372036854775807",
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


# --- answers ----------------------------------------------------------------------------------


def whole(text, *, model, stop="\n\nHuman:", id_="compl_01"):
    return Completion(
        id=id_,
        model=model,
        text=text,
        stop_reason="max_tokens" if stop is None else "stop_sequence",
        stop=stop,
    )


# legacy-wire 2.1, R3: the first walk-through. Ids aside, ours are of the later form.
SPRING_2023 = (
    rb'{"completion":" Here is a haiku about trees:\n\nSilent sentinels, \nStanding solemn in the '
    rb'woods,\nBranches reaching sky.","stop":"\n\nHuman:","stop_reason":"stop_sequence",'
    rb'"truncated":false,"log_id":"compl_01","model":"claude-v1","exception":null}'
)
HAIKU = (
    " Here is a haiku about trees:\n\nSilent sentinels, \nStanding solemn in the woods,\n"
    "Branches reaching sky."
)
# legacy-wire 2.1, R2 and R13, ids and all.
APRIL_2024 = (
    rb'{"type":"completion","id":"compl_01Bs8Syxu1SsMMWuNRiptYXC","completion":".Hello!",'
    rb'"stop_reason":"stop_sequence","model":"claude-instant-1.2","stop":"\n\nHuman:",'
    rb'"log_id":"compl_01Bs8Syxu1SsMMWuNRiptYXC"}'
)
HI_THERE = (
    rb'{"type":"completion","id":"compl_018sNkNZEJUW35NVReds342D","completion":" Hi there!",'
    rb'"stop_reason":"stop_sequence","model":"claude-instant-1.2","stop":"\n\nHuman:",'
    rb'"log_id":"compl_018sNkNZEJUW35NVReds342D"}'
)


@pytest.mark.parametrize(
    ("completion", "dialect", "recorded"),
    [
        (whole(HAIKU, model="claude-v1"), V1, SPRING_2023),
        (
            whole(".Hello!", model="claude-instant-1.2", id_="compl_01Bs8Syxu1SsMMWuNRiptYXC"),
            V2,
            APRIL_2024,
        ),
        (
            whole(" Hi there!", model="claude-instant-1.2", id_="compl_018sNkNZEJUW35NVReds342D"),
            V2,
            HI_THERE,
        ),
    ],
    ids=["2023-01-01 R3", "2023-06-01 R2", "2023-06-01 R13"],
)
def test_recorded_answers_to_the_byte(completion, dialect, recorded):
    assert encode_completion(completion, dialect) == recorded


def test_out_of_tokens_has_no_stop():
    completion = whole("Once", model="claude-2.1", stop=None)

    assert encode_completion(completion, V2) == (
        b'{"type":"completion","id":"compl_01","completion":"Once","stop_reason":"max_tokens",'
        b'"model":"claude-2.1","stop":null,"log_id":"compl_01"}'
    )
    assert encode_completion(completion, V1) == (
        b'{"completion":"Once","stop":null,"stop_reason":"max_tokens","truncated":false,'
        b'"log_id":"compl_01","model":"claude-2.1","exception":null}'
    )


AWKWARD = 'é\u2028\u2029\x85\x0b\x1c😀\0"\\/\n'
ESCAPED = rb"\u00e9\u2028\u2029\u0085\u000b\u001c\ud83d\ude00\u0000\"\\/\n"


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_old_line_splitters_find_nothing_to_split_at(dialect):
    document = encode_completion(whole(AWKWARD, model="é", stop="😀"), dialect)

    assert b'"completion":"' + ESCAPED + b'"' in document
    assert rb'"model":"\u00e9"' in document
    assert rb'"stop":"\ud83d\ude00"' in document
    assert document.isascii()


def frames(dialect, *chunks, id_="compl_01", model="claude-2.1"):
    encoder = FrameEncoder(dialect, id=id_, model=model)
    return [encoder.encode(chunk) for chunk in chunks]


NATURAL_END = LastChunk("stop_sequence", "\n\nHuman:")


def recorded_frame(text, reason=b"null", stop=b"null"):
    return (
        b'event: completion\r\ndata: {"type":"completion","id":"compl_015dfgyiT7JLszAiMbGMtgeG",'
        b'"completion":"'
        + text
        + b'","stop_reason":'
        + reason
        + b',"model":"claude-2.1","stop":'
        + stop
        + b',"log_id":"compl_015dfgyiT7JLszAiMbGMtgeG"}\r\n\r\n'
    )


def test_recorded_stream_of_the_new_dialect_to_the_byte():
    """legacy-wire 3.1, R1; its padding was taken out."""
    said = [" Light", " sc", "at", "ters", " blue", "."]
    chunks = [*map(TextChunk, said[:2]), PingChunk(), *map(TextChunk, said[2:]), NATURAL_END]

    assert frames(V2, *chunks, id_="compl_015dfgyiT7JLszAiMbGMtgeG") == [
        recorded_frame(b" Light"),
        recorded_frame(b" sc"),
        b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n',
        recorded_frame(b"at"),
        recorded_frame(b"ters"),
        recorded_frame(b" blue"),
        recorded_frame(b"."),
        recorded_frame(b"", b'"stop_sequence"', rb'"\n\nHuman:"'),
    ]


def test_stream_of_the_old_dialect_as_its_decoders_have_it():
    """legacy-wire 3.2: cumulative, unnamed, pings left out, the whole text again, `[DONE]`."""
    rest = b',"truncated":false,"log_id":"compl_01","model":"claude-v1","exception":null}\r\n\r\n'
    going_on = b'","stop":null,"stop_reason":null' + rest
    ended = rb'","stop":"\n\nHuman:","stop_reason":"stop_sequence"' + rest

    assert frames(
        V1,
        *(TextChunk(" Hello"), PingChunk(), TextChunk(" my"), TextChunk(" name"), NATURAL_END),
        model="claude-v1",
    ) == [
        b'data: {"completion":" Hello' + going_on,
        b"",
        b'data: {"completion":" Hello my' + going_on,
        b'data: {"completion":" Hello my name' + going_on,
        b'data: {"completion":" Hello my name' + ended + b"data: [DONE]\r\n\r\n",
    ]


@pytest.mark.parametrize("last", [NATURAL_END, LastChunk("max_tokens", None)])
def test_last_frame_of_the_old_dialect_is_the_body_of_a_whole_answer(last):
    *_, frame = frames(V1, TextChunk("é "), TextChunk('"b"'), last)
    completion = Completion(
        id="compl_01",
        model="claude-2.1",
        text='é "b"',
        stop_reason=last.stop_reason,
        stop=last.stop,
    )

    assert frame == b"data: " + encode_completion(completion, V1) + b"\r\n\r\ndata: [DONE]\r\n\r\n"


def test_last_frame_of_the_new_dialect_says_nothing_more():
    *_, frame = frames(V2, TextChunk("a"), LastChunk("max_tokens", None))

    assert frame == (
        b'event: completion\r\ndata: {"type":"completion","id":"compl_01","completion":"",'
        b'"stop_reason":"max_tokens","model":"claude-2.1","stop":null,"log_id":"compl_01"}\r\n\r\n'
    )


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_an_empty_completion_is_one_last_frame(dialect):
    (frame,) = frames(dialect, NATURAL_END)
    empty = encode_completion(whole("", model="claude-2.1"), dialect)

    assert frame == dialect.frame_start + empty + b"\r\n\r\n" + dialect.terminator


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_every_frame_before_the_last_says_that_there_is_no_reason_yet(dialect):
    one, two, _ = frames(dialect, TextChunk("a"), TextChunk("b"), NATURAL_END)

    assert b'"stop_reason":null' in one
    assert b'"stop_reason":null' in two


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_a_failure_is_an_error_event_with_nothing_behind_it(dialect):
    *_, frame = frames(dialect, TextChunk("a"), FailureChunk("overloaded_error", "Overloaded"))

    assert frame == (
        b'event: error\r\ndata: {"type":"error","error":{"type":"overloaded_error",'
        b'"message":"Overloaded"}}\r\n\r\n'
    )
    assert frame == encode_failure("overloaded_error", "Overloaded")


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_names_that_look_like_the_frame_itself_do_no_harm(dialect):
    name = '"completion":""'
    first, last = frames(
        dialect, TextChunk(name), LastChunk("stop_sequence", name), id_=name, model=name
    )

    texts = [msgspec.json.decode(frame.split(b"data: ")[1]) for frame in (first, last)]
    assert [text["completion"] for text in texts] == [name, name if dialect is V1 else ""]
    assert [text["model"] for text in texts] == [name, name]
    assert [text["stop"] for text in texts] == [None, name]


@given(st.lists(st.text(), min_size=1), st.sampled_from([V1, V2]))
def test_frames_say_what_was_said_and_are_one_event_each(said, dialect):
    *texts, last = frames(dialect, *map(TextChunk, said), NATURAL_END)

    for frame in texts:
        assert frame.isascii()
        assert frame.startswith(dialect.frame_start)
        assert frame.endswith(b"}\r\n\r\n")
        assert frame.count(b"\n") == dialect.frame_start.count(b"\n") + 2
    read = [
        msgspec.json.decode(frame.removeprefix(dialect.frame_start))["completion"]
        for frame in (*texts, last.removesuffix(dialect.terminator))
    ]
    if dialect is V1:
        assert read == [*("".join(said[: n + 1]) for n in range(len(said))), "".join(said)]
    else:
        assert read == [*said, ""]


def test_pings_as_recorded():
    assert PING_FRAME == b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n'
    assert v1_ping_frame("2023-04-28 21:18:31.866238") == (
        b"event: ping\r\ndata: 2023-04-28 21:18:31.866238\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("request_id", "tail"), [("req_01", b'"request_id":"req_01"}'), (None, b'"request_id":null}')]
)
def test_errors_have_the_newest_envelope(request_id, tail):
    assert encode_error("not_found_error", "model: é", request_id) == (
        rb'{"type":"error","error":{"type":"not_found_error","message":"model: \u00e9"},' + tail
    )
