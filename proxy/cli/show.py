"""One exchange: all that is known of it, and what was said, side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from proxy.cli.log import as_long_as_somebody_reads
from proxy.cli.open_store import open_evidence
from proxy.cli.show_sections import record_lines, shadow_lines, timing_line
from proxy.cli.word_diff import DiffPiece, are_too_long, mark_differences
from proxy.terminal import say, stop
from proxy.terminal_text import escape_for_terminal, json_line
from proxy.traffic import PARTS, Body, ShadowRecord, TrafficRecord
from proxy.traffic.store.queries import bodies_of, find_by_id, shadows_of
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_search import decode_body

_MAX_LISTED: Final = 20
_WIDE: Final = 120
_OPPOSITE: Final = (("legacy_in", "messages_out"), ("messages_back", "legacy_back"))
_TITLES: Final = {part: part.replace("_", " ").replace("messages", "Messages") for part in PARTS}
_NONE_KEPT: Final = (
    '  None are kept: `capture` was `off`, or they were let go of since. `capture = "full"`, for '
    "all or in a rule, keeps those of exchanges to come."
)
# In the first of two stands what the second has not, and the other way round.
_MARKS: Final = (("[-", "-]", "reverse red"), ("{+", "+}", "reverse green"))


@dataclass(frozen=True, slots=True)
class _ShownBody:
    """A body, read."""

    kept: Body = field(repr=False)
    value: Any
    timing: Any


def run_show(
    config: Path | None, secrets: Path | None, *, demo: bool, name: str, as_json: bool
) -> None:
    """Print the exchange with this id; status 1 if there is none, 2 if there are several."""
    with open_evidence(config, secrets, demo=demo) as store, as_long_as_somebody_reads():
        record = _one_or_exit(store, name)
        shadows = shadows_of(store, record.id)
        said = {body.part: _read(body) for body in bodies_of(store, record.id)}
        if as_json:
            say(json_line(_as_object(record, shadows, said)))
        else:
            _print(record, shadows, said)


def _one_or_exit(store: Store, name: str) -> TrafficRecord:
    name = name.encode(errors="replace").decode()
    found = find_by_id(store, name, _MAX_LISTED)
    if not found:
        stop(f"no exchange is called {name}", status=1)
    if len(found) > 1:
        for record in found:
            asked = record.asked_model or "-"
            say(f"{record.id}  {record.received}  {asked}  {record.status or '-'}")
        more = " or more" if len(found) == _MAX_LISTED else ""
        stop(f"{len(found)}{more} exchanges are called so; say more of it")
    return found[0]


def _read(body: Body) -> _ShownBody:
    value = None if body.data is None else decode_body(body.data)
    return _ShownBody(body, value, None if body.timing is None else decode_body(body.timing))


def _as_object(
    record: TrafficRecord, shadows: Iterable[ShadowRecord], said: Mapping[str, _ShownBody]
) -> dict[str, Any]:
    bodies = {
        part: {
            "size": each.kept.size,
            "digest": each.kept.digest,
            "content": each.value,
            "timing": each.timing,
        }
        for part, each in said.items()
    }
    return {
        "record": record.as_fields(),
        "shadows": [msgspec.structs.asdict(shadow) for shadow in shadows],
        "bodies": bodies,
    }


def _print(
    record: TrafficRecord, shadows: Iterable[ShadowRecord], said: Mapping[str, _ShownBody]
) -> None:
    console = Console()
    for heading, lines in [*record_lines(record), *map(shadow_lines, shadows)]:
        _say(console, Text.assemble((heading, "bold"), "\n", lines))
    if not said:
        _say(console, Text.assemble(("contents", "bold"), "\n", _NONE_KEPT))
    for parts in _OPPOSITE:
        pair = [said.get(part) for part in parts]
        shown = _opposite(pair, is_terminal=console.is_terminal)
        if len(shown) == len(parts) and console.is_terminal and console.width >= _WIDE:
            columns = Table.grid(*(Column(ratio=1, overflow="fold") for _ in parts), padding=(0, 1))
            columns.expand = True
            columns.add_row(*shown)
            console.print(columns)
        else:
            for text in shown:
                _say(console, text)
        if len(shown) == len(parts) and are_too_long(*(each.value for each in pair if each)):
            _say(console, Text("These texts are too long: what differs in them is not marked.\n"))


def _opposite(said: list[_ShownBody | None], *, is_terminal: bool) -> list[Text]:
    """The bodies that there are, each with its title, and marks on what is in no other."""
    values = [None if each is None else each.value for each in said]
    return [
        _body(each, pieces, marks, is_terminal=is_terminal)
        for each, pieces, marks in zip(said, mark_differences(*values), _MARKS, strict=True)
        if each is not None
    ]


def _body(
    said: _ShownBody, pieces: list[DiffPiece], marks: tuple[str, str, str], *, is_terminal: bool
) -> Text:
    kept = said.kept
    title = f"{_TITLES[kept.part]}, {kept.size:,} bytes on the wire"
    text = Text.assemble((title, "bold"), "\n")
    if said.timing is not None:
        text.append(f"{timing_line(said.timing)}\n", "dim")
    if kept.data is None:
        return text.append(
            f"Digest {escape_for_terminal(kept.digest)}; "
            "no more is kept where `capture` is `digest`.\n"
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


def _say(console: Console, text: Text) -> None:
    if console.is_terminal:
        console.print(text, overflow="fold", highlight=False)
    else:
        sys.stdout.write(f"{text.plain}\n")
