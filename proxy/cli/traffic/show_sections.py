"""Sections of `holdover show`: the record in groups, its shadows, and the timing of streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from statistics import median
from typing import Any, Final

from proxy.terminal_text import escape_for_terminal
from proxy.traffic import ShadowRecord, TrafficRecord
from translators import EXPLANATIONS, REMEDIES, AdjustmentKind

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "exchange": ("id", "request_id", "received"),
    "who": ("caller_name", "caller", "key", "user_agent", "sdk"),
    "asked": (
        *("path", "version", "dialect", "streamed", "asked_model", "features", "turns"),
        *("prompt_characters", "max_tokens", "temperature", "top_p", "top_k", "stops"),
        "request_bytes",
    ),
    "decided": ("route", "rule", "why", "first_failure"),
    "sent": ("sent_model",),
    "answered": (
        *("status", "answered_model", "stop_reason", "upstream_stop_reason", "error_type"),
        *("failure", "outcome", "blame", "client_gone", "input_tokens", "output_tokens"),
        "reply_bytes",
    ),
    "times": ("upstream_ms", "first_token_ms", "first_byte_ms", "total_ms"),
}
"""Every field of a record but its adjustments, by section; a test keeps them complete."""

_KINDS: Final = {kind.value: kind for kind in AdjustmentKind}


def record_lines(record: TrafficRecord) -> Iterator[tuple[str, str]]:
    """Yield headings, each with its lines; empty fields and sections are left out."""
    fields = record.as_fields()
    for group, names in GROUPS.items():
        given = {name: fields[name] for name in names if fields[name] not in {None, ()}}
        if given:
            yield group, "\n".join(_lines(given))
    lines: list[str] = []
    for made in record.adjustments:
        asked, sent = (escape_for_terminal(word) or "(nothing)" for word in (made.asked, made.sent))
        kind, changed = escape_for_terminal(made.kind), escape_for_terminal(made.field)
        lines.append(f"  {kind}  {changed}: {asked} -> {sent}")
        if (known := _KINDS.get(made.kind)) is not None:  # later versions may record other kinds
            lines += [f"    {EXPLANATIONS[known]}", f"    To avoid it: {REMEDIES[known]}"]
    if lines:
        yield "adjustments", "\n".join(lines)


def shadow_lines(shadow: ShadowRecord) -> tuple[str, str]:
    """Return the heading and the lines of a shadow."""
    fields = {"rule": shadow.rule, "ended": shadow.ended, "failure": shadow.failure}
    given = {name: value for name, value in fields.items() if value is not None}
    return escape_for_terminal(shadow.leg), "\n".join(
        _lines({**given, **(shadow.comparison or {})})
    )


def timing_line(timing: Iterable[tuple[float, str, int]]) -> str:
    """Describe the timing of a stream: when its first text came, and how far apart the others."""
    events = list(timing)
    times = [time for time, _, characters in events if characters]
    if not times:
        return f"a stream of {len(events)} events, none with text"
    begin = f"a stream of {len(events)} events, {len(times)} with text"
    begin += f": the first after {times[0]:.1f} ms"
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if not gaps:
        return begin
    return f"{begin}, then {median(gaps):.1f} ms apart (median), at most {max(gaps):.1f} ms"


def _lines(fields: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, fields))
    return (
        f"  {escape_for_terminal(name):<{width}}  {_format(value)}"
        for name, value in fields.items()
    )


def _format(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.12g}"
        case None | [] | ():
            return "-"
        case list() | tuple():
            return ", ".join(map(_format, value))
        case _:
            return escape_for_terminal(str(value))
