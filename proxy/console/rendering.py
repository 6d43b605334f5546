"""
Make pages from templates, with the report's style, charts and words.

Values are escaped, and invisible characters in them are spelled out: whatever callers, models
and prompts are called, they are text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment
from markupsafe import Markup, escape

from proxy.console import answers
from proxy.report.page import STYLE, environment_for
from proxy.terminal_text import escape_for_terminal
from translators import EXPLANATIONS, REMEDIES

_HERE: Final = Path(__file__).parent
_STATIC: Final = _HERE / "static"

CONTENT_TYPES: Final[Mapping[str, str]] = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
}
"""Files that pages fetch, by name."""


@cache
def static_files() -> Mapping[str, bytes]:
    """Return the files that pages fetch, by a name that changes with their contents."""
    contents = {
        "console.css": (STYLE + (_STATIC / "console.css").read_text()).encode(),
        "console.js": (_STATIC / "console.js").read_bytes(),
    }
    return {f"{_version_of(data)}/{name}": data for name, data in contents.items()}


def render(template: str, **values: object) -> str:
    """Return a page."""
    return _environment().get_template(template).render(values)


def lines(text: str) -> Markup:
    """Return a text for `pre`: its line ends stay, what else is invisible is spelled out."""
    # Not `splitlines`, which also splits at U+2028.
    return Markup("\n").join(map(escape_for_terminal, text.split("\n")))


@cache
def _environment() -> Environment:
    environment = environment_for(_HERE / "templates")
    # What stands in a field of a form has to come back as it is.
    environment.filters |= {"lines": lines, "unchanged": escape}
    environment.globals |= {
        "longest": answers.LONGEST,
        "explanations": {kind.value: text for kind, text in EXPLANATIONS.items()},
        "remedies": {kind.value: text for kind, text in REMEDIES.items()},
        "static": {path.rpartition("/")[2]: f"/static/{path}" for path in static_files()},
    }
    return environment


def _version_of(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
