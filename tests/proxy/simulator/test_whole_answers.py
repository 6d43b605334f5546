import json
import re

import pytest

from tests.proxy.simulator.harness import ask, question, text_of, turns

EDGE = {"cf-ray", "cf-cache-status", "via", "x-robots-tag", "set-cookie", "server-timing"}


def test_an_answer_has_the_recorded_shape(url):
    message = ask(url).json()

    assert re.fullmatch("msg_01[1-9A-HJ-NP-Za-km-z]{22}", message.pop("id"))
    assert list(message) == [
        "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage",
    ]  # fmt: skip
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [
            {
                "type": "text",
                "text": 'You said "Hello there" and this is what the simulator answers, '
                "in several deltas.",
            }
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 7,
            "output_tokens": 15,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
            "inference_geo": "not_available",
        },
    }


def test_an_answer_has_the_headers_of_the_api_and_the_edge(url):
    headers = ask(url).headers

    assert headers["content-type"] == "application/json"
    assert re.fullmatch("req_01[1-9A-HJ-NP-Za-km-z]{22}", headers["request-id"])
    assert headers["anthropic-organization-id"]
    assert headers["anthropic-ratelimit-input-tokens-reset"] == "2026-11-22T00:01:00Z"
    assert headers["server"].endswith("cloudflare")
    assert set(headers) >= EDGE


def test_no_two_answers_share_an_id(url):
    first, second = ask(url), ask(url)

    assert first.json()["id"] != second.json()["id"]
    assert first.headers["request-id"] != second.headers["request-id"]


def test_a_model_without_an_alias_is_answered_with_its_own_name(url):
    assert ask(url, question(model="claude-opus-4-8")).json()["model"] == "claude-opus-4-8"


def test_the_answer_quotes_only_the_beginning_of_a_long_question(url):
    assert 'You said "' + "x" * 200 + '" and' in text_of(ask(url, question("x" * 5_000)))


def test_text_blocks_are_read_like_a_string(url):
    blocks = [{"type": "text", "text": "Hel"}, {"type": "image", "source": {}}]
    blocks.append({"type": "text", "text": "lo"})
    body = question(messages=[{"role": "user", "content": blocks}], system=blocks[:1])

    assert text_of(ask(url, body)).startswith('You said "Hello"')


def test_a_prefill_is_continued_and_not_repeated(url):
    body = question(messages=turns("Name a bird.", "A bird that"))

    assert text_of(ask(url, body)) == (
        ' and so on, continuing what was begun in answer to "Name a bird." until it is said.'
    )


@pytest.mark.parametrize("prefill", ["{", "```json\n{"])
def test_a_prefill_that_opens_a_json_object_is_completed(url, prefill):
    body = question(messages=turns('Say "hi".', prefill))

    whole = json.loads("{" + text_of(ask(url, body)))

    assert whole == {"answer": 'You said Say "hi".', "continued": True}


def test_the_documented_phrase_makes_a_model_continue_its_last_turn(url):
    asked = (
        "Your previous response was interrupted and ended with `A bird that`. "
        "Continue from where you left off."
    )
    body = question(model="claude-opus-4-8", messages=turns("Name a bird.", "A bird that", asked))

    assert text_of(ask(url, body)).startswith(
        ' and so on, continuing what was begun in answer to "Name a bird."'
    )


def test_the_documented_phrase_alone_is_enough_to_continue(url):
    asked = (
        "Your previous response was interrupted and ended with `{`. "
        "Continue from where you left off."
    )

    assert text_of(ask(url, question(asked))).startswith('"answer":')


def test_a_conversation_of_one_assistant_turn_has_no_question_to_quote(url):
    body = question(messages=[{"role": "assistant", "content": "Once"}])

    assert 'in answer to ""' in text_of(ask(url, body))


def test_an_empty_final_assistant_turn_is_not_a_prefill(url):
    assert text_of(ask(url, question(messages=turns("Hi", "")))).startswith('You said "Hi"')


def test_zero_max_tokens_gives_an_empty_answer(url):
    message = ask(url, question(max_tokens=0)).json()

    assert message["content"] == []
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 0


def test_max_tokens_cuts_the_text(url):
    message = ask(url, question(max_tokens=3), text='"one two three four"').json()

    assert message["content"] == [{"type": "text", "text": "one two three"}]
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 3


def test_a_text_of_exactly_max_tokens_ends_the_turn(url):
    message = ask(url, question(max_tokens=3), text='"one two three"').json()

    assert message["stop_reason"] == "end_turn"


def test_a_full_context_window_ends_the_text(url):
    body = question("x" * 799_950, model="claude-haiku-4-5", max_tokens=64_000)

    message = ask(url, body, text='"a b c d e f g h i j k l m n o p q"').json()

    assert message["stop_reason"] == "model_context_window_exceeded"
    assert message["content"] == [{"type": "text", "text": "a b c d e f g h"}]


def test_a_stop_sequence_ends_the_text_before_it_and_is_echoed(url):
    body = question(stop_sequences=["nowhere", "END"])

    message = ask(url, body, text='"alpha\\nEND beta"').json()

    assert message["content"] == [{"type": "text", "text": "alpha\n"}]
    assert message["stop_reason"] == "stop_sequence"
    assert message["stop_sequence"] == "END"


def test_the_stop_sequence_completed_first_wins(url):
    body = question(stop_sequences=["abcd", "bc"])

    message = ask(url, body, text='"xabcd"').json()

    assert message["content"] == [{"type": "text", "text": "xa"}]
    assert message["stop_sequence"] == "bc"


def test_a_stop_sequence_beyond_max_tokens_is_not_reached(url):
    body = question(stop_sequences=["four"], max_tokens=3)

    assert ask(url, body, text='"one two three four"').json()["stop_reason"] == "max_tokens"


def test_a_stop_at_the_first_token_leaves_no_content(url):
    message = ask(url, question(stop_sequences=["alpha"]), text='"alpha beta"').json()

    assert message["content"] == []
    assert message["stop_sequence"] == "alpha"


def test_default_thinking_is_a_block_without_text(url):
    message = ask(url, question(model="claude-opus-5")).json()

    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["content"][0]["thinking"] == ""
    assert message["content"][0]["signature"]
    assert message["usage"]["output_tokens_details"] == {"thinking_tokens": 480}
    assert message["usage"]["inference_geo"] == "global"


def test_thinking_can_use_all_of_max_tokens(url):
    message = ask(url, question(model="claude-fable-5-2", max_tokens=50)).json()

    assert [block["type"] for block in message["content"]] == ["thinking"]
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 50


@pytest.mark.parametrize(
    "change",
    [
        {"model": "claude-opus-5", "thinking": {"type": "disabled"}},
        {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}},
        {"model": "claude-fable-5-2", "output_config": {"effort": "low"}},
    ],
)
def test_little_thinking_leaves_tokens_for_text(url, change):
    assert text_of(ask(url, question(max_tokens=50, **change))).startswith("You said")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": "claude-opus-4-6", "thinking": {"type": "adaptive"}}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}, False),
        ({"model": "claude-opus-4-8", "thinking": {"type": "adaptive"}}, True),
        (
            {"model": "claude-opus-5", "thinking": {"type": "adaptive", "display": "summarized"}},
            False,
        ),
    ],
)
def test_the_display_setting_shows_or_hides_thinking(url, change, expected):
    content = ask(url, question(**{"max_tokens": 1000, **change})).json()["content"]

    assert (content[0]["thinking"] == "") is expected


def test_a_request_with_every_field_at_its_documented_value_is_answered(url):
    body = question(
        temperature=0.5,
        top_k=10,
        metadata={"user_id": None},
        service_tier="auto",
        stream=False,
        system="Be brief.",
        tools=[],
        tool_choice={"type": "auto"},
        container=None,
    )

    assert ask(url, body).status_code == 200
