import json

import pytest

from translators.models import Capabilities, Sampling, Thinking
from translators.refusal_lessons import learn


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
    ],
)
def test_known_words_teach(message: str, lesson: Capabilities):
    assert learn(refusal(message)) == lesson


@pytest.mark.parametrize(
    "body",
    [
        refusal("messages: text content blocks must be non-empty"),
        refusal("prompt is too long: 208310 tokens > 200000 maximum"),
        refusal("He said: `temperature` is deprecated for this model."),
        refusal(
            f"max_tokens: 9 > {'1' * 5_000}, which is the maximum allowed number of output tokens"
        ),
        b"<html>",
        b"",
    ],
)
def test_other_words_teach_nothing(body: bytes):
    assert learn(body) is None
