"""
A refusal in, a lesson out: what upstream's own words teach about a model.

Our table of models is out of date one day, or an operator's is wrong. The 400
that follows says what the model takes after all; these are the texts that are
known to, as recorded (messages-wire 1.3, 1.5, 1.7, 1.8). A text unknown to us
teaches nothing and is passed on.
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
    (  # what an upstream says that knows no version of ours but the newest
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
    (  # not recorded with a source in the fact sheet: seen in client reports
        re.compile(r"This model does not support the effort parameter\."),
        Capabilities(thinking=Thinking.OFF),
    ),
)
_LIMIT: Final = re.compile(
    r"max_tokens: \d+ > (?P<limit>\d{1,9}), which is the maximum allowed number of output tokens"
)


def learn(body: bytes) -> Capabilities | None:
    """What the body of a 400 teaches about the model that was asked; None: nothing."""
    envelope = decode_error(body)
    return None if envelope is None else _learn(envelope.error.message)


def _learn(refusal: str) -> Capabilities | None:
    if limit := _LIMIT.match(refusal):
        return Capabilities(max_output_tokens=int(limit["limit"]))
    for text, lesson in _TEXTS:
        if text.match(refusal):
            return lesson
    return None
