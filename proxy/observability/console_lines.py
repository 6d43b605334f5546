"""Lines of the log as people read them on a terminal, for events with many fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from proxy.explanation import model_in_words
from proxy.terminal_text import escape_for_terminal

_RED, _GREEN, _BOLD, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
_CLOCK: Final = slice(11, 19)
"""Place of the time of day in a timestamp."""
_FIRST_ERROR: Final = 400
_NOTHING: Final = "-"


def exchange_line(event: Mapping[str, Any]) -> str:
    """Return who asked for which model, how that was answered, and what was adjusted."""
    status: int | None = event["status"]
    is_error = status is None or status >= _FIRST_ERROR or event["failure"] is not None
    colour = _RED if is_error else _GREEN
    parts: list[str] = [
        event["caller_name"] or event["caller"] or _NOTHING,
        model_in_words(event["asked_model"], event["answered_model"] or event["sent_model"]),
        " by ".join(filter(None, (event["route"], event["rule"]))) or _NOTHING,
        f"{event['total_ms']:.0f} ms",
        ", ".join(dict.fromkeys(made["kind"] for made in event["adjustments"])),
    ]
    if is_error:
        parts += [event["failure"] or event["error_type"] or "", f"({event['id']})"]
    text = escape_for_terminal("  ".join(filter(None, parts)))
    return f"{event['timestamp'][_CLOCK]} {colour}{status or 'gone'}{_PLAIN}  {text}"


def starting_lines(event: Mapping[str, Any]) -> str:
    """Return what is about to serve, with a line for each of its parts."""
    parts = {
        name.replace("_", " "): ", ".join(value) if isinstance(value, list) else value
        for name, value in event.items()
        if name not in {"event", "level", "timestamp", "version"}
    }
    width = max(map(len, parts))
    lines = [f"  {name:<{width}}  {value or 'none'}" for name, value in parts.items()]
    title = f"{_BOLD}Holdover {event['version']}{_PLAIN}"
    return "\n".join([title, *map(escape_for_terminal, lines)])
