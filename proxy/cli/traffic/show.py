"""`holdover show`: everything recorded about one exchange, with its bodies side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from proxy.cli.traffic.log import stop_at_closed_pipe
from proxy.cli.traffic.open_store import open_traffic_store
from proxy.cli.traffic.show_sections import record_lines, shadow_lines
from proxy.comparison.word_diff import DiffPiece, are_too_long, mark_differences
from proxy.explanation import timing_in_words
from proxy.terminal import exit_with_error, print_lines
from proxy.terminal_text import escape_for_terminal, json_line
from proxy.traffic import PARTS, SHADOW_PARTS, Body, ShadowRecord, TrafficRecord
from proxy.traffic.store.queries import bodies_of, find_by_id, shadows_of
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_search import decode_body

_MAX_LISTED: Final = 20
_MIN_SIDE_BY_SIDE: Final = 120
_CLIENTS: Final = "legacy_back"
_PAIRS: Final = (("legacy_in", "messages_out"), ("messages_back", _CLIENTS))
_TITLES: Final = {
    part: part.replace("_", " ").replace("messages", "Messages")
    for part in (*PARTS, *SHADOW_PARTS.values())
}
_NO_CONTENTS: Final = (
    "  None are kept: `capture` was `off`, or they have been deleted since. To keep those of "
    'exchanges to come, set `capture = "full"`, for all requests or in a rule.'
)
_NO_TEXT: Final = '\n  Its text is not kept; those to come are, where `capture = "full"`.'
# Marks for what the second body of a pair lacks, and for what the first one lacks.
_MARKS: Final = (("[-", "-]", "reverse red"), ("{+", "+}", "reverse green"))


@dataclass(frozen=True, slots=True)
class _ShownBody:
    """A stored body and its decoded content and timing."""

    kept: Body = field(repr=False)
    value: Any
    timing: Any


def run_show(
    config: Path | None, secrets: Path | None, *, demo: bool, name: str, as_json: bool
) -> None:
    """Print the exchange with this id; exit with 1 if none matches, with 2 if several match."""
    with open_traffic_store(config, secrets, demo=demo) as store, stop_at_closed_pipe():
        record = _one_or_exit(store, name)
        shadows = shadows_of(store, record.id)
        bodies: dict[str, _ShownBody] = {}
        for kept in bodies_of(store, record):
            value = None if kept.data is None else decode_body(kept.data)
            timing = None if kept.timing is None else decode_body(kept.timing)
            bodies[kept.part] = _ShownBody(kept, value, timing)
        if as_json:
            shown = {
                part: {
                    "size": body.kept.size,
                    "digest": body.kept.digest,
                    "content": body.value,
                    "timing": body.timing,
                }
                for part, body in bodies.items()
            }
            shadow_fields = [msgspec.structs.asdict(shadow) for shadow in shadows]
            print_lines(
                json_line({"record": record.as_fields(), "shadows": shadow_fields, "bodies": shown})
            )
        else:
            _print(record, shadows, bodies)


def _one_or_exit(store: Store, name: str) -> TrafficRecord:
    name = name.encode(errors="replace").decode()
    found = find_by_id(store, name, _MAX_LISTED)
    if not found:
        exit_with_error(f"there is no exchange with the id {name}", status=1)
    if len(found) > 1:
        for record in found:
            asked = record.asked_model or "-"
            print_lines(f"{record.id}  {record.received}  {asked}  {record.status or '-'}")
        more = " or more" if len(found) == _MAX_LISTED else ""
        exit_with_error(
            f"{len(found)}{more} exchanges have an id that begins like this; give more of it"
        )
    return found[0]


def _print(
    record: TrafficRecord, shadows: Iterable[ShadowRecord], bodies: Mapping[str, _ShownBody]
) -> None:
    console = Console()
    for heading, lines in record_lines(record):
        _write(console, Text.assemble((heading, "bold"), "\n", lines))
    for shadow in shadows:
        heading, lines = shadow_lines(shadow)
        is_missing = shadow.comparison is not None and SHADOW_PARTS.get(shadow.leg) not in bodies
        _write(console, Text.assemble((heading, "bold"), "\n", lines, _NO_TEXT * is_missing))
    if not bodies:
        _write(console, Text.assemble(("contents", "bold"), "\n", _NO_CONTENTS))
    for parts in _PAIRS:
        _print_pair(console, [bodies.get(part) for part in parts])
    for part in SHADOW_PARTS.values():
        if (answer := bodies.get(part)) is not None:
            # A digest is of no use beside another one.
            client = None if answer.kept.data is None else bodies.get(_CLIENTS)
            _print_pair(console, [client, answer])


def _print_pair(console: Console, pair: Sequence[_ShownBody | None]) -> None:
    """Print two bodies, or the one that there is."""
    values = [None if body is None else body.value for body in pair]
    shown = [
        _marked_text(body, pieces, marks, is_terminal=console.is_terminal)
        for body, pieces, marks in zip(pair, mark_differences(*values), _MARKS, strict=True)
        if body is not None
    ]
    has_both = len(shown) == len(pair)
    if has_both and console.is_terminal and console.width >= _MIN_SIDE_BY_SIDE:
        columns = Table.grid(*(Column(ratio=1, overflow="fold") for _ in pair), padding=(0, 1))
        columns.expand = True
        columns.add_row(*shown)
        console.print(columns)
    else:
        for text in shown:
            _write(console, text)
    if has_both and are_too_long(*(body.value for body in pair if body)):
        _write(console, Text("These texts are too long to mark what differs in them.\n"))


def _marked_text(
    body: _ShownBody, pieces: list[DiffPiece], marks: tuple[str, str, str], *, is_terminal: bool
) -> Text:
    kept = body.kept
    where = " on the wire" if kept.part in PARTS else ""
    title = f"{_TITLES[kept.part]}, {kept.size:,} bytes{where}"
    text = Text.assemble((title, "bold"), "\n")
    if body.timing is not None:
        text.append(f"{timing_in_words(body.timing)}\n", "dim")
    if kept.data is None:
        return text.append(
            f"Digest {escape_for_terminal(kept.digest)}; "
            "with `capture` at `digest`, nothing more is kept.\n"
        )
    before, after, style = marks
    for piece in pieces:
        if not piece.is_marked:
            text.append(piece.text)
        elif is_terminal:
            text.append(piece.text, style)
        else:
            text.append(f"{before}{piece.text}{after}")
    return text.append("\n")


def _write(console: Console, text: Text) -> None:
    if console.is_terminal:
        console.print(text, overflow="fold", highlight=False)
    else:
        sys.stdout.write(f"{text.plain}\n")
