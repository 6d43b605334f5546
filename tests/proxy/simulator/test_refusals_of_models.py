import datetime

import pytest

from proxy.simulator import create_simulator
from tests.proxy.simulator.harness import ask, question, refusal
from tests.servers import serving

ONE_OF = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
BY_EFFORT = (
    "is not supported for this model. "
    'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
)
DISABLED = {"type": "disabled"}
ADAPTIVE = {"type": "adaptive"}
BETWEEN_TOOLS = {"type": "between_tools"}
ENABLED = {"type": "enabled", "budget_tokens": 1_024}


@pytest.mark.parametrize(
    "model",
    [
        "claude-haiku-4-5",
        "claude-sonnet-4-5",
        "claude-opus-4-5",
        "claude-opus-4-6",
        "claude-sonnet-4-6",
    ],
)
def test_temperature_excludes_top_p(url, model):
    assert refusal(ask(url, question(model=model, temperature=1, top_p=1))) == (400, ONE_OF)
    assert ask(url, question(model=model, temperature=0.3, top_k=5)).status_code == 200
    assert ask(url, question(model=model, top_p=0.3)).status_code == 200


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-5-5", "claude-mythos-5-2"])
@pytest.mark.parametrize(
    ("change", "name"),
    [({"temperature": 0.99}, "temperature"), ({"top_p": 0.9}, "top_p"), ({"top_k": 0}, "top_k")],
)
def test_models_since_4_7_refuse_sampling_with_an_effect(url, model, change, name):
    expected = f"`{name}` is deprecated for this model."
    assert refusal(ask(url, question(model=model, **change))) == (400, expected)


@pytest.mark.parametrize("change", [{"temperature": 1.0, "top_p": 0.99}, {"top_p": 1}])
def test_models_since_4_7_accept_sampling_without_effect(url, change):
    assert ask(url, question(model="claude-opus-4-8", **change)).status_code == 200


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"top_p": 1}, "`top_p` is deprecated for this model."),
        ({"top_p": 0.99, "temperature": 1}, ONE_OF),
        ({"temperature": 0}, "`temperature` is deprecated for this model."),
    ],
)
def test_haiku_5_5_accepts_one_top_p_without_temperature(url, change, expected):
    assert refusal(ask(url, question(model="claude-haiku-5-5", **change))) == (400, expected)
    assert ask(url, question(model="claude-haiku-5-5", top_p=0.99)).status_code == 200


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"temperature": 0.5},
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode. "
            "Please consult our documentation at "
            "https://platform.claude.com/docs/en/build-with-claude/extended-thinking",
        ),
        ({"top_k": 5}, "`top_k` must be unset when thinking is enabled."),
        (
            {"top_p": 0.9},
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
        ),
    ],
)
def test_older_models_refuse_sampling_while_thinking(url, change, expected):
    body = question(model="claude-sonnet-4-6", thinking=ADAPTIVE)

    assert refusal(ask(url, body | change)) == (400, expected)
    assert ask(url, body | {"temperature": 1}).status_code == 200
    assert ask(url, body | {"top_p": 0.95}).status_code == 200


@pytest.mark.parametrize(
    ("model", "thinking", "expected"),
    [
        ("claude-opus-5-5", DISABLED, f'"thinking.type.disabled" {BY_EFFORT}'),
        (
            "claude-fable-5-2",
            DISABLED,
            '"thinking.type.disabled" is not supported for this model. Thinking defaults to '
            'adaptive mode when not specified; use "thinking.type.enabled" with "budget_tokens" '
            "for extended thinking.",
        ),
        (
            "claude-sonnet-5-5",
            DISABLED,
            'To turn thinking off on this model, send "thinking": {"type": "between_tools"} '
            'instead of {"type": "disabled"}. The model does not think before responding. '
            "The short updates it writes between tool calls come back as thinking blocks.",
        ),
        (
            "claude-opus-5",
            BETWEEN_TOOLS,
            '"thinking.type.between_tools" is not supported for this model.',
        ),
        ("claude-haiku-4-5", ADAPTIVE, "adaptive thinking is not supported on this model"),
        ("claude-opus-4-7", ENABLED, f'"thinking.type.enabled" {BY_EFFORT}'),
    ],
)
def test_an_unsupported_thinking_type_is_refused(url, model, thinking, expected):
    body = question(model=model, thinking=thinking, max_tokens=2_000)

    assert refusal(ask(url, body)) == (400, expected)


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-haiku-4-5", DISABLED),
        ("claude-haiku-4-5", ENABLED),
        ("claude-opus-4-6", ENABLED),
        ("claude-opus-4-6", ADAPTIVE),
        ("claude-opus-4-8", DISABLED),
        ("claude-opus-5", DISABLED),
        ("claude-haiku-5-5", DISABLED),
        ("claude-sonnet-5-5", BETWEEN_TOOLS),
        ("claude-fable-5", ADAPTIVE),
    ],
)
def test_a_supported_thinking_type_is_accepted(url, model, thinking):
    body = question(model=model, thinking=thinking, max_tokens=2_000)

    assert ask(url, body).status_code == 200


def test_a_thinking_budget_must_be_below_max_tokens(url):
    expected = (
        "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our "
        "documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
        "#max-tokens-and-context-window-size"
    )
    assert refusal(ask(url, question(thinking=ENABLED, max_tokens=1_024))) == (400, expected)


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-4-5"])
def test_models_without_effort_refuse_it(url, model):
    body = question(model=model, output_config={"effort": "low"})

    expected = "This model does not support the effort parameter."
    assert refusal(ask(url, body)) == (400, expected)


@pytest.mark.parametrize(
    ("model", "effort", "levels"),
    [
        ("claude-opus-4-5", "max", "high, low, medium"),
        ("claude-opus-4-5-20251101", "xhigh", "high, low, medium"),
        ("claude-sonnet-4-6", "xhigh", "high, low, max, medium"),
    ],
)
def test_a_level_of_effort_that_a_model_lacks_is_refused(url, model, effort, levels):
    body = question(model=model, output_config={"effort": effort})

    expected = f"This model does not support effort level '{effort}'. Supported levels: {levels}."
    assert refusal(ask(url, body)) == (400, expected)
    assert ask(url, body | {"output_config": {"effort": "high"}}).status_code == 200


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "search"}])
@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5-1", "claude-mythos-5-2"])
def test_models_that_always_think_cannot_be_made_to_use_a_tool(url, model, choice):
    body = question(model=model, tools=[{"name": "search"}], tool_choice=choice)

    expected = 'tool_choice: type "tool" and "any" are not supported for this model.'
    assert refusal(ask(url, body)) == (400, expected)
    assert ask(url, body | {"tool_choice": {"type": "auto"}}).status_code == 200
    assert ask(url, body | {"model": "claude-opus-5"}).status_code == 200


@pytest.mark.parametrize("effort", ["xhigh", "max"])
@pytest.mark.parametrize(
    ("model", "thinking"),
    [("claude-opus-5", DISABLED), ("claude-sonnet-5-5", BETWEEN_TOOLS)],
)
def test_high_effort_requires_thinking(url, effort, model, thinking):
    body = question(model=model, thinking=thinking, output_config={"effort": effort})

    expected = (
        f"output_config.effort '{effort}' is not supported when thinking is disabled on this "
        "model. Use effort 'high' or below, or enable thinking."
    )
    assert refusal(ask(url, body)) == (400, expected)
    assert ask(url, body | {"output_config": {"effort": "high"}}).status_code == 200


def test_a_model_is_served_until_its_retirement_date():
    for day, status in (("2026-11-29", 200), ("2026-11-30", 404)):
        with serving(create_simulator(today=datetime.date.fromisoformat(day))) as url:
            assert ask(url, question(model="claude-sonnet-4-5")).status_code == status


def test_models_before_4_accept_all_sampling_and_no_thinking():
    with serving(create_simulator(today=datetime.date(2025, 1, 1))) as url:
        model = "claude-3-opus-20240229"
        assert ask(url, question(model=model, temperature=0.1, top_p=0.1, top_k=3)).is_success
        assert refusal(ask(url, question(model=model, max_tokens=2_000, thinking=ENABLED))) == (
            400,
            '"thinking.type.enabled" is not supported for this model.',
        )


def test_the_date_defaults_to_today():
    with serving(create_simulator()) as url:
        assert ask(url, question(model="claude-3-opus-20240229")).status_code == 404
