"""
Learn a model's capabilities from the error message of a 400.

A table of models gets out of date, and an operator's may be wrong. The 400
that follows names the feature that the model does not accept. This module
knows the texts that were recorded (messages-wire 1.3, 1.5, 1.7, 1.8); any
other text teaches nothing, and the client gets the error.
"""

from __future__ import annotations

import re
from typing import Final

from translators.models import Capabilities, Sampling, Thinking
from translators.wire.messages import decode_error

_TEXTS: Final[tuple[tuple[re.Pattern[str], Capabilities], ...]] = (
    (
        re.compile(r"This model does not support assistant message prefill\."),
        Capabilities(prefill=False),
    ),
    (
        re.compile(r"`temperature` and `top_p` cannot both be specified for this model\."),
        Capabilities(sampling=Sampling.ONE_OF),
    ),
    (
        re.compile(r"`(?:temperature|top_p|top_k)` is deprecated for this model\."),
        Capabilities(sampling=Sampling.NONE),
    ),
    (  # the error of an upstream that applies the newest API version to every request
        re.compile(r"(?:temperature|top_p|top_k): Extra inputs are not permitted"),
        Capabilities(sampling=Sampling.NONE),
    ),
    (
        re.compile(
            r'To turn thinking off on this model, send "thinking": {"type": "between_tools"}'
        ),
        Capabilities(thinking=Thinking.BETWEEN_TOOLS),
    ),
    (
        re.compile(r'"thinking\.type\.(?:disabled|between_tools)" is not supported for this model'),
        Capabilities(thinking=Thinking.ALWAYS),
    ),
    (  # seen in reports of clients; the fact sheet has no recording with a source
        re.compile(r"This model does not support the effort parameter\."),
        Capabilities(thinking=Thinking.OFF),
    ),
)
_LIMIT: Final = re.compile(
    r"max_tokens: \d+ > (?P<limit>\d{1,9}), which is the maximum allowed number of output tokens"
)


def learn(body: bytes) -> Capabilities | None:
    """Return the capabilities that the body of a 400 reveals, or None if it reveals none."""
    envelope = decode_error(body)
    refusal = envelope.error.message if envelope else ""
    if limit := _LIMIT.match(refusal):
        return Capabilities(max_output_tokens=int(limit["limit"]))
    for text, lesson in _TEXTS:
        if text.match(refusal):
            return lesson
    return None
