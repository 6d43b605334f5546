"""
Render a report as one HTML file: for a browser, a phone or a printer, light or dark.

    Report -> phrases, charts -> page.html, style.css -> one file

The file fetches nothing and runs nothing: it contains no script, and its own
content security policy forbids both. Texts of clients are shown as text: the
template escapes all markup but ours, and invisible characters are spelled out.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from proxy.report import formatting, phrases
from proxy.report.code_listing import code_lines
from proxy.report.model import Report
from proxy.report.page import charts
from proxy.terminal_text import escape_for_terminal

__all__ = ["STYLE", "as_html", "environment_for"]

_HERE: Final = Path(__file__).parent
STYLE: Final = (_HERE / "style.css").read_text()
"""The style sheet, which the console carries on."""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

# The browser enforces this even if foreign markup should get into the page.
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)


def environment_for(*folders: Path) -> Environment:
    """Return what renders the templates in these folders, with the macros and filters of a page."""
    environment = Environment(
        loader=FileSystemLoader([*folders, _HERE]),
        autoescape=True,
        # Foreign text shows its invisible characters; markup is ours.
        finalize=lambda value: (
            escape_for_terminal(value)
            if isinstance(value, str) and not isinstance(value, Markup)
            else value
        ),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        **formatting.FILTERS,
        "caller_name": phrases.caller_name,
        "code_lines": code_lines,
        "join_names": phrases.join_names,
    }
    environment.globals |= {"phrases": phrases, "charts": charts}
    return environment


_ENVIRONMENT: Final = environment_for()


def as_html(report: Report) -> str:
    """Return the whole page."""
    return _ENVIRONMENT.get_template("page.html").render(report=report, policy=_POLICY, style=STYLE)
