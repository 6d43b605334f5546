"""
Plan the call that replaces a legacy call, by the planner that the proxy asks.

The call becomes a request body in which a private-use character stands for each hole, and a number
for each expression. That is decoded and planned like any request; in what comes out, holes and
expressions are put back. What cannot be told without the values of the holes is a `Reason`, or
something to look at.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from proxy.migrate.calls import Expression, LegacyCall, NewCall, NewMessage, Reason, Role
from proxy.migrate.text import Hole, Placeholders, Text, holes_in
from translators import (
    UPSTREAM_VERSION,
    AdjustmentKind,
    InvalidCompletionRequest,
    Plan,
    Policy,
    decode_completion_request,
    dialect_of,
    plan_request,
)

UNKNOWN_MODEL: Final = "a-model-that-only-the-program-knows"
_LAST_LEGACY: Final = "claude-2.1"
"""Legacy model whose successor stands in code in which the call's own is not known."""
_SOME_TOKENS: Final = 1_000
_SOME_TEMPERATURE: Final = 0.515625
_SOME_TOP_P: Final = 0.265625
_SOME_TOP_K: Final = 29
LONGEST_WAIT_TOKENS: Final = 21_333
"""Tokens up to which the SDKs wait for a whole answer without a timeout (messages-wire 1.9)."""

_HOLE: Final = "[\ue000-\uf8ff]"
_EDGE: Final = re.compile(rf"\n\n(?:Human|Assistant):({_HOLE})")
_UNSURE_MARKER: Final = re.compile(
    rf"{_HOLE}\n?(?:Human|Assistant):(?<!\nAssistant:\Z)|{_HOLE}\nAssistant:(?=\s*\S)"
    rf"|\n\n{_HOLE}+:|\n\n(?:Human|Assistant){_HOLE}"
)
"""What is a marker, or none, by the value of a hole; a final `Assistant:` on a line always is."""
_CONVERSATIONS: Final = re.compile(
    r"(?<![a-z])hist|conv(?:o|ersation)|transcript|dialog|messages|memory|(?<![a-z])turns\b"
    r"|(?<![a-z])chats?\b|chat_?log|so_?far|(?:^|_|\.)(?:human|ai|assistant)_?prompt",
    re.IGNORECASE,
)
"""Names of what often is a string of several turns."""
_SYSTEM_TEXTS: Final = re.compile(
    r"system|instruct|preamble|persona|rules|guidelines|role_?desc", re.IGNORECASE
)
_WANTS_A_LOOK: Final = {
    AdjustmentKind.CONTINUE_PREFILL: "The model takes no prefill and is asked to continue it: it "
    "may repeat the last words of the prefill first, which Holdover takes off the answer.",
    AdjustmentKind.INSTRUCT_PREFILL: "The model takes no prefill and is told of it in the system "
    "prompt: it may repeat it, which Holdover takes off the answer.",
    AdjustmentKind.TRIM_PREFILL: "White space at the end of the prefill is not sent; the answer "
    "may begin with it, and Holdover takes it off there.",
    AdjustmentKind.FILL_EMPTY_TURN: "The prompt has an empty turn, in place of which a short "
    "message is sent.",
    AdjustmentKind.ADD_OPENING_TURN: "The prompt begins with an answer, so that a short message "
    "is put in front.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What calls are rewritten to: the policy of the settings, the day, the generation of SDKs."""

    policy: Policy
    today: str
    sdk: int = 1
    """1 for the newest SDKs; 0 for those that must stay on 0.x."""
    encoding: str = "utf-8"
    """The encoding of the file, which need not have every character."""

    def model_for(self, asked: str) -> str:
        """Return the model that is asked today for one that a program names."""
        return self.policy.catalogue.resolve(asked, self.today).id

    @property
    def example_model(self) -> str:
        """A model that is served on this day, for code in which the call's own is not known."""
        return self.model_for(_LAST_LEGACY)


class _CannotPlan(Exception):
    """The call cannot be planned; the text is a sentence that says why."""


def plan_call(call: LegacyCall, target: Target) -> NewCall | Reason:
    """Plan the call that replaces a legacy call, or say why it must be left alone."""
    try:
        return _plan_call(call, target)
    except _CannotPlan as exc:
        return Reason(str(exc))


def _plan_call(call: LegacyCall, target: Target) -> NewCall:
    _check_arguments(call)
    placeholders = Placeholders()
    prompt = _written(placeholders, call.prompt)
    _check_prompt(prompt, call.prompt)
    body: dict[str, object] = {
        "model": call.model if isinstance(call.model, str) else UNKNOWN_MODEL,
        "prompt": prompt,
        "max_tokens_to_sample": _number(call.max_tokens_to_sample, _SOME_TOKENS),
        "stop_sequences": _stops(placeholders, call),
        "temperature": _number(call.temperature, _SOME_TEMPERATURE),
        "top_p": _number(call.top_p, _SOME_TOP_P),
        "top_k": _number(call.top_k, _SOME_TOP_K),
        "metadata": call.user_id and {"user_id": _written(placeholders, call.user_id)},
        "stream": call.stream or None,
    }
    given = {name: value for name, value in body.items() if value is not None}
    plan = _planned(given, target)
    _check_plan(plan, call.prompt)
    new = _filled(call, plan, placeholders)
    _check_repeated(new)
    return replace(
        new,
        edges=tuple(
            dict.fromkeys(placeholders.holes[found[1]].source for found in _EDGE.finditer(prompt))
        ),
        looks=tuple(dict.fromkeys(_looks(call, plan, new))),
    )


def _check_arguments(call: LegacyCall) -> None:
    if call.unknown:
        names = ", ".join(call.unknown)
        raise _CannotPlan(
            f"{names}: extra fields not permitted. The legacy API never had them, and refuses this "
            "call; through the SDK it ends with a TypeError before."
        )
    if call.model is None:
        raise _CannotPlan("The call names no model, which both APIs demand.")
    if call.max_tokens_to_sample is None:
        raise _CannotPlan("max_tokens_to_sample: field required. The legacy API refuses this call.")
    if isinstance(call.stop_sequences, Expression):
        raise _CannotPlan(
            f"The stop sequences are `{call.stop_sequences.source}`: the Messages API refuses "
            "blank ones and null, and only the running program knows them."
        )


def _check_prompt(prompt: str, text: Text) -> None:
    """Refuse prompts whose turns depend on the values of holes."""
    if _UNSURE_MARKER.search(prompt):
        raise _CannotPlan("Whether a marker of the prompt is one depends on the value before it.")
    for hole in holes_in(text):
        if not hole.is_marker_free and _CONVERSATIONS.search(hole.source):
            raise _CannotPlan(
                f"`{hole.source}` may hold turns with markers of their own; they must become "
                "messages."
            )


def _check_plan(plan: Plan, prompt: Text) -> None:
    kinds = {adjustment.kind for adjustment in plan.adjustments}
    if AdjustmentKind.TREAT_AS_HUMAN_TURN in kinds:
        raise _CannotPlan(
            "No marker is in sight: either the prompt has its markers from elsewhere, or the legacy"
            ' API refuses it: prompt must start with "\\n\\nHuman:" turn.'
        )
    last = prompt[-1]
    if AdjustmentKind.ADD_ASSISTANT_TURN in kinds and isinstance(last, Hole):
        raise _CannotPlan(
            f"The prompt does not end with an Assistant turn, unless `{last.source}` does."
        )
    if plan.emulated_stops:
        stops = ", ".join(json.dumps(stop) for stop in plan.emulated_stops)
        raise _CannotPlan(
            f"The Messages API cannot be given these stop sequences, so that the program must cut "
            f"the answer itself: {stops}."
        )


def _check_repeated(new: NewCall) -> None:
    texts = [new.system or (), *(message.text for message in new.messages)]
    counted = Counter(
        replace(hole, is_rstripped=False) for text in texts for hole in holes_in(text)
    )
    for hole, times in counted.items():
        if times > 1 and not hole.is_repeatable:
            raise _CannotPlan(
                f"`{hole.source}` would have to be evaluated {times} times; assign it to a name "
                "first."
            )


def _planned(body: dict[str, object], target: Target) -> Plan:
    try:
        return plan_request(
            decode_completion_request(json.dumps(body).encode()),
            dialect_of(UPSTREAM_VERSION),
            target.policy,
            today=target.today,
        )
    except InvalidCompletionRequest as exc:
        raise _CannotPlan(f"This request is refused: {exc}") from exc


def _filled(call: LegacyCall, plan: Plan, placeholders: Placeholders) -> NewCall:
    request = plan.request
    is_stripped = any(
        adjustment.kind is AdjustmentKind.RESTORE_ASSISTANT_MARKER
        for adjustment in plan.adjustments
    )
    last_user = max(
        index for index, message in enumerate(request.messages) if message.role == "user"
    )
    # A model that takes no prefill gets it as the last message but one.
    prefill = len(request.messages) - (2 if plan.echo else 1)
    messages: list[NewMessage] = []
    for index, message in enumerate(request.messages):
        text = placeholders.filled(message.content)
        # Where the planner has taken white space off a text, it does so for any value of a hole.
        is_prefill = message.role == "assistant" and index == prefill
        if is_prefill or (is_stripped and index == last_user):
            text = _rstripped(text)
        role: Role = message.role
        messages.append(NewMessage(role, text))
    sent_tokens = request.max_tokens
    is_known = isinstance(call.max_tokens_to_sample, int)
    assert call.model is not None
    assert call.max_tokens_to_sample is not None
    return NewCall(
        model=request.model if isinstance(call.model, str) else call.model,
        max_tokens=sent_tokens if is_known else call.max_tokens_to_sample,
        extra_tokens=0 if is_known else sent_tokens - _SOME_TOKENS,
        system=None if request.system is None else placeholders.filled(request.system),
        messages=_with_stripped_words(messages, plan, placeholders),
        stop_sequences=tuple(placeholders.filled(stop) for stop in request.stop_sequences),
        temperature=None if request.temperature is None else call.temperature,
        top_k=None if request.top_k is None else call.top_k,
        top_p=None if request.top_p is None else call.top_p,
        user_id=None if request.metadata is None else placeholders.filled(request.metadata.user_id),
        metadata=call.metadata,
        thinking=request.thinking.type if request.thinking else None,
        effort=request.output_config.effort if request.output_config else None,
        stream=request.stream,
        began_with_space=plan.gains_leading_space,
        needs_timeout=is_known and sent_tokens > LONGEST_WAIT_TOKENS and not request.stream,
        adjustments=plan.adjustments,
    )


def _rstripped(text: Text) -> Text:
    *before, last = text
    return (*before, replace(last, is_rstripped=True)) if isinstance(last, Hole) else text


def _with_stripped_words(
    messages: list[NewMessage], plan: Plan, placeholders: Placeholders
) -> tuple[NewMessage, ...]:
    """Take white space off the prefill where the message that asks to continue it quotes it."""
    if not plan.echo or len(messages) < 2:  # noqa: PLR2004 - the prefill, and the request
        return tuple(messages)
    quoted, stripped = placeholders.filled(plan.echo), _rstripped(placeholders.filled(plan.echo))
    if quoted == stripped:
        return tuple(messages)
    *others, last = messages
    hole = quoted[-1]
    parts = tuple(stripped[-1] if part == hole else part for part in last.text)
    return (*others, NewMessage(last.role, parts))


def _looks(call: LegacyCall, plan: Plan, new: NewCall) -> Iterator[str]:
    if isinstance(call.model, Expression):
        yield (
            f"The model is `{call.model.source}`: the program must name one that is served today,"
            " and some take no sampling parameters and think by default."
        )
    for adjustment in plan.adjustments:
        if reason := _WANTS_A_LOOK.get(adjustment.kind):
            yield reason
    _check_system(new.system or ())
    for hole in _bare_holes(new.system or ()):
        if not _SYSTEM_TEXTS.search(hole.source):
            raise _CannotPlan(
                f"`{hole.source}` stands before the first marker of the prompt: it is the system "
                "prompt, or it holds turns with markers of its own."
            )
        yield (
            f"`{hole.source}` becomes the system prompt: it must hold no markers, and something, "
            "because the API takes no empty one."
        )
    if new.needs_timeout:
        yield (
            f"The SDKs wait for {new.max_tokens} tokens only with a timeout, or if they are "
            "streamed."
        )
    if isinstance(call.temperature, Expression) and call.top_p is not None:
        yield "The model may take only one of temperature and top_p."


def _check_system(system: Text) -> None:
    """Refuse a system prompt that is empty by default; the API takes none that is."""
    holes = holes_in(system)
    has_words = any(isinstance(part, str) and part.strip() for part in system)
    if holes and not has_words and all(hole.may_be_empty for hole in holes):
        raise _CannotPlan(
            f"`{holes[0].source}` is the system prompt, and empty by default: give `system` only "
            "if there is one."
        )


def _bare_holes(system: Text) -> Iterator[Hole]:
    """Yield the holes of a system prompt that are lines of their own, where turns would stand."""
    for index, part in enumerate(system):
        if not isinstance(part, Hole) or part.is_marker_free:
            continue
        before = system[index - 1] if index else "\n"
        after = system[index + 1] if index + 1 < len(system) else "\n"
        is_last = index + 1 == len(system)
        if not (isinstance(before, str) and before.rpartition("\n")[2].strip()) and (
            is_last or not (isinstance(after, str) and after.partition("\n")[0].strip())
        ):
            yield part


def _written(placeholders: Placeholders, text: Text) -> str:
    written = placeholders.written(text)
    if written is None:
        raise _CannotPlan("The text has private-use characters, which stand for holes here.")
    return written


def _stops(placeholders: Placeholders, call: LegacyCall) -> list[str] | None:
    if call.stop_sequences is None:
        return None
    assert not isinstance(call.stop_sequences, Expression)
    return [_written(placeholders, stop) for stop in call.stop_sequences]


def _number(value: float | Expression | None, stand_in: float) -> float | None:
    return stand_in if isinstance(value, Expression) else value
