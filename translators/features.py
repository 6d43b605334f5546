"""
Which features of the legacy API a request uses: what its caller will have to rewrite.

Read off the request as it came, so that it is known of requests that are
refused or forwarded too. Nothing in here says what the request is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from translators.wire.completion_requests import CompletionRequest
from translators.wire.completions import BUILTIN_STOP

_HUMAN: Final = "\n\nHuman:"
_ASSISTANT: Final = "\n\nAssistant:"


@dataclass(frozen=True, slots=True)
class Features:
    """What stands out about a request."""

    names: tuple[str, ...]
    """`system`, `prefill`, `multi_turn`, `custom_stops`, `white_space_stops`, `streaming`, and the
    optional fields by name."""
    turns: int
    prompt_characters: int


def features_of(request: CompletionRequest) -> Features:
    """Look a request over, once."""
    prompt = request.prompt
    turns = prompt.count(_HUMAN) + prompt.count(_ASSISTANT)
    return Features(tuple(_names(request)), turns, len(prompt))


def _is_said(text: str) -> bool:
    return bool(text) and not text.isspace()


def _names(request: CompletionRequest) -> Iterator[str]:
    prompt, stops = request.prompt, request.stop_sequences or ()
    human, last_human = prompt.find(_HUMAN), prompt.rfind(_HUMAN)
    assistant = prompt.rfind(_ASSISTANT)
    found = {
        "system": human > 0 and not prompt[:human].isspace(),
        "prefill": assistant > last_human and _is_said(prompt[assistant + len(_ASSISTANT) :]),
        "multi_turn": human != last_human,
        "custom_stops": any(stop not in {"", BUILTIN_STOP} for stop in stops),
        "white_space_stops": any(stop and not stop.strip() for stop in stops),
        "streaming": bool(request.stream),
        "temperature": request.temperature not in {None, 1},
        "top_p": request.top_p not in {None, -1},
        "top_k": request.top_k not in {None, -1},
        "metadata": request.metadata is not None and request.metadata.user_id is not None,
        "tags": request.tags is not None,
        "disable_checks": request.disable_checks is not None,
    }
    return (name for name, is_used in found.items() if is_used)
