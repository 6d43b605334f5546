"""
Find the features of the legacy API that a request uses and its caller must rewrite.

The features are read off the conversation that would be sent, so that a report
and the requests of its callers cannot disagree; they are known for refused and
forwarded requests as well. They reveal nothing of the prompt's text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from translators.prompt import Conversation, ParsedRequest
from translators.wire.completion_requests import CompletionRequest
from translators.wire.completions import BUILTIN_STOP

_NO_EFFECT_STOPS: Final = frozenset({"", BUILTIN_STOP})
_NO_CONVERSATION: Final = Conversation(None, (), None)


_Uses: TypeAlias = Callable[[CompletionRequest, Conversation], object]

_USES: Final[Mapping[str, _Uses]] = {
    "system": lambda _, conversation: conversation.system is not None,
    "prefill": lambda _, conversation: conversation.prefill is not None,
    "multi_turn": lambda _, conversation: len(conversation.turns) > 1,  # has an earlier answer
    "custom_stops": lambda asked, _: not _NO_EFFECT_STOPS.issuperset(asked.stop_sequences or ()),
    "white_space_stops": lambda asked, _: any(map(str.isspace, asked.stop_sequences or ())),
    "streaming": lambda asked, _: asked.stream,
    "temperature": lambda asked, _: asked.temperature not in {None, 1},
    "top_p": lambda asked, _: asked.top_p not in {None, -1},
    "top_k": lambda asked, _: asked.top_k not in {None, -1},
    "metadata": lambda asked, _: asked.metadata is not None and asked.metadata.user_id is not None,
    "tags": lambda asked, _: asked.tags is not None,
    "disable_checks": lambda asked, _: asked.disable_checks is not None,
}
FEATURES: Final = tuple(_USES)
"""Names of all legacy features."""


class Features(msgspec.Struct, frozen=True):
    """The legacy features of a request, and the size of its prompt."""

    names: tuple[str, ...]
    """Those of `FEATURES` that are used."""
    turns: int
    """Messages of the conversation, with the one to be written; 0 if there is none."""
    prompt_characters: int


def features_of(parsed: ParsedRequest) -> Features:
    """Find the legacy features of a request."""
    request = parsed.decoded.request
    # Without a conversation the request is refused, or forwarded as it is.
    conversation = parsed.prompt.conversation if parsed.prompt else _NO_CONVERSATION
    names = [name for name, uses in _USES.items() if uses(request, conversation)]
    turns = len(conversation.turns) + 1 if conversation.turns else 0
    return Features(tuple(names), turns, len(request.prompt))
