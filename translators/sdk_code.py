"""
Write the call of a current SDK that is equivalent to a plan.

Values are written as JSON, so that no prompt can break out of its quotes. JSON
without null, true and false, which these requests never contain, is valid in
Python and JavaScript. Comments say in what the call differs from the client's
request, adjustment by adjustment, and what is left to do with its answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from translators.adjustments import (
    EXPLANATIONS,
    AdjustmentKind,
    describe_blank,
)
from translators.plan import Plan
from translators.wire.dialects import UPSTREAM_VERSION

_Fields: TypeAlias = Mapping[str, object]

# Removed from the SDKs' signatures and from API version 2026-10-21 (messages-wire 1.2, 1.7).
_SAMPLING: Final = frozenset({"temperature", "top_p", "top_k"})
_OLDER_VERSION: Final = (
    f"The SDK no longer has sampling parameters; version {UPSTREAM_VERSION} of the API does."
)


_BEYOND_THE_BASIC_PLANE: Final = re.compile("[\U00010000-\U0010ffff]")
# The SDKs refuse to wait for a whole answer of more tokens (messages-wire 1.9).
_MAX_TOKENS_WHOLE: Final = 21_333


def as_code(plan: Plan, language: str) -> str:
    """Write the Messages call of a plan; `language` is one of `LANGUAGES`."""
    fields: dict[str, object] = msgspec.to_builtins(plan.request)
    fields.pop("stream", None)
    return _WRITERS[language](plan, fields)


def _python(plan: Plan, fields: _Fields) -> str:
    named, sampling = _split_sampling(fields)
    arguments = [f"{name}={_literal(value)}," for name, value in named.items()]
    if sampling:
        arguments += [
            f"# {_OLDER_VERSION}",
            f'extra_headers={{"anthropic-version": "{UPSTREAM_VERSION}"}},',
            f"extra_body={_literal(sampling)},",
        ]
    call = _indented(arguments, "    ")
    head = f"{_comments(plan, '#')}import anthropic\n\nclient = anthropic.Anthropic()\n"
    if _streams(plan):
        return (
            f"{head}with client.messages.stream(\n{call}\n) as stream:\n"
            "    for text in stream.text_stream:\n"
            '        print(text, end="", flush=True)\n'
        )
    return (
        f"{head}message = client.messages.create(\n{call}\n)\n"
        'print("".join(block.text for block in message.content if block.type == "text"))\n'
    )


def _typescript(plan: Plan, fields: _Fields) -> str:
    named, sampling = _split_sampling(fields)
    members = [f"{name}: {_json(value)}," for name, value in named.items()]
    options = ""
    if sampling:
        members += [f"// {_OLDER_VERSION}", f"...{_json(sampling)},"]
        options = f', {{ headers: {{ "anthropic-version": "{UPSTREAM_VERSION}" }} }}'
    call = _indented(members, "  ")
    head = (
        f'{_comments(plan, "//")}import Anthropic from "@anthropic-ai/sdk";\n\n'
        "const client = new Anthropic();\n"
    )
    if _streams(plan):
        return (
            f"{head}const stream = client.messages.stream({{\n{call}\n}}{options});\n"
            'stream.on("text", (text) => process.stdout.write(text));\n'
            "await stream.finalMessage();\n"
        )
    return (
        f"{head}const message = await client.messages.create({{\n{call}\n}}{options});\n"
        'console.log(message.content.map((b) => (b.type === "text" ? b.text : "")).join(""));\n'
    )


def _curl(plan: Plan, fields: _Fields) -> str:
    body = _json({**fields, "stream": True} if plan.is_streamed else fields)
    quoted = body.replace("'", "'\\''")
    return (
        f"{_comments(plan, '#')}"
        'curl "${ANTHROPIC_BASE_URL:-https://api.anthropic.com}/v1/messages" \\\n'
        '  -H "x-api-key: $ANTHROPIC_API_KEY" \\\n'
        f'  -H "anthropic-version: {UPSTREAM_VERSION}" \\\n'
        '  -H "content-type: application/json" \\\n'
        f"  -d '{quoted}'\n"
    )


_WRITERS: Final[Mapping[str, Callable[[Plan, _Fields], str]]] = {
    "python": _python,
    "typescript": _typescript,
    "curl": _curl,
}
LANGUAGES: Final = tuple(_WRITERS)


def _streams(plan: Plan) -> bool:
    return plan.is_streamed or plan.request.max_tokens > _MAX_TOKENS_WHOLE


def _split_sampling(fields: _Fields) -> tuple[dict[str, object], dict[str, object]]:
    named = {name: value for name, value in fields.items() if name not in _SAMPLING}
    return named, {name: value for name, value in fields.items() if name in _SAMPLING}


def _comments(plan: Plan, mark: str) -> str:
    """Return comments on what the call has changed, and on what it does not do."""
    notes: list[str] = []
    for adjustment in plan.adjustments:
        if adjustment.kind is AdjustmentKind.EMULATE_STOP_SEQUENCE:
            continue  # a note of its own says more
        asked, sent = _in_a_comment(adjustment.asked), _in_a_comment(adjustment.sent) or "nothing"
        field = _in_a_comment(adjustment.field)
        notes.append(f"{field}: {asked} -> {sent}. {EXPLANATIONS[adjustment.kind]}")
    notes += [f"Cut the text at {json.dumps(stop)} yourself." for stop in plan.emulated_stops]
    if plan.echo:
        notes.append(f"Take {json.dumps(plan.echo)} off the start of the text if it is there.")
    if plan.trimmed:
        trimmed = describe_blank(plan.trimmed)
        notes.append(f"Take {trimmed} off the start of the text, as far as it is there.")
    return "".join(f"{mark} {note}\n" for note in notes)


def _in_a_comment(text: str) -> str:
    """Return a text that ends no comment: clients choose the names of models and fields."""
    return text if text.isascii() and text.isprintable() else json.dumps(text)


def _indented(items: list[str], by: str) -> str:
    # `textwrap.indent` would also break lines at U+2028 inside a string.
    return "\n".join(by + line for item in items for line in item.split("\n"))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=4)


def _literal(value: object) -> str:
    """
    Return a value as JSON that is also a Python literal.

    Code is displayed with unprintable characters escaped as in JSON. Beyond
    U+FFFF that means a surrogate pair, which Python reads as two characters, so
    those characters are escaped here, in Python's way.
    """
    return _BEYOND_THE_BASIC_PLANE.sub(
        lambda found: found[0] if found[0].isprintable() else f"\\U{ord(found[0]):08x}",
        _json(value),
    )
