"""
Default texts of the simulated model, for requests that do not set `simulate-text`.

They are deterministic, and quote the last user turn, so that a test can see what arrived.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from proxy.simulator.checks.messages_requests import MessagesRequest

_MAX_QUOTE_LENGTH: Final = 200

# The documented way to continue an answer on a model without prefill (messages-wire 1.3).
_CONTINUATION_REQUEST: Final = re.compile(
    r"Your previous response was interrupted and ended with\s*(?P<ending>.*?)\s*"
    r"Continue from where you left off",
    re.DOTALL,
)


def default_text(request: MessagesRequest) -> str:
    asked = [message.text for message in request.messages if message.role == "user"]
    questions = [text for text in asked if _CONTINUATION_REQUEST.search(text) is None]
    quote = (questions or asked or [""])[-1][:_MAX_QUOTE_LENGTH]
    ending = text_to_continue(request)
    if ending.endswith("{"):  # the client wants JSON
        value = msgspec.json.encode(f"You said {quote}").decode()
        return f'"answer":{value},"continued":true}}'
    if ending:
        return f' and so on, continuing what was begun in answer to "{quote}" until it is said.'
    return f'You said "{quote}" and this is what the simulator answers, in several deltas.'


def text_to_continue(request: MessagesRequest) -> str:
    """Return the prefill, or the text that the last user turn asks to continue."""
    last = request.messages[-1]
    if last.role == "assistant":
        return last.text
    asked = _CONTINUATION_REQUEST.search(last.text)
    if asked is None:
        return ""
    answers = [message.text for message in request.messages if message.role == "assistant"]
    return answers[-1] if answers else asked["ending"].removesuffix(".").strip("`\"'[]")
