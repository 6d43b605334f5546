"""
Default texts of the simulated model, for requests that do not set `simulate-text`.

They are deterministic, and quote the last user turn, so that a test can see what arrived.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from proxy.simulator.requests import Message, MessagesRequest

_MAX_QUOTE_LENGTH: Final = 200

# The documented way to continue an answer on a model without prefill (messages-wire 1.3).
_CONTINUATION: Final = re.compile(
    r"Your previous response was interrupted and ended with\s*(?P<ending>.*?)\s*"
    r"Continue from where you left off",
    re.DOTALL,
)


def default_text(request: MessagesRequest) -> str:
    quote = _last_question(request.messages)[:_MAX_QUOTE_LENGTH]
    ending = text_to_continue(request)
    if ending.endswith("{"):
        return f'"answer":{_as_json(f"You said {quote}")},"continued":true}}'
    if ending:
        return f' and so on, continuing what was begun in answer to "{quote}" until it is said.'
    return f'You said "{quote}" and this is what the simulator answers, in several deltas.'


def text_to_continue(request: MessagesRequest) -> str:
    """Return the prefill, or the text that the last user turn asks to continue."""
    last = request.messages[-1]
    if last.role == "assistant":
        return last.text
    asked = _CONTINUATION.search(last.text)
    if asked is None:
        return ""
    answers = [message.text for message in request.messages if message.role == "assistant"]
    return answers[-1] if answers else _unquoted(asked["ending"])


def _last_question(messages: list[Message]) -> str:
    asked = [message.text for message in messages if message.role == "user"]
    questions = [text for text in asked if _CONTINUATION.search(text) is None]
    return (questions or asked or [""])[-1]


def _unquoted(ending: str) -> str:
    return ending.removesuffix(".").strip("`\"'[]")


def _as_json(text: str) -> str:
    return msgspec.json.encode(text).decode()
