import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tests.hypothesis_profiles import scaled
from translators.errors import UpstreamProtocolError
from translators.steps import STEP_SIZE, completed
from translators.wire.error_bodies import ApiError
from translators.wire.messages import (
    AnsweredMessage,
    ContentBlock,
    ContentBlockDelta,
    ContentBlockStart,
    ErrorEvent,
    IgnoredEvent,
    Message,
    MessageDelta,
    MessageEnd,
    MessagesRequest,
    MessageStart,
    MessageStop,
    Metadata,
    OutputConfig,
    Ping,
    StopDetails,
    ThinkingConfig,
    Usage,
    decode_event,
    decode_event_in_steps,
    decode_message,
    decode_message_in_steps,
    encode_in_steps,
    encode_request,
)

DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def test_a_request_holds_what_was_decided_and_nothing_else():
    request = MessagesRequest(
        model="claude-opus-4-8", max_tokens=5, messages=(Message("user", "Hi"),)
    )

    assert encode_request(request) == (
        b'{"model":"claude-opus-4-8","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}'
    )


def test_a_request_with_everything():
    request = MessagesRequest(
        model="m",
        max_tokens=5,
        messages=(Message("user", "é"), Message("assistant", "{")),
        system="Be brief.",
        stop_sequences=("\n\nHuman:",),
        stream=True,
        temperature=0.5,
        top_p=0.0,
        top_k=3,
        metadata=Metadata("u"),
        thinking=ThinkingConfig("disabled"),
        output_config=OutputConfig("low"),
    )

    assert encode_request(request).decode() == (
        '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"é"},'
        '{"role":"assistant","content":"{"}],"system":"Be brief.",'
        r'"stop_sequences":["\n\nHuman:"],"stream":true,"temperature":0.5,"top_p":0.0,"top_k":3,'
        '"metadata":{"user_id":"u"},"thinking":{"type":"disabled"},'
        '"output_config":{"effort":"low"}}'
    )


TEXT = ContentBlock("text", "")


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (
            b'{"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": '
            b'"assistant", "content": [], "model": "claude-opus-5", "stop_reason": null, '
            b'"stop_sequence": null, "usage": {"input_tokens": 25, "output_tokens": 1}}}',
            MessageStart(
                AnsweredMessage(
                    "msg_1",
                    "claude-opus-5",
                    content=(),
                    usage_json=Raw(b'{"input_tokens": 25, "output_tokens": 1}'),
                )
            ),
        ),
        (b'{"type":"message_start","message":{"id":"m"}}', MessageStart(AnsweredMessage("m"))),
        (
            b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
            ContentBlockStart(TEXT),
        ),
        (
            b'{"type":"content_block_start","index":0,"content_block":{"type":'
            b'"redacted_thinking","data":"x"}}',
            ContentBlockStart(ContentBlock("redacted_thinking")),
        ),
        (b'{"type": "ping"}', Ping()),
        (
            b'{"delta":{"text":"\\nbravo","type":"text_delta"},"index":0,"type":'
            b'"content_block_delta"          }',
            ContentBlockDelta(ContentBlock("text_delta", "\nbravo")),
        ),
        (
            b'{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta",'
            b'"thinking":"hm"}}',
            ContentBlockDelta(ContentBlock("thinking_delta")),
        ),
        (b'{"type":"content_block_stop","index":0}', IgnoredEvent()),
        (
            b'{"type":"message_delta","delta":{"stop_details":null,"stop_reason":"stop_sequence",'
            b'"stop_sequence":"charlie"},"usage":{"input_tokens":27,"output_tokens":6}}',
            MessageDelta(
                MessageEnd("stop_sequence", "charlie"),
                Raw(b'{"input_tokens":27,"output_tokens":6}'),
            ),
        ),
        (
            b'{"type":"message_delta","delta":{"stop_reason":"refusal",'
            b'"stop_details":{"explanation":"No."}}}',
            MessageDelta(MessageEnd("refusal", None, StopDetails("No."))),
        ),
        (b'{"type":"message_stop"}', MessageStop()),
        (rb'{"type":"message_stop","x":"\ud83d"}', MessageStop()),
        (
            b'{"type":"error","error":{"details":null,"type":"overloaded_error","message":'
            b'"Overloaded"},"request_id":"req_011"}',
            ErrorEvent(ApiError("overloaded_error", "Overloaded")),
        ),
        (b'{"type":"error","error":{}}', ErrorEvent(ApiError())),
        (b'{"type":"error","error":"boom"}', ErrorEvent(ApiError("", "boom"))),
        (b'{"type":"error","message":"boom"}', ErrorEvent(ApiError("", "boom"))),
        (
            b'{"error":{"message":"boom","type":"None","param":"None","code":"500"}}',
            ErrorEvent(ApiError("None", "boom")),
        ),
        (b'{"error":"boom","id":1}', ErrorEvent(ApiError("", "boom"))),
        (b'{"error":{},"choices":[]}', IgnoredEvent()),
        (b'{"type":"not_invented_yet","error":"boom"}', IgnoredEvent()),
        (b'{"type":"not_invented_yet","text":5}', IgnoredEvent()),
        (rb'{"type":"not_invented_yet","text":"\ud83d"}', IgnoredEvent()),
        (
            rb'{"type":"content_block_delta","delta":{"type":"text_delta","text":"a\ud83d"}}',
            ContentBlockDelta(ContentBlock("text_delta", "a\ufffd")),
        ),
    ],
    ids=[
        *("documented head", "bare head", "text block", "redacted thinking", "ping"),
        *("text, padded", "thinking", "end of a block", "end with a stop", "refusal", "stop"),
        *("stop with half a character", "error", "error without a word", "error as a text"),
        *("error with a message alone", "error without a type", "text without a type"),
        *("chunk without an error", "unknown with an error", "unknown"),
        *("unknown with half a character", "text with half a character"),
    ],
)
def test_events_as_upstream_spells_them(data, event):
    assert decode_event(data) == event


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[DONE", b"2023-04-28 21:18:31.866238", b"[]", b"null", b'"ping"'),
        *(b'{"type":5}', b'{"type":null}', b'{"type":"message_start"}', b'{"type":"ping"'),
        *(b'{"type":"message_delta","delta":{"stop_reason":5}}', b'{"type":"error"}'),
        *(b'{"type":"content_block_delta","delta":"\xff"}', DEEP, b'{"type":"ping","x":' + DEEP),
    ],
    ids=lambda data: data[:40].decode(errors="replace"),
)
def test_an_event_that_cannot_be_read_is_the_upstreams_fault(data):
    with pytest.raises(UpstreamProtocolError, match="event stream: "):
        decode_event(data)


@pytest.mark.parametrize("data", [b"[DONE]", b"{}", b'{"type":"ping","x":{}}', b'{"x":1}'])
def test_an_event_that_says_nothing_of_the_message_does_no_harm(data):
    assert isinstance(decode_event(data), IgnoredEvent | Ping)


def test_only_text_has_to_make_sense():
    assert ContentBlock("tool_use", {"not": "text"}).visible_text == ""
    assert ContentBlock("text_delta", "Hi").visible_text == "Hi"
    assert ContentBlock("text").visible_text == ""
    with pytest.raises(UpstreamProtocolError, match="text: expected a string"):
        _ = ContentBlock("text", 5).visible_text


def test_what_is_only_evidence_may_have_any_shape():
    body = b"""{"id":"m","model":null,"content":null,"stop_reason":"refusal",
        "stop_details":"because","usage":{"input_tokens":1.0,"output_tokens":null}}"""

    message = decode_message(body)

    assert message == AnsweredMessage(
        id="m", stop_reason="refusal", stop_details="because", usage_json=message.usage_json
    )
    assert message.usage == Usage(1.0, None)


def test_a_whole_answer_as_recorded():
    body = b"""{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant",
        "model":"claude-haiku-4-5-20251001","content":[{"type":"thinking","thinking":"",
        "signature":"Eq"},{"type":"text","text":"Hello!","citations":null}],
        "stop_reason":"end_turn","stop_sequence":null,"stop_details":null,
        "usage":{"input_tokens":12,"output_tokens":6,"cache_creation_input_tokens":0,
        "cache_creation":{"ephemeral_5m_input_tokens":0},"service_tier":"standard"}}"""

    message = decode_message(body)

    assert message == AnsweredMessage(
        id="msg_01XFDUDYJgAACzvnptvVoYEL",
        model="claude-haiku-4-5-20251001",
        content=(ContentBlock("thinking"), ContentBlock("text", "Hello!")),
        stop_reason="end_turn",
        usage_json=message.usage_json,
    )
    assert message.usage == Usage(12, 6)


def test_half_a_character_in_a_whole_answer_is_mended():
    body = rb'{"id":"m","content":[{"type":"text","text":"a\ud83d"}],"stop_reason":"max_tokens"}'

    assert decode_message(body) == AnsweredMessage(
        id="m", content=(ContentBlock("text", "a\ufffd"),), stop_reason="max_tokens"
    )


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b"[]", b"<html>", b'{"id":null}', b'{"id":"m","content":5}', b'"\xff"'),
        *(b'{"id":"m","content":"Hi"}', b'{"type":"error","error":{"type":"api_error"}}', DEEP),
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_an_answer_that_cannot_be_read_is_the_upstreams_fault(body):
    with pytest.raises(UpstreamProtocolError, match="message: "):
        decode_message(body)


EVENTISH = st.lists(
    st.sampled_from(
        [
            *(b'{"type":', b'"content_block_delta"', b'"message_start"', b'"x"', b",", b"{", b"}"),
            *(b'"delta":', b'"error":', b'"id":', b"1", b"null", b'"text"', rb'"\ud83d"', b"\xff"),
        ]
    )
).map(b"".join)


@given(st.binary() | EVENTISH)
@example(b'{"type":"x","delta":\xed\xa0\xbd}')
def test_any_bytes_are_read_or_the_upstreams_fault(data):
    with suppress(UpstreamProtocolError):
        decode_message(data)
    with suppress(UpstreamProtocolError):
        decode_event(data)


TEXTS = st.sampled_from(
    [
        "a",
        "\n",
        '"messages":[',
        '"system":""',
        "é😀" * 300,
        "\n" * (STEP_SIZE - 1),
        "a" * (STEP_SIZE + 1),
    ]
)


@settings(max_examples=scaled(300))  # of tens of thousands of characters each
@given(
    messages=st.lists(
        st.builds(Message, st.sampled_from(["user", "assistant"]), TEXTS), max_size=5
    ).map(tuple)
    | st.integers(65, 200).map(lambda count: (Message("user", "a" * 800),) * count),
    system=st.none() | TEXTS,
    model=TEXTS,
    stops=st.lists(TEXTS, max_size=2).map(tuple),
)
@example(messages=(), system="a" * (STEP_SIZE + 1), model='"system":"', stops=('"messages":[',))
def test_a_request_in_pieces_is_the_request(messages, system, model, stops):
    request = MessagesRequest(
        model=model, max_tokens=1, messages=messages, system=system, stop_sequences=stops
    )

    assert b"".join(completed(encode_in_steps(request))) == encode_request(request)


@pytest.mark.parametrize("unit", ["a", "\n", "\x01", "é", "😀"])
@pytest.mark.parametrize("times", [4, 8])
def test_a_long_text_is_spelled_part_by_part(unit, times):
    request = MessagesRequest(
        model="m", max_tokens=1, messages=(Message("user", unit * (times * STEP_SIZE)),), system="s"
    )
    pieces = completed(encode_in_steps(request))

    assert max(map(len, pieces)) <= 6 * STEP_SIZE
    assert sum(1 for _ in encode_in_steps(request)) == times + 1  # and the system prompt


@pytest.mark.parametrize("content", ["", "a" * 100, "a" * STEP_SIZE], ids=len)
def test_many_messages_are_spelled_a_few_at_a_time(content):
    messages = (Message("user", content),) * (50 if len(content) == STEP_SIZE else 20_000)
    pieces = completed(encode_in_steps(MessagesRequest(model="m", max_tokens=1, messages=messages)))

    assert max(map(len, pieces)) <= 2 * STEP_SIZE + 100


@pytest.mark.parametrize("kind", ["content_block_delta", "content_block_start"])
def test_a_long_event_is_read_like_a_short_one(kind):
    name = "delta" if kind == "content_block_delta" else "content_block"
    block = {"type": "text", "text": "a\n😀" * STEP_SIZE, "citations": ["x" * STEP_SIZE]}
    event = completed(decode_event_in_steps(msgspec.json.encode({"type": kind, name: block})))

    assert getattr(event, name) == ContentBlock("text", "a\n😀" * STEP_SIZE)


def test_a_long_event_of_a_type_unknown_to_us_says_nothing():
    data = msgspec.json.encode(
        {"type": "not_invented_yet", "text": "a" * STEP_SIZE, "list": [1] * 9999}
    )

    assert decode_event(data) == IgnoredEvent()


def test_a_long_answer_is_read_like_a_short_one_piece_by_piece():
    text = "a\n😀" * (2 * STEP_SIZE)
    content = [{"type": "thinking", "thinking": text}, {"type": "text", "text": text}]
    body = msgspec.json.encode({"id": "msg_1", "content": content, "stop_reason": "end_turn"})

    assert decode_message(body) == AnsweredMessage(
        id="msg_1",
        content=(ContentBlock("thinking"), ContentBlock("text", text)),
        stop_reason="end_turn",
    )
    assert sum(1 for _ in decode_message_in_steps(body)) >= len(body) // STEP_SIZE


def test_an_answer_that_is_long_without_a_long_text_is_the_upstreams_fault():
    body = b'{"id":"m","content":[' + b'{"type":"text"},' * 20_000 + b"{}]}"

    with pytest.raises(UpstreamProtocolError, match="message: without texts of 256 characters"):
        decode_message(body)


@pytest.mark.parametrize(
    "count",
    [
        *(b"18446744073709551616", b"-9223372036854775809", b"9007199254740993", b"-1", b"1e30"),
        *(b"1e400", b"1" + b"0" * 30, b"9" * 5000, b'"7"', b"true", b"{}", b"[" * 90 + b"]" * 90),
        b"[%b0]" % (b"0," * 50_000),
    ],
    ids=lambda count: count[:20].decode(),
)
def test_a_count_of_tokens_that_nobody_can_have_meant_costs_no_answer(count: bytes):
    usage = b'{"input_tokens":%b,"output_tokens":7}' % count
    message = decode_message(b'{"id":"m","content":[],"usage":%b}' % usage)
    event = decode_event(b'{"type":"message_delta","delta":{},"usage":%b}' % usage)

    assert message.usage == Usage(None, 7)
    assert isinstance(event, MessageDelta)
    assert event.usage == Usage(None, 7)


@pytest.mark.parametrize("count", [0, 7, 1.5, 2**53])
def test_a_count_of_tokens_is_kept(count: float):
    event = decode_event(
        b'{"type":"message_delta","delta":{},"usage":{"output_tokens":%b}}'
        % (json.dumps(count).encode())
    )

    assert isinstance(event, MessageDelta)
    assert event.usage == Usage(None, count)


@pytest.mark.parametrize("usage", [b"null", b"[]", b"5", b'"much"', b"[1,2]"])
def test_usage_that_is_none_costs_no_answer(usage: bytes):
    assert decode_message(b'{"id":"m","content":[],"usage":%b}' % usage).usage is None


@pytest.mark.parametrize(
    ("field", "most"),
    [("id", 256), ("model", 256), ("stop_reason", 256), ("stop_sequence", 4096)],
)
def test_a_word_that_is_longer_than_any_is_no_answer(field, most):
    def said(word: str) -> bytes:
        return json.dumps({"id": "msg_1", "content": [], field: word}).encode()

    decode_message(said("a" * most))
    for length in (most + 1, 3 * STEP_SIZE):
        with pytest.raises(UpstreamProtocolError, match=f"{field}: expected at most {most}"):
            decode_message(said("a" * length))
        start = b'{"type":"message_start","message":%b}' % said("a" * length)
        with pytest.raises(UpstreamProtocolError, match=f"{field}: expected at most {most}"):
            decode_event(start)


@pytest.mark.parametrize(("field", "most"), [("stop_reason", 256), ("stop_sequence", 4096)])
def test_an_end_has_no_longer_words_either(field, most):
    def end(length: int) -> bytes:
        return b'{"type":"message_delta","delta":{"%b":"%b"}}' % (field.encode(), b"a" * length)

    decode_event(end(most))
    with pytest.raises(UpstreamProtocolError, match=f"{field}: expected at most {most}"):
        decode_event(end(most + 1))


@pytest.mark.parametrize("length", [16 * 1024 + 1, 3 * STEP_SIZE])
def test_of_an_error_as_much_is_read_as_somebody_would(length):
    said = b'{"type":"error","error":{"type":"%b","message":"%b"}}'
    failed: Any = decode_event(said % (b"a" * length, b"b" * length))
    details = b'{"type":"message_delta","delta":{"stop_details":{"explanation":"%b"}}}'
    refused: Any = decode_event(details % (b"b" * length))

    assert failed.error.type == ""
    assert failed.error.message == "b" * 16 * 1024 + "..."
    assert refused.delta.stop_details.explanation == failed.error.message
