"""
What the upstream says, as its real counterpart spells it.

Compact JSON, but for the ping; spaces before the last brace of an event, as many as it likes; a
text that is mostly, but not only, ASCII. A frame is one event with its name and the blank line.
"""

from __future__ import annotations

import json
import random
from typing import Final

DELTAS: Final = 200
"""Events with text in a burst."""

_MODEL: Final = "claude-haiku-4-5-20251001"
_USAGE: Final = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 40,
    "service_tier": "standard",
}
_TEXT: Final = "A birch grows faster than an oak, and outlives few of them. " * 4
# No piece ends with what might begin a stop sequence: a proxy that looks for one has to keep that
# back, and would rightly send fewer frames than it got.
_PIECES: Final = (
    *(" Of", " the", " trees", " that", " grow", " here", ",", " the", " birch", " is"),
    *(" first", ":\n-", " Bet", "ula", " pend", "ula", ' ("silver', " bir", 'ch")', " —"),
    *(" in", " the", " Jura", " and", " the", " Vallée", " de", " Joux", " too", "."),
)


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def message(*, text: str | None = _TEXT) -> dict[str, object]:
    """A whole answer; without a text, the beginning of a stream."""
    whole = text is not None
    return {
        "id": "msg_018sNkNZEJUW35NVReds342D",
        "type": "message",
        "role": "assistant",
        "model": _MODEL,
        "content": [{"type": "text", "text": text}] if whole else [],
        "stop_reason": "end_turn" if whole else None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": _USAGE,
    }


WHOLE: Final = compact(message()).encode()


def frame(event: dict[str, object], padding: int = 0) -> bytes:
    """One event on the wire."""
    data = compact(event)[:-1] + " " * padding + "}"
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def delta(text: str, padding: int = 0) -> bytes:
    said = {"type": "text_delta", "text": text}
    return frame({"type": "content_block_delta", "index": 0, "delta": said}, padding)


HEAD: Final = (
    frame({"type": "message_start", "message": message(text=None)}, 4),
    frame(
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        }
    ),
    b'event: ping\ndata: {"type": "ping"}\n\n',
)
"""The frames before the first delta."""

TAIL: Final = (
    frame({"type": "content_block_stop", "index": 0}, 7),
    frame(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None},
            "usage": {"output_tokens": DELTAS},
        }
    ),
    frame({"type": "message_stop"}, 3),
)
"""The frames after the last one."""


def burst(deltas: int = DELTAS) -> bytes:
    """A whole stream, the same each time."""
    dice = random.Random(6)  # noqa: S311 - no secret
    middle = (delta(_PIECES[n % len(_PIECES)], dice.randrange(12)) for n in range(deltas))
    return b"".join((*HEAD, *middle, *TAIL))
