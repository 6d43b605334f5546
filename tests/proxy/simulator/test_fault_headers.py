import json
from dataclasses import fields

import pytest

import proxy.simulator
from proxy.simulator.faults.fault_headers import HEADERS, PARSERS, SimulateOptions
from tests.proxy.simulator.harness import (
    HEADERS as RIGHT,
)
from tests.proxy.simulator.harness import (
    ask,
    deltas,
    events,
    question,
    refusal,
    stream,
    text_of,
    turns,
)


def test_every_header_has_a_parser_and_a_place_in_the_docstring():
    assert set(PARSERS) == {field.name for field in fields(SimulateOptions)}
    listed = {line.split()[0] for line in proxy.simulator.__doc__.split("\n") if "    s" in line}
    assert set(HEADERS) <= listed


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("nonsense", "1", "no such header in this simulator"),
        ("is-error", "1", "no such header in this simulator"),
        ("text", "no quotes", "expected a JSON string"),
        ("deltas", '["a", 1]', "expected a JSON array of strings"),
        ("blocks", "[1]", "expected a JSON array of strings and content blocks"),
        ("stop-details", "[]", "expected a JSON object"),
        ("blocks-before", "thinking,x", "expected one of thinking, redacted_thinking, fallback, "
         "unknown"),
        ("empty", "yes", "expected 0 or 1"),
        ("should-retry", "1", "expected one of true, false"),
        ("newline", "nl", "expected one of lf, crlf, cr"),
        ("pings", "-1", "expected a whole number from 0"),
        ("delta-size", "0", "expected a whole number from 1"),
        ("error", "200", "expected a whole number from 400 to 599"),
        ("error", "600", "expected a whole number from 400 to 599"),
        ("delay-events", "60001", "expected a whole number from 0 to 60000"),
    ],
)  # fmt: skip
def test_an_unknown_or_invalid_header_is_refused(url, name, value, complaint):
    response = ask(url, headers=RIGHT | {f"simulate-{name}": value})

    assert refusal(response) == (400, f"simulate-{name}: {complaint}")


def test_a_header_sent_twice_is_refused(url):
    response = ask(url, headers=RIGHT | {"simulate-empty": "0", "Simulate-Empty": "1"})

    assert refusal(response) == (400, "simulate-empty: sent twice")


def test_a_malformed_request_is_refused_before_anything_is_simulated(url):
    assert refusal(ask(url, question(messages=[]), error="529"))[0] == 400


def test_any_text_can_be_set(url):
    text = 'a "quoted" line\n\u2028\x00\x85 😀 end'

    assert text_of(ask(url, text=json.dumps(text))) == text


def test_an_empty_text_makes_an_empty_content(url):
    assert ask(url, text='""').json()["content"] == []


def test_deltas_can_be_set(url):
    assert deltas(stream(url, deltas='["a", "", "b"]')) == ["a", "", "b"]
    assert text_of(ask(url, deltas='["a", "", "b"]')) == "ab"


def test_deltas_can_be_of_any_size(url):
    assert deltas(stream(url, text='"abcde"', delta_size="2")) == ["ab", "cd", "e"]


def test_an_answer_can_be_repeated(url):
    body = question(max_tokens=64_000)

    assert text_of(ask(url, body, text='"ab "', repeat="9000")) == "ab " * 9_000
    assert deltas(stream(url, body, deltas='["a", "b"]', repeat="2")) == ["a", "b", "a", "b"]


def test_blocks_can_be_set(url):
    blocks = json.dumps(["one", {"type": "novelty", "x": 1}, "two", ""])

    assert ask(url, blocks=blocks).json()["content"] == [
        {"type": "text", "text": "one"},
        {"type": "novelty", "x": 1},
        {"type": "text", "text": "two"},
        {"type": "text", "text": ""},
    ]
    assert deltas(stream(url, blocks=blocks)) == ["one", "two"]


def test_a_stop_in_one_block_drops_the_blocks_after_it(url):
    blocks = json.dumps(["one", {"type": "novelty"}, "two END", "three"])

    message = ask(url, question(stop_sequences=["END"]), blocks=blocks).json()

    assert [block.get("text") for block in message["content"]] == ["one", None, "two "]


def test_a_prefill_can_be_echoed_in_several_deltas(url):
    body = question(messages=turns("Name a bird.", "A bird that"))

    answer = deltas(stream(url, body, echo_prefill="1", text='" sings"', delta_size="4"))

    assert answer == ["A bi", "rd t", "hat", " sin", "gs"]


def test_an_echo_without_prefill_repeats_the_interrupted_turn(url):
    asked = (
        "Your previous response was interrupted and ended with `x`. "
        "Continue from where you left off."
    )
    messages = turns("Name a bird.", "A bird that", asked)
    body = question(model="claude-opus-4-8", messages=messages)

    assert text_of(ask(url, body, echo_prefill="1", text='" sings"')) == "A bird that sings"


def test_nothing_is_echoed_without_a_prefill(url):
    assert text_of(ask(url, echo_prefill="1", text='"x"')) == "x"


def test_the_number_of_thinking_tokens_can_be_set(url):
    body = question(model="claude-fable-5-2")

    short = ask(url, body, thinking_tokens="3").json()
    none = ask(url, body, thinking_tokens="0").json()

    assert short["usage"]["output_tokens_details"] == {"thinking_tokens": 3}
    assert [block["type"] for block in none["content"]] == ["text"]


@pytest.mark.parametrize("reason", ["pause_turn", "model_context_window_exceeded", "invented"])
def test_any_stop_reason_can_be_set(url, reason):
    message = ask(url, stop_reason=reason).json()

    assert (message["stop_reason"], message["stop_details"]) == (reason, None)


def test_a_refusal_has_stop_details(url):
    message = ask(url, stop_reason="refusal", text='""').json()

    assert message["content"] == []
    assert message["stop_details"] == {
        "type": "refusal",
        "category": "cyber",
        "explanation": "This request was declined because it could enable cyber harm.",
    }


def test_stop_details_can_be_set(url):
    message = ask(url, stop_details='{"type": "refusal", "category": null}').json()

    assert message["stop_reason"] == "end_turn"
    assert message["stop_details"] == {"type": "refusal", "category": None}


def test_a_stop_sequence_can_be_set(url):
    message = ask(url, stop_sequence='"\\n\\nHuman:"').json()

    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "\n\nHuman:")


def test_unknown_events_follow_message_start_and_each_block(url):
    names = [name for name, _ in events(stream(url, text='"x"', unknown_events="1"))]

    assert names == [
        "message_start",
        "weather_report",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "weather_report",
        "message_delta",
        "message_stop",
    ]


def test_a_whole_answer_can_replace_a_stream_and_vice_versa(url):
    assert text_of(stream(url, form="whole")).startswith("You said")
    assert "".join(deltas(ask(url, form="stream"))).startswith("You said")
