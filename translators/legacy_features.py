"""
Find the features of the legacy API that a request uses and its caller must rewrite.

The features are read from the client's own request, so that they are known for
refused and forwarded requests as well. They reveal nothing of the prompt's text.
"""

from __future__ import annotations

from typing import Final

import msgspec

from translators.steps import STEP_SIZE, Steps, completed, leading_space_length, rstripped_length
from translators.wire.completion_requests import CompletionRequest
from translators.wire.completions import BUILTIN_STOP

_HUMAN: Final = "\n\nHuman:"
_ASSISTANT: Final = "\n\nAssistant:"
_NO_EFFECT_STOPS: Final = frozenset({"", BUILTIN_STOP})

_MAX_RFIND_CALLS: Final = 100
"""Limit on the markers searched one by one in a step; `rfind` beats `count` for a few only."""


class _Occurrences(msgspec.Struct, frozen=True, gc=False):
    """The number of a marker's occurrences in a prompt, and where the first and last begin."""

    count: int = 0
    first: int = -1
    last: int = -1


_NO_OCCURRENCES: Final = _Occurrences()


class Features(msgspec.Struct, frozen=True):
    """The legacy features of a request, and the size of its prompt."""

    names: tuple[str, ...]
    """Any of `system`, `prefill`, `multi_turn`, `custom_stops`, `white_space_stops`, `streaming`,
    and the names of optional fields that are used."""
    turns: int
    prompt_characters: int


def features_of(request: CompletionRequest) -> Features:
    """Find the legacy features of a request."""
    return completed(features_in_steps(request))


def features_in_steps(request: CompletionRequest) -> Steps[Features]:
    """Find the legacy features of a request in steps, like `features_of`."""
    prompt, stops, metadata = request.prompt, request.stop_sequences or (), request.metadata
    humans = assistants = _NO_OCCURRENCES
    for start in range(0, len(prompt), STEP_SIZE):
        if start:
            yield
        humans = _find_marker(prompt, _HUMAN, start, humans)
        assistants = _find_marker(prompt, _ASSISTANT, start, assistants)
    human, answer = humans.first, assistants.last + len(_ASSISTANT)
    found = (
        ("system", human > 0 and (yield from leading_space_length(prompt)) < human),
        (
            "prefill",
            assistants.last > humans.last
            and len(prompt) > answer
            and (yield from rstripped_length(prompt)) > answer,
        ),
        ("multi_turn", humans.count > 1),
        ("custom_stops", not _NO_EFFECT_STOPS.issuperset(stops)),
        ("white_space_stops", any(map(str.isspace, stops))),
        ("streaming", request.stream),
        ("temperature", request.temperature not in {None, 1}),
        ("top_p", request.top_p not in {None, -1}),
        ("top_k", request.top_k not in {None, -1}),
        ("metadata", metadata is not None and metadata.user_id is not None),
        ("tags", request.tags is not None),
        ("disable_checks", request.disable_checks is not None),
    )
    names = [name for name, is_used in found if is_used]
    return Features(tuple(names), humans.count + assistants.count, len(prompt))


def _find_marker(prompt: str, marker: str, start: int, before: _Occurrences) -> _Occurrences:
    """Add the occurrences that begin in the step at `start` to those `before` it."""
    end = start + STEP_SIZE + len(marker) - 1  # a marker may end in the next step
    last = first = at = prompt.rfind(marker, start, end)
    count = 0
    while at >= 0 and count < _MAX_RFIND_CALLS:  # `rfind` is four times as fast as `count`
        count, first = count + 1, at
        at = prompt.rfind(marker, start, at)
    if at >= 0:
        count, first = count + prompt.count(marker, start, at) + 1, prompt.find(marker, start)
    if not count:
        return before
    return _Occurrences(before.count + count, before.first if before.count else first, last)
