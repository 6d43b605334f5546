r"""
A legacy prompt in, a conversation out.

    prompt  = [ preamble ] *( marker turn )
    marker  = LF LF ( "Human:" / "Assistant:" )   ; exact, case-sensitive
    turn    = [ SP / LF ] text                    ; the one separator is markup

The preamble is the system prompt; text after a final Assistant marker is the
prefill. Indentation, inner blank lines and role names inside a sentence are
text. Sources: legacy-wire 5 (validation, sanitation, error texts, what real
wrappers send), clients rule 10 (what lenient keys were allowed).

Law: `parse_prompt(render_prompt(c)).conversation == c` for every `c` parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind
from translators.errors import InvalidCompletionRequest
from translators.steps import (
    AT_ONCE,
    Steps,
    completed,
    is_blank,
    leading_space,
    said_until,
    windows,
)
from translators.wire.messages import Role

Strictness: TypeAlias = Literal["strict", "lenient"]

OPENING_TURN: Final = "Begin."
"""Said for the user where a prompt begins with an Assistant turn."""

MAX_TURNS: Final = 100_000
"""As many as a Messages request may have messages (messages-wire 1.3)."""

TURNS_AT_ONCE: Final = 8192
"""In one step."""

_ROLES: Final[dict[str, Role]] = {"Human": "user", "Assistant": "assistant"}
_NAMES: Final[dict[Role, str]] = {"user": "Human", "assistant": "Assistant"}
# The one space or newline after a colon belongs to it, unless a newline begins the next marker.
_SEPARATOR: Final = r"(?: |\n(?!\n(?:Human|Assistant):))?"
_MARKER: Final = re.compile(r"\n\n(Human|Assistant):" + _SEPARATOR)
_OPENING_MARKER: Final = re.compile(r"\s*(Human|Assistant):" + _SEPARATOR)
_REACH: Final = 32
"""Characters from the beginning of a marker that it takes to know all about it."""
_LOST_MARKER: Final = "Assistant:"
_MARKER_INSIDE: Final = re.compile(r"\n\n(?=(?:Human|Assistant):)")

_MUST_START: Final = 'prompt must start with "\n\nHuman:" turn after an optional system prompt'
_MUST_END: Final = 'prompt must end with "\n\nAssistant:" turn'


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What one side said; never blank."""

    role: Role
    text: str


class Conversation(msgspec.Struct, frozen=True):
    """`turns` alternate strictly, user first and user last."""

    system: str | None
    turns: tuple[Turn, ...]
    prefill: str | None


class ParsedPrompt(msgspec.Struct, frozen=True):
    """A conversation, and what was mended to get it."""

    conversation: Conversation
    adjustments: tuple[Adjustment, ...]


class _Pieces(msgspec.Struct, frozen=True):
    """A prompt cut at its markers; turns may be blank and of any order."""

    preamble: str
    turns: tuple[Turn, ...]
    adjustments: tuple[Adjustment, ...] = ()


def parse_prompt(prompt: str, strictness: Strictness = "lenient") -> ParsedPrompt:
    """Cut a prompt into a conversation; raise `InvalidCompletionRequest` where that cannot be."""
    return completed(parse_in_steps(prompt, strictness))


def parse_in_steps(prompt: str, strictness: Strictness) -> Steps[ParsedPrompt]:
    """Cut a prompt into a conversation, as `parse_prompt` does, in steps."""
    if not prompt:
        raise InvalidCompletionRequest("prompt: String should have at least 1 character")
    pieces = yield from _cut(prompt)
    if strictness == "strict":
        _refuse_what_the_documentation_refuses(pieces)
    elif not pieces.turns and (yield from is_blank(prompt)):
        raise InvalidCompletionRequest(f"{_MUST_START}, {_MUST_END}")
    if not (pieces.turns and pieces.turns[-1].role == "assistant"):
        pieces = yield from _with_lost_marker(pieces)
    if not any(turn.role == "user" for turn in pieces.turns):
        pieces = yield from _with_human_turn(pieces)
    return (yield from _assemble(_with_final_assistant(pieces)))


def render_prompt(conversation: Conversation) -> str:
    """Write a conversation as the prompt that would be parsed into it."""
    system = conversation.system or ""
    turns = "".join(_render_turn(turn.role, turn.text) for turn in conversation.turns)
    return system + turns + _render_turn("assistant", conversation.prefill or "")


def _render_turn(role: Role, text: str) -> str:
    # Merged turns may touch so that a marker appears between them: there they come apart again.
    marker = f"\n\n{_NAMES[role]}:"
    separator = " " if text else ""
    return marker + separator + _MARKER_INSIDE.sub(f"{marker} ", text)


def _cut(prompt: str) -> Steps[_Pieces]:
    adjustments: list[Adjustment] = []
    pieces = yield from _split(prompt)
    # A pattern takes long white space twice, and neither time in steps.
    space = (yield from leading_space(prompt)) if len(prompt) > AT_ONCE else 0
    opening = _OPENING_MARKER.match(prompt, space)
    if opening and not prompt.endswith("\n\n", 0, opening.start(1)):
        adjustments.append(
            Adjustment(AdjustmentKind.ADD_LEADING_NEWLINES, "prompt", f"{opening[1]}:", "a turn")
        )
        pieces[:1] = ["", opening[1], pieces[0][opening.end() :]]
    preamble, *said = pieces
    if (
        said
        and said[-2] == "Assistant"
        and not prompt.endswith(":")
        and (yield from is_blank(said[-1]))
    ):
        adjustments.append(
            Adjustment(AdjustmentKind.TRIM_TRAILING_SPACE, "prompt", "white space", "")
        )
    turns: list[Turn] = []
    for start in range(0, len(said), 2 * TURNS_AT_ONCE):
        if start:
            yield
        end = start + 2 * TURNS_AT_ONCE
        names, texts = said[start:end:2], said[start + 1 : end : 2]
        turns += [Turn(_ROLES[name], text) for name, text in zip(names, texts, strict=True)]
    return _Pieces(preamble, tuple(turns), tuple(adjustments))


def _split(prompt: str) -> Steps[list[str]]:
    """What stands before the first marker, then role and text of each turn."""
    if len(prompt) <= AT_ONCE:
        return _MARKER.split(prompt)
    pieces: list[str] = []
    start = 0
    for marker in _markers(prompt):
        if marker is None:
            yield
            continue
        pieces += prompt[start : marker.start()], marker[1]
        start = marker.end()
        if len(pieces) > 2 * MAX_TURNS:
            raise InvalidCompletionRequest(f"prompt: more than {MAX_TURNS} turns")
    pieces.append(prompt[start:])
    yield  # that may have been all of it
    return pieces


def _markers(prompt: str) -> Iterator[re.Match[str] | None]:
    """All of them, and None after each part of the prompt."""
    for start, end in windows(len(prompt)):
        for marker in _MARKER.finditer(prompt, start, end + _REACH):
            if marker.start() >= end:
                break
            yield marker
        yield None


def _refuse_what_the_documentation_refuses(pieces: _Pieces) -> None:
    roles = [turn.role for turn in pieces.turns]
    problems = [
        *([] if roles[:1] == ["user"] else [_MUST_START]),
        *([] if roles[-1:] == ["assistant"] else [_MUST_END]),
    ]
    if problems:
        raise InvalidCompletionRequest(", ".join(problems))


def _with_lost_marker(pieces: _Pieces) -> Steps[_Pieces]:
    """Read a final `Assistant:` as the marker it was meant to be, blank line or not."""
    last = pieces.turns[-1] if pieces.turns else None
    text = pieces.preamble if last is None else last.text
    end = yield from said_until(text)
    start = end - len(_LOST_MARKER)
    if not text.endswith(_LOST_MARKER, 0, end) or not (start == 0 or text[start - 1].isspace()):
        return pieces
    before = text[: (yield from said_until(text, start))]
    mended = Adjustment(
        AdjustmentKind.RESTORE_ASSISTANT_MARKER, "prompt", _LOST_MARKER, "a final Assistant turn"
    )
    answer = Turn("assistant", "")
    if last is None:
        return _Pieces(before, (answer,), (*pieces.adjustments, mended))
    turns = (*pieces.turns[:-1], Turn("user", before), answer)
    return _Pieces(pieces.preamble, turns, (*pieces.adjustments, mended))


def _with_human_turn(pieces: _Pieces) -> Steps[_Pieces]:
    """Ask the preamble where nothing else is asked: then it was no system prompt."""
    if (yield from is_blank(pieces.preamble)):
        return pieces
    asked = Adjustment(
        AdjustmentKind.TREAT_AS_HUMAN_TURN, "prompt", "text without a Human turn", "a user message"
    )
    turns = (Turn("user", pieces.preamble), *pieces.turns)
    return _Pieces("", turns, (*pieces.adjustments, asked))


def _with_final_assistant(pieces: _Pieces) -> _Pieces:
    if pieces.turns and pieces.turns[-1].role == "assistant":
        return pieces
    added = Adjustment(
        AdjustmentKind.ADD_ASSISTANT_TURN, "prompt", "no final Assistant turn", "one"
    )
    turns = (*pieces.turns, Turn("assistant", ""))
    return _Pieces(pieces.preamble, turns, (*pieces.adjustments, added))


def _assemble(pieces: _Pieces) -> Steps[ParsedPrompt]:
    """Drop what is blank, merge runs, and tell the prefill from the turns."""
    adjustments = list(pieces.adjustments)
    turns, spoken, ends_open = yield from _merged(pieces.turns)
    dropped = len(pieces.turns) - spoken - ends_open
    if dropped:
        adjustments.append(
            Adjustment(AdjustmentKind.DROP_EMPTY_TURN, "prompt", f"{dropped} empty", "0")
        )
    if len(turns) < spoken:
        adjustments.append(
            Adjustment(
                AdjustmentKind.MERGE_TURNS, "prompt", f"{spoken} turns", f"{len(turns)} turns"
            )
        )
    prefill = turns.pop().text if turns and turns[-1].role == "assistant" else None
    if not turns or turns[0].role == "assistant":
        adjustments.append(
            Adjustment(AdjustmentKind.ADD_OPENING_TURN, "prompt", "no opening turn", OPENING_TURN)
        )
        turns.insert(0, Turn("user", OPENING_TURN))
    has_system = pieces.preamble and not (yield from is_blank(pieces.preamble))
    system = pieces.preamble if has_system else None
    return ParsedPrompt(Conversation(system, tuple(turns), prefill), tuple(adjustments))


def _merged(turns: tuple[Turn, ...]) -> Steps[tuple[list[Turn], int, bool]]:
    """One turn for each run of one side's; how many were not blank, and whether the last was."""
    merged: list[Turn] = []
    run: list[Turn] = []
    spoken, ends_blank = 0, False
    for number, turn in enumerate(turns, 1):
        if not number % TURNS_AT_ONCE:
            yield
        is_long = len(turn.text) > AT_ONCE
        ends_blank = (yield from is_blank(turn.text)) if is_long else _is_blank(turn.text)
        if ends_blank:
            continue
        spoken += 1
        if run and run[0].role != turn.role:
            merged.append(_joined(run))
            run = []
        run.append(turn)
    if run:
        merged.append(_joined(run))
    return merged, spoken, ends_blank


def _is_blank(text: str) -> bool:
    return not text or text.isspace()  # `strip` would copy it


def _joined(run: list[Turn]) -> Turn:
    return run[0] if len(run) == 1 else Turn(run[0].role, "\n\n".join([turn.text for turn in run]))
