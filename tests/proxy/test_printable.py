import json

import pytest

from proxy.printable import json_line, printable


@pytest.mark.parametrize("text", ["claude-2.1", "a b", "[red]x[/red]", "héllo 你好 🎉", "क्\u200dष"])
def test_what_can_be_printed_stays(text: str):
    assert printable(text) == text


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
    ],
)
def test_what_a_terminal_would_act_on_is_spelled(text: str, shown: str):
    assert printable(text) == shown
    assert not set(json_line(text)) - set(map(chr, range(32, 127)))
    assert json.loads(json_line(text)) == text
