"""
Which features of the legacy API a request uses: what its caller will have to rewrite.

Read off the request as it came, so that it is known of requests that are
refused or forwarded too. Nothing in here says what the request is about.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from translators.steps import AT_ONCE, Steps, completed, leading_space, said_until
from translators.wire.completion_requests import CompletionRequest
from translators.wire.completions import BUILTIN_STOP

_HUMAN: Final = "\n\nHuman:"
_ASSISTANT: Final = "\n\nAssistant:"
_NO_STOPS: Final = frozenset({"", BUILTIN_STOP})
"""That change nothing."""

_MANY: Final = 100


class _FirstMarker(NamedTuple):
    """How often a marker is there, and where first and last."""

    number: int = 0
    first: int = -1
    last: int = -1


_NOWHERE: Final = _FirstMarker()


class Features(msgspec.Struct, frozen=True):
    """What stands out about a request."""

    names: tuple[str, ...]
    """`system`, `prefill`, `multi_turn`, `custom_stops`, `white_space_stops`, `streaming`, and the
    optional fields by name."""
    turns: int
    prompt_characters: int


def features_of(request: CompletionRequest) -> Features:
    """Look a request over, once."""
    return completed(features_in_steps(request))


def features_in_steps(request: CompletionRequest) -> Steps[Features]:
    """Look a request over, as `features_of` does, in steps."""
    prompt, stops, metadata = request.prompt, request.stop_sequences or (), request.metadata
    humans = assistants = _NOWHERE
    for start in range(0, len(prompt), AT_ONCE):
        if start:
            yield
        humans = _found(prompt, _HUMAN, start, humans)
        assistants = _found(prompt, _ASSISTANT, start, assistants)
    human, answer = humans.first, assistants.last + len(_ASSISTANT)
    found = (
        ("system", human > 0 and (yield from leading_space(prompt)) < human),
        (
            "prefill",
            assistants.last > humans.last
            and len(prompt) > answer
            and (yield from said_until(prompt)) > answer,
        ),
        ("multi_turn", humans.number > 1),
        ("custom_stops", not _NO_STOPS.issuperset(stops)),
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
    return Features(tuple(names), humans.number + assistants.number, len(prompt))


def _found(prompt: str, marker: str, start: int, before: _FirstMarker) -> _FirstMarker:
    """Where a marker is, up to the end of the part that begins there."""
    end = start + AT_ONCE + len(marker) - 1  # it may end in the next one
    last = first = at = prompt.rfind(marker, start, end)
    count = 0
    while at >= 0 and count < _MANY:  # `rfind` is four times as fast as `count`
        count, first = count + 1, at
        at = prompt.rfind(marker, start, at)
    if at >= 0:
        count, first = count + prompt.count(marker, start, at) + 1, prompt.find(marker, start)
    if not count:
        return before
    return _FirstMarker(before.number + count, before.first if before.number else first, last)
