"""
Find the features of the legacy API that a request uses and its caller must rewrite.

The features are read off the conversation that would be sent, so that a report
and the requests of its callers cannot disagree; they are known for refused and
forwarded requests as well. They reveal nothing of the prompt's text.
"""

from __future__ import annotations

from typing import Final

import msgspec

from translators.prompt import Conversation, ParsedRequest
from translators.wire.completions import BUILTIN_STOP

_NO_EFFECT_STOPS: Final = frozenset({"", BUILTIN_STOP})
_NO_CONVERSATION: Final = Conversation(None, (), None)


class Features(msgspec.Struct, frozen=True):
    """The legacy features of a request, and the size of its prompt."""

    names: tuple[str, ...]
    """Any of `system`, `prefill`, `multi_turn` (an earlier answer is in the conversation),
    `custom_stops`, `white_space_stops`, `streaming`, and the names of optional fields that are
    used."""
    turns: int
    """Messages of the conversation, with the one to be written; 0 if there is none."""
    prompt_characters: int


def features_of(parsed: ParsedRequest) -> Features:
    """Find the legacy features of a request."""
    request = parsed.decoded.request
    stops, metadata = request.stop_sequences or (), request.metadata
    # Without a conversation the request is refused, or forwarded as it is.
    conversation = parsed.prompt.conversation if parsed.prompt else _NO_CONVERSATION
    found = (
        ("system", conversation.system is not None),
        ("prefill", conversation.prefill is not None),
        ("multi_turn", len(conversation.turns) > 1),
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
    turns = len(conversation.turns) + 1 if conversation.turns else 0
    return Features(tuple(names), turns, len(request.prompt))
