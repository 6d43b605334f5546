"""
Examine a notebook: all its code cells are one program.

Lines that are no Python (`%magic`, `!command`) are comments to the parser. Edits are made in the
text of each cell; the rest of the file stays as it is, byte by byte.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import msgspec

from proxy.migrate.findings import Edit, Examined, Finding, Verdict
from proxy.migrate.planning import Target
from proxy.migrate.python.examining import examine

_CELL_MAGIC: Final = re.compile(r"\s*%%")
_MAGIC: Final = re.compile(r"^([ \t]*)([%!?].*)$", re.MULTILINE)
_ANYTHING: Final = re.compile(r"^([ \t]*)([^ \t\n].*)$", re.MULTILINE)
_DASH: Final = "\u2500"
"""What hidden lines are made of, so that one inside of a text is noticed."""
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


class _Cell(msgspec.Struct):
    cell_type: str
    source: str | list[str] = ""


class _Notebook(msgspec.Struct):
    cells: list[_Cell] = []


@dataclass(frozen=True, slots=True)
class _Piece:
    """A string of a code cell: where its characters are in the program, and in the file."""

    cell: int
    start: int
    text: str
    file_start: int
    file_end: int
    line_in_cell: int
    is_list: bool
    """True if the cell is a list of strings, one for each line."""
    has_end: bool
    """True if a line end was added, which the cell does not have."""


def examine_notebook(text: str, target: Target) -> Examined:
    """Find the legacy uses of a notebook, and the edits of the file that rewrite them."""
    try:
        pieces = _pieces(text)
    except msgspec.DecodeError as exc:
        reason = f"The notebook cannot be read: {exc}"
        found = Finding(line=1, shape="a notebook", verdict=Verdict.BY_HAND, reasons=(reason,))
        return Examined((found,))
    program = "".join(piece.text for piece in pieces)
    examined = examine(_hidden(pieces, program), target)
    edits = _file_edits(text, pieces, examined.edits)
    findings = tuple(_in_cell(pieces, program, each) for each in examined.findings)
    if edits is None:
        reason = "What would be changed spans several lines of the notebook's file."
        findings = tuple(
            replace(each, verdict=Verdict.BY_HAND, reasons=(reason,)) for each in findings
        )
    return Examined(findings, edits or ())


def _hidden(pieces: list[_Piece], program: str) -> str:
    """Return the program with comments of the same length for all that is no Python."""
    foreign = {
        piece.cell for piece in pieces if piece.line_in_cell == 1 and _CELL_MAGIC.match(piece.text)
    }
    if foreign:
        program = "".join(
            _ANYTHING.sub(_as_comment, piece.text) if piece.cell in foreign else piece.text
            for piece in pieces
        )
    return _MAGIC.sub(_as_comment, program)


def _as_comment(line: re.Match[str]) -> str:
    return f"{line[1]}#{_DASH * (len(line[2]) - 1)}"


def _pieces(text: str) -> list[_Piece]:
    """Return the strings of all code cells, with their places in the file."""
    notebook = msgspec.json.decode(text.encode(), type=_Notebook)
    pieces: list[_Piece] = []
    position, offset = 0, 0
    for number, cell in enumerate(notebook.cells, 1):
        is_list = isinstance(cell.source, list)
        strings = cell.source if isinstance(cell.source, list) else [cell.source]
        if cell.cell_type != "code":
            continue
        line = 1
        for index, each in enumerate(strings):
            found = _find(text, each, offset)
            offset = found[1]
            is_last = index + 1 == len(strings)
            ended = each if not is_last or each.endswith("\n") else f"{each}\n"
            pieces.append(_Piece(number, position, ended, *found, line, is_list, ended != each))
            position += len(ended)
            line += each.count("\n")
    return pieces


def _find(text: str, wanted: str, offset: int) -> tuple[int, int]:
    """Return where a string is written in the file, from an offset on."""
    strings = _STRING.finditer(text, offset)
    return next(
        found.span() for found in strings if msgspec.json.decode(found[0].encode()) == wanted
    )


def _piece_at(pieces: list[_Piece], offset: int) -> _Piece:
    return next(piece for piece in reversed(pieces) if piece.start <= offset or piece is pieces[0])


def _file_edits(
    file: str, pieces: list[_Piece], edits: tuple[Edit, ...]
) -> tuple[Edit, ...] | None:
    """Return the edits of the file: the strings from the first to the last of each edit anew."""
    if any(_DASH in edit.text for edit in edits):
        return None
    groups: list[tuple[int, int, list[Edit]]] = []
    indexes = {piece.start: index for index, piece in enumerate(pieces)}
    for edit in edits:
        first = indexes[_piece_at(pieces, edit.start).start]
        last = indexes[_piece_at(pieces, max(edit.end - 1, edit.start)).start]
        if pieces[first].cell != pieces[last].cell:
            return None
        if groups and groups[-1][1] >= first:
            start, end, joined = groups[-1]
            groups[-1] = (start, max(end, last), [*joined, edit])
        else:
            groups.append((first, last, [edit]))
    separator = _separator(file, pieces)
    return tuple(
        _file_edit(pieces[first : last + 1], made, separator) for first, last, made in groups
    )


def _separator(file: str, pieces: list[_Piece]) -> str:
    """Return what stands between two lines of a cell in this file."""
    for piece, after in pairwise(pieces):
        if piece.cell == after.cell:
            return file[piece.file_end : after.file_start]
    return ",\n    "


def _file_edit(own: list[_Piece], edits: list[Edit], separator: str) -> Edit:
    text = "".join(piece.text for piece in own)
    start = own[0].start
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start - start] + edit.text + text[edit.end - start :]
    if own[-1].has_end:
        text = text.removesuffix("\n")
    lines = _LINES.findall(text) if own[0].is_list else [text]
    written = [json.dumps(line, ensure_ascii=False) for line in lines]
    return Edit(own[0].file_start, own[-1].file_end, separator.join(written))


def _in_cell(pieces: list[_Piece], program: str, finding: Finding) -> Finding:
    offset = _offset_of_line(program, finding.line)
    piece = _piece_at(pieces, offset)
    line = piece.line_in_cell + program.count("\n", piece.start, offset)
    return replace(finding, line=line, cell=piece.cell, end_line=None)


def _offset_of_line(program: str, line: int) -> int:
    offset = 0
    for _ in range(line - 1):
        offset = program.find("\n", offset) + 1
    return offset
