"""Recognise what somebody has pasted in place of a legacy request, to say what to paste instead."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from translators import UNREADABLE

_LINE_END: Final = re.compile(r"\\\r?\n")
_CURL: Final = re.compile(r"(?:\$\s*)?curl\s")
_HTTP: Final = re.compile(r"[A-Z]+ \S+ HTTP/")
_CODE: Final = re.compile(r"\b(?:completions?|messages)\.create\b|\b[Aa]nthropic\(|\bimport\s")
_DATA: Final = ("-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--json")
_POSITION: Final = re.compile(r"\(byte (\d+)\)")
_MAX_COMMAND: Final = 50_000
"""Limit on a command or code that is looked into."""
_LEGACY: Final = "`model`, `prompt` and `max_tokens_to_sample`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something that is not a legacy request."""

    what: str
    """Sentences about what it is, and what to paste."""
    instead: str | None = None
    """The request that was found in it; None if there is none."""


def mistake_in(text: str) -> Mistake | None:
    """Return what a text is if it is no JSON object of a legacy request, as far as one can tell."""
    text = text.strip()
    if not text:
        return Mistake(what=f"Paste a request first: a JSON object with {_LEGACY}.")
    if _CURL.match(text):
        return _in_curl(text)
    if _HTTP.match(text):
        _, _, body = text.replace("\r\n", "\n").partition("\n\n")
        return _around(
            body, "This is a whole HTTP request. Paste only its body, after the headers."
        )
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE as exc:
        return _not_json(text, exc)
    if not isinstance(value, dict):
        return Mistake(
            what=f"This is JSON, but not an object: a request is written as {{...}} with {_LEGACY}."
        )
    return _in_object(value)


def _in_curl(text: str) -> Mistake:
    what = "This is a curl command. Paste only what follows `-d`, without the quotes around it."
    if len(text) > _MAX_COMMAND:
        return Mistake(what=what)
    try:
        words = shlex.split(_LINE_END.sub(" ", text))
    except ValueError:  # a quote is not closed
        return Mistake(what=what)
    data = next(_data_of(words), "")
    if data.startswith("@"):
        return Mistake(
            what=f"This is a curl command that sends the file {data[1:101]}: paste what is in it."
        )
    return _around(data, what)


def _data_of(words: list[str]) -> Iterator[str]:
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word in _DATA and place + 1 < len(words):
            yield words[place + 1]
        elif name in _DATA and equals:
            yield value
        elif word.startswith("-d") and not word.startswith("--"):
            yield word[2:]


def _around(body: str, what: str) -> Mistake:
    """Return the mistake of pasting more than a body, and the body if it is a legacy request."""
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return Mistake(what=what)
    is_legacy = isinstance(value, dict) and "prompt" in value
    return Mistake(what=what, instead=body.strip() if is_legacy else None)


def _not_json(text: str, exc: Exception) -> Mistake:
    if _CODE.search(text, 0, _MAX_COMMAND):
        return Mistake(
            what="This is code. Paste what it sends: with `ANTHROPIC_LOG=debug` (Python, "
            "TypeScript) the SDK prints it, and the page of an exchange shows what was recorded."
        )
    # The messages have a position and a reason, never content.
    reason = str(exc).removeprefix("JSON is malformed: ")
    if (found := _POSITION.search(reason)) is not None:
        before = text.encode()[: int(found[1])].decode(errors="ignore").split("\n")
        where = f" at line {len(before)}, column {len(before[-1]) + 1}"
        reason = where + ": " + reason[: found.start()].rstrip()
    else:
        reason = f": {reason}"
    hint = ""
    if "'" in text and '"' not in text:
        hint = " JSON has double quotes around names and texts."
    return Mistake(what=f"This is not JSON{reason}.{hint} Paste a JSON object with {_LEGACY}.")


def _in_object(value: dict[str, Any]) -> Mistake | None:
    if "prompt" in value:
        return None
    if "messages" in value:
        return Mistake(
            what="This is a request of the Messages API already, so there is nothing to translate: "
            f"send it to `/v1/messages`. Here belongs a request to `/v1/complete`, with {_LEGACY}."
        )
    if "completion" in value or value.get("type") in {"completion", "message", "error"}:
        return Mistake(what="This is an answer. Paste the request that it was given to.")
    match value:
        case {"bodies": {"legacy_in": {"content": dict(legacy)}}}:
            return Mistake(
                what="This is what `holdover show --format json` prints. Paste `content` of its "
                "`legacy_in`.",
                instead=json.dumps(legacy, ensure_ascii=False, indent=2),
            )
        case _:
            return None
