"""
Learn a model's capabilities from the error message of a 400, and its end from that of a 404.

A table of models gets out of date, and an operator's may be wrong. The error
that follows names the feature that the model does not accept. This module knows
the texts that were recorded (messages-wire 1.3, 1.5, 1.7, 1.8; corrections
A14, B1 to B3), also without backticks, and behind the words that clouds and
gateways are known to put in front. Anywhere else in a message they teach
nothing, because an upstream may quote what a client has written. Any other text
teaches nothing, and the client gets the error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from translators.models.catalogue import Capabilities, Sampling, Thinking
from translators.wire.error_bodies import error_message

_SAMPLING: Final = "`?(?:temperature|top_p|top_k)`?"
_TEXTS: Final = tuple(
    (re.compile(text), lesson)
    for text, lesson in (
        (
            r"This model does not support assistant message prefill\.",
            Capabilities(prefill=False),
        ),
        (
            r"`?temperature`? and `?top_p`? cannot both be specified for this model",
            Capabilities(sampling=Sampling.ONE_OF),
        ),
        (_SAMPLING + r" is deprecated for this model", Capabilities(sampling=Sampling.NONE)),
        (
            _SAMPLING + r" may only be set to 1 when thinking is enabled or in adaptive mode",
            Capabilities(sampling=Sampling.NONE),
        ),
        (  # the error of an upstream that applies the newest API version to every request
            r"(?:temperature|top_p|top_k): Extra inputs are not permitted",
            Capabilities(sampling=Sampling.NONE),
        ),
        (
            r'To turn thinking off on this model, send "thinking": {"type": "between_tools"}',
            Capabilities(thinking=Thinking.BETWEEN_TOOLS),
        ),
        (
            r'"thinking\.type\.(?:disabled|between_tools)" is not supported for this model',
            Capabilities(thinking=Thinking.ALWAYS),
        ),
        (  # of an upstream that is older than the value
            r"thinking: Input tag 'between_tools'",
            Capabilities(thinking=Thinking.ON),
        ),
        (
            r"(?:thinking|output_config(?:\.\w+)*): Extra inputs are not permitted",
            Capabilities(thinking=Thinking.OFF),
        ),
        (
            r"This model does not support the effort parameter",
            Capabilities(thinking=Thinking.OFF),
        ),
    )
)
_LIMIT: Final = re.compile(
    r"max_tokens: \d+ > (?P<limit>\d{1,9}), which is the maximum allowed number of output tokens"
)
_LEAST_LIMIT: Final = 1024
"""No model writes fewer tokens; a lower limit is not believed."""
_IN_FRONT: Final = re.compile(
    # Bedrock's Converse; OpenRouter and other gateways; boto3; SDKs, which put the status first;
    # types of errors; the exceptions of litellm and of others, whose names end alike.
    r"(?:The model returned the following errors: "
    r"|(?:Upstream error|Error) from (?:provider )?\(?[\w .-]{1,64}\)?: "
    r"|\[[\w .-]{1,64}\] "
    r"|(?:[A-Za-z]{1,32} ){1,3}[Ee]rror: (?:\d{3} )?"
    r"|[a-z_]{1,64}_error: "
    r"|An error occurred \(\w{1,64}\) when calling the \w{1,64} operation: "
    r"|(?:Error code: )?\d{3}(?: - | )"
    r"|[A-Za-z_.]{0,64}(?:Error|Exception)(?: \w{0,64}Error)?(?: - |: )){1,4}"
)
_IN_PYTHON: Final = re.compile(r"""'message': (?:'([^']*)'|"([^"]*)")""")
"""A message in an error that Python's SDK has printed as a dict."""
_MAX_WRAPPINGS: Final = 3
_USER_ID: Final = re.compile(
    r"metadata\.user_id: (?:user_id appears to contain|String should have at most \d+ characters)"
)


class Lesson(NamedTuple):
    """Capabilities of a model that an error reveals."""

    capabilities: Capabilities
    is_quoted: bool
    """True if something stood in front of the words, so that they may be a client's."""


def learn(body: bytes) -> Lesson | None:
    """Return the capabilities that the body of a 400 reveals, or None if it reveals none."""
    for refusal, is_quoted in _texts(body):
        if (limit := _LIMIT.match(refusal)) and int(limit["limit"]) >= _LEAST_LIMIT:
            return Lesson(Capabilities(max_output_tokens=int(limit["limit"])), is_quoted)
        for text, lesson in _TEXTS:
            if text.match(refusal):
                return Lesson(lesson, is_quoted)
    return None


def learn_gone(body: bytes, model: str) -> Lesson | None:
    """Return that a model is not available if the body of a 404 names it, or None."""
    refusal = error_message(body)
    named = re.search(rf"(?<![\w.@/-]){re.escape(model)}(?![\w@/-]|\.\w)", refusal)
    return Lesson(Capabilities(available=False), is_quoted=False) if named else None


def refuses_user_id(body: bytes) -> bool:
    """
    Return True if the body of a 400 refuses the user id as personal, or as too long.

    The text about e-mail addresses was recorded in litellm#10106. That about the length is the
    validator's; an upstream may have the older limit of 256 characters (messages-wire 1.9).
    """
    return any(_USER_ID.match(refusal) for refusal, _ in _texts(body))


def _texts(body: bytes) -> Iterator[tuple[str, bool]]:
    """Yield the message of an error, and what stands in it behind the words of others."""
    refusal = error_message(body)
    yield refusal, False
    for _ in range(_MAX_WRAPPINGS):
        if (front := _IN_FRONT.match(refusal)) is None:
            return
        refusal = refusal[front.end() :].removeprefix("b'")
        yield refusal, True
        if refusal.startswith("{"):
            inner = refusal[: refusal.rfind("}") + 1]  # litellm adds what it has tried after that
            printed = _IN_PYTHON.search(inner)
            refusal = (printed[1] or printed[2] or "") if printed else error_message(inner.encode())
            yield refusal, True
