import json

import pytest

from translators.models.catalogue import Capabilities, Sampling, Thinking
from translators.refusal_lessons import Lesson, learn, learn_gone, refuses_user_id


def refusal(message: str) -> bytes:
    error = {"type": "invalid_request_error", "message": message}
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()


@pytest.mark.parametrize(
    ("message", "lesson"),
    [
        (
            "This model does not support assistant message prefill. The conversation must end with"
            " a user message.",
            Capabilities(prefill=False),
        ),
        ("`temperature` is deprecated for this model.", Capabilities(sampling=Sampling.NONE)),
        ("`top_p` is deprecated for this model.", Capabilities(sampling=Sampling.NONE)),
        ("`top_k` is deprecated for this model.", Capabilities(sampling=Sampling.NONE)),
        (
            "`temperature` and `top_p` cannot both be specified for this model. Please use only"
            " one.",
            Capabilities(sampling=Sampling.ONE_OF),
        ),
        ("top_p: Extra inputs are not permitted", Capabilities(sampling=Sampling.NONE)),
        (
            "max_tokens: 1000000 > 64000, which is the maximum allowed number of output tokens for"
            " claude-sonnet-4-20250514",
            Capabilities(max_output_tokens=64_000),
        ),
        (
            '"thinking.type.disabled" is not supported for this model. Use "thinking.type.adaptive"'
            ' and "output_config.effort" to control thinking behavior.',
            Capabilities(thinking=Thinking.ALWAYS),
        ),
        (
            '"thinking.type.between_tools" is not supported for this model.',
            Capabilities(thinking=Thinking.ALWAYS),
        ),
        (
            'To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead'
            ' of {"type": "disabled"}.',
            Capabilities(thinking=Thinking.BETWEEN_TOOLS),
        ),
        (
            "This model does not support the effort parameter.",
            Capabilities(thinking=Thinking.OFF),
        ),
        (
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."
            " Please consult our documentation.",
            Capabilities(sampling=Sampling.NONE),
        ),
        ("temperature is deprecated for this model.", Capabilities(sampling=Sampling.NONE)),
        (
            "thinking: Input tag 'between_tools' found using 'type' does not match any of the"
            " expected tags: 'adaptive', 'disabled', 'enabled'",
            Capabilities(thinking=Thinking.ON),
        ),
        ("thinking: Extra inputs are not permitted", Capabilities(thinking=Thinking.OFF)),
        (
            "output_config.effort: Extra inputs are not permitted",
            Capabilities(thinking=Thinking.OFF),
        ),
    ],
)
def test_known_words_teach(message: str, lesson: Capabilities):
    known, quoted = Lesson(lesson, is_quoted=False), Lesson(lesson, is_quoted=True)

    assert learn(refusal(message)) == known
    assert learn(json.dumps({"message": message}).encode()) == known
    assert learn(json.dumps([{"error": {"code": 400, "message": message}}]).encode()) == known
    assert learn(refusal(f"The model returned the following errors: {message}")) == quoted
    wrapped = refusal(message).decode()
    assert learn(refusal(f"litellm.BadRequestError: AnthropicException - {wrapped}")) == quoted
    assert learn(refusal(f"litellm.BadRequestError: AnthropicException - b'{wrapped}'")) == quoted
    assert learn(refusal(f"BadRequestError: {message}")) == quoted


@pytest.mark.parametrize(
    "front",
    [
        "An error occurred (ValidationException) when calling the InvokeModel operation: ",
        "An error occurred (ValidationException) when calling the Converse operation: The model"
        " returned the following errors: ",
        "Error code: 400 - ",
        "Provider returned error: ",
        "400 ",
        "litellm.BadRequestError: VertexAIException BadRequestError - ",
        "litellm.BadRequestError: AnthropicException - Error code: 400 - ",
        "Upstream error from Anthropic: ",
        "Error from provider (Anthropic): ",
        "[anthropic] ",
        "API Error: 400 ",
        "Anthropic API error: ",
        "invalid_request_error: ",
    ],
)
def test_known_words_teach_behind_what_sdks_and_gateways_put_in_front(front: str):
    message = "`temperature` is deprecated for this model."
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    lesson = Lesson(Capabilities(sampling=Sampling.NONE), is_quoted=True)

    assert learn(refusal(f"{front}{message}")) == lesson
    assert learn(refusal(f"{front}{json.dumps(error)}. Received Model Group=a")) == lesson
    assert learn(refusal(f"{front}{error}")) == lesson


def test_known_words_teach_behind_a_gateway_s_words_about_a_cloud_s():
    said = "The model returned the following errors: `temperature` is deprecated for this model."
    lesson = Lesson(Capabilities(sampling=Sampling.NONE), is_quoted=True)

    for inner in (json.dumps({"message": said}), str({"message": said})):
        assert learn(refusal(f"litellm.BadRequestError: BedrockException - {inner}")) == lesson


def test_words_in_too_many_wrappings_teach_nothing():
    message = "`temperature` is deprecated for this model."
    for _ in range(4):
        message = f"Error: {json.dumps({'message': message})}"

    assert learn(refusal(message)) is None


@pytest.mark.parametrize("front", ["refused text: ", "Content policy: ", "anthropic-beta: ", '"'])
def test_words_that_a_client_may_have_written_teach_nothing(front: str):
    assert learn(refusal(f"{front}`temperature` is deprecated for this model.")) is None
    assert learn(refusal(f"{front}This model does not support assistant message prefill.")) is None


def test_a_limit_that_no_model_has_is_not_believed():
    words = "which is the maximum allowed number of output tokens"

    assert learn(refusal(f"max_tokens: 9 > 1, {words}")) is None
    assert learn(refusal(f"max_tokens: 9000 > 4096, {words}")) is not None


@pytest.mark.parametrize(
    ("message", "is_named"),
    [
        ("model: claude-sonnet-4-6", True),
        ("The model 'claude-sonnet-4-6' does not exist.", True),
        ("litellm.NotFoundError: model: claude-sonnet-4-6.", True),
        ("model: claude-sonnet-4-6-20260217", False),
        ("model: my-claude-sonnet-4-6", False),
        ("model: claude-sonnet-4", False),
        ("Not Found", False),
        ("", False),
    ],
)
def test_a_model_is_gone_if_a_404_names_it(message: str, is_named: bool):
    gone = Lesson(Capabilities(available=False), is_quoted=False) if is_named else None

    assert learn_gone(refusal(message), "claude-sonnet-4-6") == gone


@pytest.mark.parametrize(
    ("message", "refuses"),
    [
        (
            "metadata.user_id: user_id appears to contain an email address. Please send a uuid",
            True,
        ),
        ("metadata.user_id: user_id appears to contain a phone number.", True),
        ("metadata.user_id: String should have at most 256 characters", True),
        ("metadata.user_id: Input should be a valid string", False),
    ],
)
def test_a_user_id_that_is_personal_or_too_long_is_known_by_its_refusal(
    message: str, refuses: bool
):
    assert refuses_user_id(refusal(message)) == refuses


@pytest.mark.parametrize(
    "body",
    [
        refusal("messages: text content blocks must be non-empty"),
        refusal("prompt is too long: 208310 tokens > 200000 maximum"),
        refusal("`seed` is deprecated for this model."),
        refusal("BadRequestError: `seed` is deprecated for this model."),
        refusal('BadRequestError: {"error": {"message": "no such thing"}}'),
        refusal(
            f"max_tokens: 9 > {'1' * 5_000}, which is the maximum allowed number of output tokens"
        ),
        b"<html>",
        b"",
    ],
)
def test_other_words_teach_nothing(body: bytes):
    assert learn(body) is None
