import datetime

from proxy.simulator import create_simulator
from tests.proxy.simulator.harness import ask, deltas, events, question, stream, text_of
from tests.servers import serving

WHOLE = 'You said "Hello there" and this is what the simulator answers, in several deltas.'


def names(response):
    return [name for name, _ in events(response)]


def test_a_stream_runs_from_message_start_to_message_stop(url):
    response = stream(url, text='"one two three"')

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert names(response) == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert all(data["type"] == name for name, data in events(response))


def test_the_deltas_of_a_stream_join_to_the_text_of_a_whole_answer(url):
    assert "".join(deltas(stream(url))) == text_of(ask(url)) == WHOLE


def test_the_message_starts_empty_and_with_all_its_keys(url):
    _, started = events(stream(url))[0]

    message = started["message"]
    assert (message["content"], message["stop_reason"], message["stop_details"]) == ([], None, None)
    assert message["usage"]["output_tokens"] == 1
    assert message["usage"]["service_tier"] == "standard"


def test_message_delta_has_the_stop_reason_and_the_total_usage(url):
    body = question(stop_sequences=["two"])
    _, ended = events(stream(url, body, text='"one two"'))[-2]

    assert ended["delta"] == {
        "stop_reason": "stop_sequence",
        "stop_sequence": "two",
        "stop_details": None,
    }
    assert ended["usage"] == {
        "input_tokens": 7,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 2,
    }


def test_no_delta_contains_part_of_the_stop_sequence(url):
    body = question(stop_sequences=["\n\nHuman:"])

    assert deltas(stream(url, body, deltas='["Bye.\\n", "\\nHum", "an: ok"]')) == ["Bye."]


def test_json_is_compact_and_padded_except_in_a_ping(url):
    lines = stream(url).content.split(b"\n")

    assert b'data: {"type": "ping"}' in lines
    padded = [line for line in lines if line.startswith(b"data:") and line.endswith(b"  }")]
    assert padded
    assert b'data: {"type":"content_block_stop","index":0       }' in lines


def test_equal_requests_get_equal_bytes_except_ids(url):
    first, second = stream(url).content, stream(url).content

    assert first.split(b"\n\n")[1:] == second.split(b"\n\n")[1:]


def test_text_is_not_escaped_beyond_what_json_needs(url):
    content = stream(url, text='"caf\\u00e9 \\u2028 \\ud83d\\ude00"').content

    assert "\u2028" in content.decode()
    assert "😀" in content.decode()


def test_an_empty_answer_has_no_block_events_and_no_ping(url):
    assert names(stream(url, empty="1")) == ["message_start", "message_delta", "message_stop"]


def test_omitted_thinking_is_only_a_signature_delta(url):
    body = question(model="claude-sonnet-5", max_tokens=1000)
    sent = [data for _, data in events(stream(url, body))]

    assert sent[1]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert sent[2] == {"type": "ping"}
    assert sent[3]["delta"]["type"] == "signature_delta"
    assert sent[4] == {"type": "content_block_stop", "index": 0}
    assert sent[5]["content_block"] == {"type": "text", "text": ""}
    assert sent[-2]["usage"]["output_tokens_details"] == {"thinking_tokens": 480}


def test_summarized_thinking_precedes_its_signature(url):
    thinking = {"type": "adaptive"}
    body = question(model="claude-opus-4-6", max_tokens=1000, thinking=thinking)
    sent = [data for _, data in events(stream(url, body))]

    kinds = [data["delta"]["type"] for data in sent if data["type"] == "content_block_delta"]
    assert kinds[:2] == ["thinking_delta", "signature_delta"]


def test_redacted_and_unknown_blocks_are_sent_in_their_start_event(url):
    response = stream(url, blocks_before="redacted_thinking, fallback, unknown, thinking")
    starts = [data for name, data in events(response) if name == "content_block_start"]

    kinds = [data["content_block"]["type"] for data in starts]
    assert kinds == ["redacted_thinking", "fallback", "hologram", "thinking", "text"]
    assert [data["index"] for data in starts] == [0, 1, 2, 3, 4]


def test_the_number_of_pings_can_be_set(url):
    assert names(stream(url, pings="3")).count("ping") == 3
    assert names(stream(url, pings="0")).count("ping") == 0


def test_pings_can_be_turned_off():
    day = datetime.date(2026, 11, 22)
    with serving(create_simulator(today=day, ping_after_start=False)) as url:
        assert "ping" not in names(stream(url))
