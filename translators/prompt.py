r"""
Parse a legacy prompt into a conversation.

    prompt  = [ preamble ] *( marker turn )
    marker  = LF LF ( "Human:" / "Assistant:" )   ; exact, case-sensitive
    turn    = [ SP / LF ] text                    ; the separator is no part of the text

The preamble is the system prompt; text after the last Assistant marker is the
prefill, and text after an earlier one is a finished answer, which is never sent
as one to be continued. If the last text of the assistant ends with a line
`Assistant:`, its lines that begin like a marker are turns: their blank lines
were lost. Indentation, inner blank lines and role names inside a sentence are
text. If a marker is written with CR LF, all line ends of the prompt are read as
LF. Sources: legacy-wire 5 (validation, sanitation, error texts, prompts of real
wrappers), clients rule 10 (leniency for some API keys).

Law: `parse_prompt(render_prompt(c)).conversation == c` for every `c` parsed, unless merging
turns has made a marker with a CR.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind
from translators.errors import InvalidCompletionRequest
from translators.steps import (
    STEP_SIZE,
    Steps,
    completed,
    is_blank,
    leading_space_length,
    rstripped_length,
    windows,
)
from translators.wire.completion_requests import DecodedRequest
from translators.wire.messages import Role

Strictness: TypeAlias = Literal["strict", "lenient"]

OPENING_TURN: Final = "Begin."
"""The user message that is added in front if a prompt begins with an Assistant turn."""

EMPTY_MESSAGE: Final = "(This message has no text.)"
"""User message in place of an empty Human turn between the last answer and the next one."""
NEXT_ANSWER: Final = "Go on."
"""User message between two Assistant turns that have no Human turn between them."""

MAX_TURNS: Final = 100_000
"""Limit on the turns of a prompt: that of messages in a request (messages-wire 1.3)."""

TURNS_PER_STEP: Final = 8192

_ROLES: Final[dict[str, Role]] = {"Human": "user", "Assistant": "assistant"}
_NAMES: Final[dict[Role, str]] = {"user": "Human", "assistant": "Assistant"}
# A single space or newline after the colon is markup, unless that newline begins another marker.
_SEPARATOR: Final = r"(?: |\n(?!\n(?:Human|Assistant):))?"
_MARKER: Final = re.compile(r"\n\n(Human|Assistant):" + _SEPARATOR)
_OPENING_MARKER: Final = re.compile(r"\s*(Human|Assistant):" + _SEPARATOR)
_LINE_END: Final = r"(?:\r\n|\r|\n)"
_LINE_MARKER: Final = re.compile(
    rf"(?:\A|{_LINE_END})(Human|Assistant):(?: |{_LINE_END}(?!(?:Human|Assistant):))?"
)
"""A marker without a blank line before it."""
_MAX_MARKER_LENGTH: Final = 32
"""At least the length of a marker, its separator and the marker that may follow."""
_BARE_MARKER: Final = "Assistant:"
_MARKER_INSIDE: Final = re.compile(r"\n\n(?=(?:Human|Assistant):)")

# Two line ends, of which at least one has a CR. `(?>` keeps one CR LF from counting as two.
_CRLF_MARKER: Final = re.compile(r"(?=\n?\r)(?>\r\n|\r|\n)(?>\r\n|\r|\n)(?:Human|Assistant):")
_MUST_START: Final = 'prompt must start with "\n\nHuman:" turn after an optional system prompt'
_MUST_END: Final = 'prompt must end with "\n\nAssistant:" turn'


class Turn(msgspec.Struct, frozen=True, gc=False):
    """The text of a user or assistant turn; never blank."""

    role: Role
    text: str


class Conversation(msgspec.Struct, frozen=True):
    """System prompt, alternating turns (the first and last are the user's), and prefill."""

    system: str | None
    turns: tuple[Turn, ...]
    prefill: str | None


class ParsedPrompt(msgspec.Struct, frozen=True):
    """A conversation, and the adjustments that parsing made."""

    conversation: Conversation
    adjustments: tuple[Adjustment, ...]
    strict_error: str | None = None
    """The error of a strict reading, if there is one."""


class ParsedRequest(msgspec.Struct, frozen=True):
    """A decoded request and its prompt, parsed once for all who need the conversation."""

    decoded: DecodedRequest
    prompt: ParsedPrompt | None
    error: str = ""
    """The error for which the prompt could not be parsed."""

    def prompt_by(self, strictness: Strictness) -> ParsedPrompt:
        """Return the prompt; raise `InvalidCompletionRequest` if it is not acceptable."""
        if self.prompt is None:
            raise InvalidCompletionRequest(self.error)
        if strictness == "strict" and self.prompt.strict_error:
            raise InvalidCompletionRequest(self.prompt.strict_error)
        return self.prompt


class _Pieces(msgspec.Struct, frozen=True):
    """A prompt cut at its markers; turns may be blank and in any order."""

    preamble: str
    turns: tuple[Turn, ...]
    adjustments: tuple[Adjustment, ...] = ()


def parse_request(decoded: DecodedRequest) -> ParsedRequest:
    """Parse the prompt of a request; an error is kept, because not every route minds it."""
    return completed(parse_request_in_steps(decoded))


def parse_request_in_steps(decoded: DecodedRequest) -> Steps[ParsedRequest]:
    """Parse the prompt of a request in steps, like `parse_request`."""
    try:
        prompt = yield from parse_in_steps(decoded.request.prompt)
    except InvalidCompletionRequest as exc:
        return ParsedRequest(decoded, None, str(exc))
    return ParsedRequest(decoded, prompt)


def parse_prompt(prompt: str) -> ParsedPrompt:
    """Parse a prompt; raise `InvalidCompletionRequest` if nothing can be made of it."""
    return completed(parse_in_steps(prompt))


def parse_in_steps(prompt: str) -> Steps[ParsedPrompt]:
    """Parse a prompt in steps, like `parse_prompt`."""
    if not prompt:
        raise InvalidCompletionRequest("prompt: ensure this value has at least 1 characters")
    with_line_feeds = yield from _with_line_feeds(prompt)
    if with_line_feeds is None:
        pieces = yield from _cut_at_markers(prompt)
    else:
        prompt = with_line_feeds
        pieces = yield from _cut_at_markers(prompt)
        read = Adjustment(AdjustmentKind.READ_CRLF_AS_LF, "prompt", "CR LF", "LF")
        pieces = _Pieces(pieces.preamble, pieces.turns, (read, *pieces.adjustments))
    begins = bool(pieces.turns) and pieces.turns[0].role == "user"
    ends = bool(pieces.turns) and pieces.turns[-1].role == "assistant"
    errors = ([] if begins else [_MUST_START]) + ([] if ends else [_MUST_END])
    if not pieces.turns and (yield from is_blank(prompt)):
        raise InvalidCompletionRequest(f"{_MUST_START}, {_MUST_END}")
    pieces = yield from _restore_assistant_marker(pieces)
    if not any(turn.role == "user" for turn in pieces.turns):
        pieces = yield from _treat_preamble_as_human_turn(pieces)
    return (yield from _assemble(_add_final_assistant_turn(pieces), ", ".join(errors) or None))


def render_prompt(conversation: Conversation) -> str:
    """Write the prompt that `parse_prompt` would parse into this conversation."""
    system = conversation.system or ""
    turns = "".join(_render_turn(turn.role, turn.text) for turn in conversation.turns)
    return system + turns + _render_turn("assistant", conversation.prefill or "")


def _render_turn(role: Role, text: str) -> str:
    # Joining merged turns can create a marker between them: there the text is split again.
    marker = f"\n\n{_NAMES[role]}:"
    separator = " " if text else ""
    return marker + separator + _MARKER_INSIDE.sub(f"{marker} ", text)


def _with_line_feeds(prompt: str) -> Steps[str | None]:
    """Return the prompt with LF for each CR LF and CR; None if no marker is written with one."""
    if "\r" not in prompt:
        return None
    for start, end in windows(len(prompt)):
        if start:
            yield
        if _CRLF_MARKER.search(prompt, start, end + _MAX_MARKER_LENGTH):
            break
    else:
        return None
    parts: list[str] = []
    for start, end in windows(len(prompt)):
        yield
        part = prompt[start:end]
        if part.endswith("\r") and prompt.startswith("\n", end):
            part = part[:-1]
        parts.append(part.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(parts)


def _cut_at_markers(prompt: str) -> Steps[_Pieces]:
    adjustments: list[Adjustment] = []
    pieces = yield from _split(prompt, _MARKER)
    # In long prompts, leading white space is skipped in steps before the pattern is tried.
    space = (yield from leading_space_length(prompt)) if len(prompt) > STEP_SIZE else 0
    opening = _OPENING_MARKER.match(prompt, space)
    if opening and not prompt.endswith("\n\n", 0, opening.start(1)):
        adjustments.append(
            Adjustment(AdjustmentKind.ADD_LEADING_NEWLINES, "prompt", f"{opening[1]}:", "a turn")
        )
        pieces[:1] = ["", opening[1], pieces[0][opening.end() :]]
    preamble, *rest = pieces
    if (
        rest
        and rest[-2] == "Assistant"
        and not prompt.endswith(":")
        and (yield from is_blank(rest[-1]))
    ):
        adjustments.append(
            Adjustment(AdjustmentKind.TRIM_TRAILING_SPACE, "prompt", "white space", "")
        )
    return _Pieces(preamble, tuple((yield from _turns(rest))), tuple(adjustments))


def _turns(rest: list[str]) -> Steps[list[Turn]]:
    """Return the turns of a list of their roles and texts in turn."""
    turns: list[Turn] = []
    for start in range(0, len(rest), 2 * TURNS_PER_STEP):
        if start:
            yield
        end = start + 2 * TURNS_PER_STEP
        names, texts = rest[start:end:2], rest[start + 1 : end : 2]
        turns += [Turn(_ROLES[name], text) for name, text in zip(names, texts, strict=True)]
    return turns


def _split(prompt: str, pattern: re.Pattern[str]) -> Steps[list[str]]:
    """Return the text before the first marker, followed by role and text of each turn in turn."""
    if len(prompt) <= STEP_SIZE:
        return pattern.split(prompt)
    pieces: list[str] = []
    begin = 0
    for start, end in windows(len(prompt)):
        for marker in pattern.finditer(prompt, start, end + _MAX_MARKER_LENGTH):
            if marker.start() >= end:
                break
            pieces += prompt[begin : marker.start()], marker[1]
            begin = marker.end()
            if len(pieces) > 2 * MAX_TURNS:
                raise InvalidCompletionRequest(f"prompt: more than {MAX_TURNS} turns; send fewer")
        yield
    pieces.append(prompt[begin:])
    yield  # the last piece may be the whole prompt: copying it is a step
    return pieces


def _restore_assistant_marker(pieces: _Pieces) -> Steps[_Pieces]:
    """Read a final `Assistant:` as a marker, even if no blank line precedes it."""
    last = pieces.turns[-1] if pieces.turns else None
    text = pieces.preamble if last is None else last.text
    end = yield from rstripped_length(text)
    start = end - len(_BARE_MARKER)
    if not text.endswith(_BARE_MARKER, 0, end):
        return pieces
    is_answer = last is not None and last.role == "assistant"
    if start and not (text[start - 1] in "\r\n" if is_answer else text[start - 1].isspace()):
        return pieces
    before = text[: (yield from rstripped_length(text, start))]
    restored = Adjustment(
        AdjustmentKind.RESTORE_ASSISTANT_MARKER, "prompt", _BARE_MARKER, "a final Assistant turn"
    )
    answer = Turn("assistant", "")
    if last is None:
        return _Pieces(before, (answer,), (*pieces.adjustments, restored))
    said = [Turn("user", before)]
    if is_answer:
        first, *rest = yield from _split(before, _LINE_MARKER)
        said = [Turn("assistant", first), *(yield from _turns(rest))]
    turns = (*pieces.turns[:-1], *said, answer)
    return _Pieces(pieces.preamble, turns, (*pieces.adjustments, restored))


def _treat_preamble_as_human_turn(pieces: _Pieces) -> Steps[_Pieces]:
    if (yield from is_blank(pieces.preamble)):
        return pieces
    moved = Adjustment(
        AdjustmentKind.TREAT_AS_HUMAN_TURN, "prompt", "text without a Human turn", "a user message"
    )
    turns = (Turn("user", pieces.preamble), *pieces.turns)
    return _Pieces("", turns, (*pieces.adjustments, moved))


def _add_final_assistant_turn(pieces: _Pieces) -> _Pieces:
    if pieces.turns and pieces.turns[-1].role == "assistant":
        return pieces
    added = Adjustment(
        AdjustmentKind.ADD_ASSISTANT_TURN, "prompt", "no final Assistant turn", "one"
    )
    turns = (*pieces.turns, Turn("assistant", ""))
    return _Pieces(pieces.preamble, turns, (*pieces.adjustments, added))


def _assemble(pieces: _Pieces, strict_error: str | None) -> Steps[ParsedPrompt]:
    """Drop blank turns, merge consecutive ones of a role, and separate the prefill."""
    adjustments = list(pieces.adjustments)
    *earlier, last = pieces.turns
    turns, nonblank = yield from _merge_turns(earlier)
    dropped = len(earlier) - nonblank
    merged = nonblank - len(turns)
    opening: Adjustment | None = None
    if not turns or turns[0].role == "assistant":
        opening = Adjustment(
            AdjustmentKind.ADD_OPENING_TURN, "prompt", "no opening turn", OPENING_TURN
        )
        turns.insert(0, Turn("user", OPENING_TURN))
    filling: Adjustment | None = None
    if turns[-1].role == "assistant":
        is_written = earlier[-1].role == "user"
        dropped -= is_written
        asked, sent = (
            ("an empty turn", EMPTY_MESSAGE) if is_written else ("no Human turn", NEXT_ANSWER)
        )
        filling = Adjustment(AdjustmentKind.FILL_EMPTY_TURN, "prompt", asked, sent)
        turns.append(Turn("user", sent))
    if dropped:
        adjustments.append(
            Adjustment(AdjustmentKind.DROP_EMPTY_TURN, "prompt", f"{dropped} empty", "0")
        )
    if merged:
        adjustments.append(
            Adjustment(
                AdjustmentKind.MERGE_TURNS,
                "prompt",
                f"{nonblank} turns",
                f"{nonblank - merged} turns",
            )
        )
    adjustments += [adjustment for adjustment in (opening, filling) if adjustment is not None]
    prefill = None if (yield from is_blank(last.text)) else last.text
    has_system = pieces.preamble and not (yield from is_blank(pieces.preamble))
    system = pieces.preamble if has_system else None
    conversation = Conversation(system, tuple(turns), prefill)
    return ParsedPrompt(conversation, tuple(adjustments), strict_error)


def _merge_turns(turns: list[Turn]) -> Steps[tuple[list[Turn], int]]:
    """Return merged turns, and the number of turns that were not blank."""
    merged: list[Turn] = []
    run: list[Turn] = []
    nonblank = 0
    for number, turn in enumerate(turns, 1):
        if not number % TURNS_PER_STEP:
            yield
        if len(turn.text) > STEP_SIZE:
            blank = yield from is_blank(turn.text)
        else:
            blank = not turn.text or turn.text.isspace()  # `strip` would copy it
        if blank:
            continue
        nonblank += 1
        if run and run[0].role != turn.role:
            merged.append(_join_run(run))
            run = []
        run.append(turn)
    if run:
        merged.append(_join_run(run))
    return merged, nonblank


def _join_run(run: list[Turn]) -> Turn:
    return run[0] if len(run) == 1 else Turn(run[0].role, "\n\n".join([turn.text for turn in run]))
