"""
A report as one HTML file: for a browser, a phone, or a printer; light or dark.

    Report -> words, drawings -> page.html, style.css -> one file

It fetches nothing and runs nothing: there is no script in it, and its own
policy forbids both. Whatever a client said is shown as text: the template
escapes all that is not markup of ours, and what cannot be seen is spelled.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from proxy.report import formatting as spelling
from proxy.report import phrases as words
from proxy.report.code_listing import code_lines
from proxy.report.model import Report
from proxy.report.page import charts as drawings
from proxy.terminal_text import escape_for_terminal

__all__ = ["as_html"]

_HERE: Final = Path(__file__).parent
_STYLE: Final = (_HERE / "style.css").read_text()
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# What the page may do, even if somebody got markup of their own into it.
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)


def _shown(value: object) -> object:
    """Text with what cannot be seen spelled out; markup of ours, and what is no text, as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return escape_for_terminal(value)


_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(_HERE),
    autoescape=True,
    finalize=_shown,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {
    **spelling.FILTERS,
    "called": words.called,
    "code_lines": code_lines,
    "names": words.names,
}


def as_html(report: Report) -> str:
    """The whole page."""
    return _ENVIRONMENT.get_template("page.html").render(
        report=report, policy=_POLICY, style=_STYLE, words=words, draw=drawings
    )
