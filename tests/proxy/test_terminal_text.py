import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.terminal_text import escape_for_terminal, json_line


@pytest.mark.parametrize(
    "text",
    [
        "claude-2.1",
        "a b",
        "[red]x[/red]",
        "héllo 你好 🎉",
        "क्\u200dष",
        "می\u200cکنم",
        "👩\u200d💻",
    ],
)
def test_what_can_be_printed_stays(text: str):
    assert escape_for_terminal(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", r"\u001b[2Jgone"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b31m", r"\u009b31m"),
        ("\x7f\x00", r"\u007f\u0000"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\udb40\udc41"),
        ("a\u200db", r"a\u200db"),
        ("\u200cक", r"\u200cक"),
        ("क\u200d\u200dक", r"क\u200d\u200dक"),
    ],
)
def test_what_a_terminal_would_act_on_is_spelled(text: str, shown: str):
    assert escape_for_terminal(text) == shown
    assert not set(json_line(text)) - set(map(chr, range(32, 127)))
    assert json.loads(json_line(text)) == text


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_nothing_that_unicode_does_not_call_printable_is_printed():
    """All there is, each between letters."""
    characters = map(chr, range(sys.maxunicode + 1))
    text = "".join(f"a{each}" for each in characters if not each.isprintable())

    assert escape_for_terminal(text).isprintable()


@given(st.text())
def test_what_is_printed_says_the_same_and_nothing_on_top_is_hidden(text: str):
    shown = escape_for_terminal(text)

    assert shown.isprintable() or set(shown) & {"\u200c", "\u200d"}
    assert (
        json.loads(f'"{escape_for_terminal(json.dumps(text, ensure_ascii=False)[1:-1])}"') == text
    )
    assert escape_for_terminal(shown) == shown
