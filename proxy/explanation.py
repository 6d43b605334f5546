"""Explanations as shown to users: of a translation plan, and of the timing of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

from translators import EXPLANATIONS, REMEDIES, Plan

_LONGEST_TEXT: Final = 200


def as_explanation(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON data: the Messages request, its adjustments, the answer's form."""
    return {
        "request": plan.request,
        "adjustments": [
            {
                "kind": adjustment.kind.value,
                "field": adjustment.field,
                "asked": adjustment.asked,
                "sent": adjustment.sent,
                "why": EXPLANATIONS[adjustment.kind],
                "remedy": REMEDIES[adjustment.kind],
            }
            for adjustment in plan.adjustments
        ],
        "answer": {
            "version": plan.dialect.version,
            "model": plan.echoed_model,
            "emulated_stops": plan.emulated_stops,
            "removed_echo": plan.echo,
            "gains_leading_space": plan.gains_leading_space,
        },
    }


def in_prose(plan: Plan) -> Iterator[str]:
    """Yield the lines of a plan in prose: what is sent, what was changed and why, the answer."""
    yield opening_of(plan)
    yield ""
    yield "What is sent to the Messages API:"
    yield from (f"  {line}" for line in sent_lines(plan))
    yield ""
    if plan.adjustments:
        yield "What is adjusted, why, and how the caller can do without:"
    else:
        yield "Nothing has to be adjusted."
    for adjustment in plan.adjustments:
        kind, change = adjustment.kind, f"{adjustment.asked} -> {adjustment.sent}"
        yield f"  {kind.value} ({adjustment.field}: {change})"
        yield f"    {EXPLANATIONS[kind]} {REMEDIES[kind]}"
    yield ""
    yield f"What the client gets back, in the form of {plan.dialect.version}:"
    yield from (f"  {line}" for line in answer_lines(plan))


def opening_of(plan: Plan) -> str:
    """Return a sentence about the model that is asked for, and what it becomes."""
    becomes = "" if plan.asked_model == plan.sent_model else f", which becomes {plan.sent_model}"
    return f"The request asks for {plan.asked_model}{becomes}."


def sent_lines(plan: Plan) -> Iterator[str]:
    """Yield what is sent, a line for each part; long texts are cut."""
    request = plan.request
    yield f"at most {request.max_tokens} tokens{', streamed' if request.stream else ''}"
    if request.system is not None:
        yield f"system: {_quoted(request.system)}"
    for message in request.messages:
        yield f"{message.role}: {_quoted(message.content)}"
    for stop in request.stop_sequences:
        yield f"stop at: {_quoted(stop)}"
    for name in ("temperature", "top_p", "top_k"):
        if (value := getattr(request, name)) is not None:
            yield f"{name}: {value:g}"
    if request.metadata is not None:
        yield "metadata, as they are given"


def answer_lines(plan: Plan) -> Iterator[str]:
    """Yield what becomes of the answer, a line for each thing that is done to it."""
    yield f"a completion that names {plan.echoed_model or 'the model that has answered'}"
    if plan.gains_leading_space:
        yield "a space at its beginning, as the legacy API put one"
    for stop in plan.emulated_stops:
        yield f"its text up to {_quoted(stop)}, where Holdover cuts it"
    if plan.echo:
        yield f"without the prefill, should the model repeat it: {_quoted(plan.echo)}"


def model_in_words(asked: str | None, answered: str | None) -> str:
    """Return the model that was asked for, and the one that answers if it is another."""
    shown = asked or "-"
    return shown if answered in {None, asked} else f"{shown} -> {answered}"


def timing_in_words(timing: object) -> str:
    """
    Describe the timing of a stream: when its first text came, and how far apart the others.

    It is `[[milliseconds, event, characters], ...]` as decoded from a store.
    """
    try:
        events = msgspec.convert(timing, list[tuple[float, str, int]])
    except msgspec.ValidationError:  # damaged, or written by another version
        return "a stream whose timing cannot be read"
    times = [time for time, _, characters in events if characters]
    if not times:
        return f"a stream of {len(events)} events, none with text"
    begin = f"a stream of {len(events)} events, {len(times)} with text"
    begin += f": the first after {times[0]:.1f} ms"
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if not gaps:
        return begin
    return f"{begin}, then {median(gaps):.1f} ms apart (median), at most {max(gaps):.1f} ms"


def _quoted(text: str) -> str:
    """Quote a text on one line, cut to a length."""
    cut = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
    return json.dumps(cut, ensure_ascii=False)
