"""
A plan in, the equivalent call for a current SDK out: ready to paste.

JSON is read by Python and JavaScript alike as what it says, as long as it
holds neither null nor true nor false, which these requests do not; so values
are spelled as JSON and nothing a prompt says can get out of its quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from translators.plan import Plan
from translators.wire.dialects import UPSTREAM_VERSION

_Fields: TypeAlias = Mapping[str, object]

# Gone from the SDKs' signatures, and from API version 2026-10-21 (messages-wire 1.2, 1.7).
_SAMPLING: Final = frozenset({"temperature", "top_p", "top_k"})
_OLDER_VERSION: Final = (
    f"The SDK has no sampling parameters any more; version {UPSTREAM_VERSION} of the API has."
)


_BEYOND: Final = re.compile("[\U00010000-\U0010ffff]")
# Above this the SDKs of today refuse to wait for a whole answer (messages-wire 1.9).
_MAX_TOKENS_WHOLE: Final = 21_333


def as_code(plan: Plan, language: str) -> str:
    """Write the Messages call; `language` is one of `LANGUAGES`."""
    fields: dict[str, object] = msgspec.to_builtins(plan.request)
    fields.pop("stream", None)
    return _WRITERS[language](plan, fields)


def _python(plan: Plan, fields: _Fields) -> str:
    named, sampling = _divided(fields)
    arguments = [f"{name}={_literal(value)}," for name, value in named.items()]
    if sampling:
        arguments += [
            f"# {_OLDER_VERSION}",
            f'extra_headers={{"anthropic-version": "{UPSTREAM_VERSION}"}},',
            f"extra_body={_literal(sampling)},",
        ]
    call = _indented(arguments, "    ")
    head = f"{_notes(plan, '#')}import anthropic\n\nclient = anthropic.Anthropic()\n"
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
    named, sampling = _divided(fields)
    members = [f"{name}: {_json(value)}," for name, value in named.items()]
    options = ""
    if sampling:
        members += [f"// {_OLDER_VERSION}", f"...{_json(sampling)},"]
        options = f', {{ headers: {{ "anthropic-version": "{UPSTREAM_VERSION}" }} }}'
    call = _indented(members, "  ")
    head = (
        f'{_notes(plan, "//")}import Anthropic from "@anthropic-ai/sdk";\n\n'
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
    return (
        f"{_notes(plan, '#')}"
        'curl "${ANTHROPIC_BASE_URL:-https://api.anthropic.com}/v1/messages" \\\n'
        '  -H "x-api-key: $ANTHROPIC_API_KEY" \\\n'
        f'  -H "anthropic-version: {UPSTREAM_VERSION}" \\\n'
        '  -H "content-type: application/json" \\\n'
        f"  -d {_quoted_for_a_shell(body)}\n"
    )


_WRITERS: Final[Mapping[str, Callable[[Plan, _Fields], str]]] = {
    "python": _python,
    "typescript": _typescript,
    "curl": _curl,
}
LANGUAGES: Final = tuple(_WRITERS)


def _streams(plan: Plan) -> bool:
    return plan.is_streamed or plan.request.max_tokens > _MAX_TOKENS_WHOLE


def _divided(fields: _Fields) -> tuple[dict[str, object], dict[str, object]]:
    named = {name: value for name, value in fields.items() if name not in _SAMPLING}
    return named, {name: value for name, value in fields.items() if name in _SAMPLING}


def _notes(plan: Plan, mark: str) -> str:
    """What the call does not do by itself, as comments."""
    notes = [f"Cut the text at {json.dumps(stop)} yourself." for stop in plan.emulated_stops]
    if plan.echo:
        notes.append(f"Take {json.dumps(plan.echo)} off the start of the text if it is there.")
    return "".join(f"{mark} {note}\n" for note in notes)


def _indented(items: list[str], by: str) -> str:
    # Not by `textwrap.indent`, which takes U+2028 in a string for the end of a line.
    return "\n".join(by + line for item in items for line in item.split("\n"))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=4)


def _literal(value: object) -> str:
    """
    JSON as Python reads it, however it is shown.

    Whoever shows code spells what cannot be seen as JSON does: beyond U+FFFF in
    two halves, which in Python are two characters. So that is spelled here.
    """
    return _BEYOND.sub(lambda found: _spelled(found[0]), _json(value))


def _spelled(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _quoted_for_a_shell(text: str) -> str:
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"
