"""Sections of `holdover show`: the record in groups, and its shadows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from proxy.terminal_text import escape_for_terminal
from proxy.traffic import GROUPS, ShadowRecord, TrafficRecord
from translators import EXPLANATIONS, REMEDIES, AdjustmentKind

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
