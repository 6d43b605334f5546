"""
Checks of messages, system and stop sequences that apply to every model.

The texts are recorded (messages-wire 1.3, 1.4 and 1.6). Which of several mistakes
the API reports is not known; here it is the first one found in the order of this file.
"""

from __future__ import annotations

from itertools import pairwise

from proxy.simulator.api_errors import invalid_request
from proxy.simulator.checks.messages_requests import Message, MessagesRequest


def check_content(request: MessagesRequest, *, strict_alternation: bool) -> None:
    """Raise a 400 for empty texts, blank texts or, on request, roles that do not alternate."""
    _check_messages(request.messages)
    if strict_alternation:
        # As the API did until 2024-10-08 and partner clouds still may.
        if request.messages[0].role != "user":
            raise invalid_request('messages: first message must use the "user" role')
        for earlier, later in pairwise(request.messages):
            if earlier.role == later.role:
                raise invalid_request(
                    'messages: roles must alternate between "user" and "assistant", '
                    f'but found multiple "{later.role}" roles in a row'
                )
    for text in request.system_texts:
        _check_text("system", text)
    for sequence in request.stop_sequences:
        if not sequence:
            raise invalid_request("stop_sequences: each stop sequence must be non-empty")
        if sequence.isspace():
            raise invalid_request("stop_sequences: each stop sequence must contain non-whitespace")


def check_prefill_ending(prefill: str) -> None:
    """
    Refuse a prefill that ends with whitespace.

    This check is separate since models that take no prefill must answer that instead.
    """
    if prefill != prefill.rstrip():
        raise invalid_request(
            "messages: final assistant content cannot end with trailing whitespace"
        )


def _check_messages(messages: list[Message]) -> None:
    if not messages:
        raise invalid_request("messages: at least one message is required")
    for index, message in enumerate(messages):
        is_last = index == len(messages) - 1
        if not message.content:
            if not (is_last and message.role == "assistant"):
                raise invalid_request(
                    f"messages.{index}: all messages must have non-empty content "
                    "except for the optional final assistant message"
                )
            continue
        for text in message.texts:
            _check_text("messages", text)


def _check_text(where: str, text: str) -> None:
    if not text:
        raise invalid_request(f"{where}: text content blocks must be non-empty")
    if text.isspace():
        raise invalid_request(f"{where}: text content blocks must contain non-whitespace text")
