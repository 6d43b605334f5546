"""
What the simulated model says when nobody tells it what to say.

The same request always gets the same words, and they quote the last thing the
user said, so that a test sees what arrived here.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from proxy.simulator.requests import Message, MessagesRequest

_MAX_QUOTE_LENGTH: Final = 200

# messages-wire 1.3: the documented words for going on without a prefill.
_CONTINUATION: Final = re.compile(
    r"Your previous response was interrupted and ended with\s*(?P<ending>.*?)\s*"
    r"Continue from where you left off",
    re.DOTALL,
)


def answer_text(request: MessagesRequest) -> str:
    quote = _last_question(request.messages)[:_MAX_QUOTE_LENGTH]
    ending = text_to_continue(request)
    if ending.endswith("{"):
        return f'"answer":{_as_json(f"You said {quote}")},"continued":true}}'
    if ending:
        return f' and so on, continuing what was begun in answer to "{quote}" until it is said.'
    return f'You said "{quote}" and this is what the simulator answers, in several deltas.'


def text_to_continue(request: MessagesRequest) -> str:
    """The prefill, or what the last user turn asks in the documented words to continue."""
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
