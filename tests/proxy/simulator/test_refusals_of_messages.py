import pytest

from proxy.simulator import create_simulator
from tests.proxy.simulator.harness import HEADERS, ask, question, refusal, turns
from tests.servers import serving

PREFILL = (
    "This model does not support assistant message prefill. "
    "The conversation must end with a user message."
)
NOT_EMPTY = (
    "all messages must have non-empty content except for the optional final assistant message"
)


def said(role, content):
    return question(messages=[{"role": role, "content": content}])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (question(max_tokens=None), "max_tokens: Field required"),
        (question(model=None), "model: Field required"),
        (question(messages=None), "messages: Field required"),
        (question(prompt="x"), "prompt: Extra inputs are not permitted"),
        (question(max_tokens_to_sample=5), "max_tokens_to_sample: Extra inputs are not permitted"),
        (question(metadata={"x": 1}), "metadata.x: Extra inputs are not permitted"),
        (
            question(messages=[{"role": "user", "content": "x", "name": "y"}]),
            "messages.0.name: Extra inputs are not permitted",
        ),
        (
            said("user", [{"type": "text", "text": "x", "color": "red"}]),
            "messages.0.content.0.color: Extra inputs are not permitted",
        ),
        (
            question(thinking={"type": "between_tools", "display": "omitted"}),
            "thinking.display: Extra inputs are not permitted",
        ),
    ],
)
def test_unknown_and_missing_fields_are_refused(url, body, expected):
    assert refusal(ask(url, body)) == (400, expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": 5}, "model: Input should be a valid string"),
        ({"model": ""}, "model: String should have at least 1 character"),
        (
            {"metadata": {"user_id": "x" * 513}},
            "metadata.user_id: String should have at most 512 characters",
        ),
        ({"max_tokens": "10"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        (
            {"max_tokens": 1.5},
            "max_tokens: Input should be a valid integer, got a number with a fractional part",
        ),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"temperature": True}, "temperature: Input should be a valid number"),
        ({"temperature": -5.0}, "temperature: range: 0..1"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"top_p": -1}, "top_p: range: 0..1"),
        ({"top_k": -1}, "top_k: Input should be greater than or equal to 0"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
        ({"stop_sequences": [1]}, "stop_sequences.0: Input should be a valid string"),
        ({"metadata": []}, "metadata: Input should be a valid dictionary"),
        ({"service_tier": "gold"}, "service_tier: Input should be 'auto' or 'standard_only'"),
        ({"system": 5}, "system: Input should be a valid list"),
        ({"thinking": {}}, "thinking.type: Field required"),
        (
            {"thinking": {"type": "hard"}},
            "thinking: Input tag 'hard' found using 'type' does not match any of the expected "
            "tags: 'enabled', 'adaptive', 'disabled', 'between_tools'",
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 5}},
            "thinking.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (
            {"output_config": {"effort": "huge"}},
            "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
        ),
        (
            {"tool_choice": {"type": "all"}},
            "tool_choice: Input tag 'all' found using 'type' does not match any of the expected "
            "tags: 'auto', 'any', 'tool', 'none'",
        ),
        (
            {"messages": [{"role": "Human", "content": "x"}]},
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
    ],
)
def test_an_invalid_field_is_refused_with_its_path(url, change, expected):
    assert refusal(ask(url, question(**change))) == (400, expected)


def test_an_integer_may_be_written_as_a_float(url):
    assert ask(url, question(max_tokens=30.0)).status_code == 200


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_the_newest_version_refuses_sampling_fields(url, name):
    headers = HEADERS | {"anthropic-version": "2026-10-21"}
    body = {**question(), name: 1}

    expected = f"{name}: Extra inputs are not permitted"
    assert refusal(ask(url, body, headers)) == (400, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (question(messages=[]), "messages: at least one message is required"),
        (said("user", ""), f"messages.0: {NOT_EMPTY}"),
        (said("user", []), f"messages.0: {NOT_EMPTY}"),
        (question(messages=turns("x", "", "y")), f"messages.1: {NOT_EMPTY}"),
        (
            said("user", [{"type": "text", "text": ""}]),
            "messages: text content blocks must be non-empty",
        ),
        (said("user", " \n"), "messages: text content blocks must contain non-whitespace text"),
        (question(system=""), "system: text content blocks must be non-empty"),
        (question(system="\n"), "system: text content blocks must contain non-whitespace text"),
        (
            question(system=[{"type": "text", "text": ""}]),
            "system: text content blocks must be non-empty",
        ),
        (
            question(stop_sequences=["x", ""]),
            "stop_sequences: each stop sequence must be non-empty",
        ),
        (
            question(stop_sequences=["\n\n"]),
            "stop_sequences: each stop sequence must contain non-whitespace",
        ),
        (
            question(messages=turns("x", "Sure: ")),
            "messages: final assistant content cannot end with trailing whitespace",
        ),
    ],
)
def test_empty_and_blank_text_is_refused(url, body, expected):
    assert refusal(ask(url, body)) == (400, expected)


def test_repeated_roles_and_an_assistant_first_are_accepted(url):
    same = [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]
    first = [{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}]

    assert ask(url, question(messages=same)).status_code == 200
    assert ask(url, question(messages=first)).status_code == 200


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["assistant", "user"], 'messages: first message must use the "user" role'),
        (
            ["user", "user"],
            'messages: roles must alternate between "user" and "assistant", '
            'but found multiple "user" roles in a row',
        ),
    ],
)
def test_strict_alternation_refuses_repeated_roles_and_an_assistant_first(url, roles, expected):
    body = question(messages=[{"role": role, "content": "x"} for role in roles])

    assert refusal(ask(url, body, strict_alternation="1")) == (400, expected)
    with serving(create_simulator(strict_alternation=True)) as strict_url:
        assert refusal(ask(strict_url, body)) == (400, expected)


def test_strict_alternation_accepts_alternating_turns(url):
    body = question(messages=turns("x", "y", "z"))

    assert ask(url, body, strict_alternation="1").status_code == 200


def test_the_max_tokens_error_names_the_requested_model(url):
    expected = (
        "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens "
        "for claude-haiku-4-5"
    )
    assert refusal(ask(url, question(max_tokens=100_000))) == (400, expected)


@pytest.mark.parametrize("change", [{"stream": True}, {"thinking": {"type": "disabled"}}])
def test_zero_max_tokens_excludes_streaming_and_thinking(url, change):
    assert refusal(ask(url, question(max_tokens=0, **change)))[0] == 400


def test_a_prompt_longer_than_the_window_is_refused(url):
    expected = "prompt is too long: 200004 tokens > 200000 maximum"
    assert refusal(ask(url, question("x" * 800_000))) == (400, expected)


@pytest.mark.parametrize(
    "model",
    [
        "claude-2",
        "claude-2.1",
        "claude-instant-1",
        "claude-3-opus-20240229",
        "claude-opus-4-1",
        "x",
    ],
)
def test_a_retired_or_unknown_model_is_not_found(url, model):
    response = ask(url, question(model=model))

    assert refusal(response) == (404, f"model: {model}")
    assert response.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("role_at", [0, 1])
def test_a_system_turn_is_refused_first_and_by_some_models(url, role_at):
    messages = turns("x", "y")
    messages.insert(role_at, {"role": "system", "content": "z"})
    messages.append({"role": "user", "content": "w"})

    expected = f"messages.{role_at}.role: Input should be 'user' or 'assistant'"
    assert refusal(ask(url, question(messages=messages))) == (400, expected)
    newer = ask(url, question(messages=messages, model="claude-opus-4-8"))
    assert newer.status_code == (400 if role_at == 0 else 200)


@pytest.mark.parametrize(
    "model",
    [
        "claude-opus-4-6",
        "claude-sonnet-4-6",
        "claude-opus-4-7",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-sonnet-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
        "claude-fable-5",
        "claude-fable-5-1",
        "claude-fable-5-2",
        "claude-mythos-preview",
        "claude-mythos-5",
        "claude-mythos-5-1",
        "claude-mythos-5-2",
    ],
)
@pytest.mark.parametrize("prefill", ["{", "", "Sure: "])
def test_models_since_4_6_refuse_a_prefill(url, model, prefill):
    body = question(model=model, messages=turns("x", prefill))

    assert refusal(ask(url, body)) == (400, PREFILL)


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"])
def test_the_4_5_models_accept_a_prefill_without_thinking(url, model):
    body = question(model=model, messages=turns("x", "{"), max_tokens=2_000)
    thinking = {"type": "enabled", "budget_tokens": 1_024}

    assert ask(url, body).status_code == 200
    assert refusal(ask(url, body | {"thinking": thinking})) == (400, PREFILL)
