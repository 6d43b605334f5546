"""Whatever a literal says, it is read and written back as the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.migrate.text import Hole, Text, text_of
from proxy.migrate.typescript.literals import decoded, quoted
from proxy.migrate.typescript.nodes import first_error, parse
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.texts import TextReader
from proxy.migrate.typescript.writing import Writer

# Marker words and halves of characters are read in ways of their own.
_LETTERS = st.text(st.characters(codec="utf-8"), max_size=12) | st.text(
    "`$\\{}\n\r\"'0u", max_size=9
)
_TEXTS = st.lists(_LETTERS | st.sampled_from(["a", "b.c", "f(`x`)"]).map(Hole), max_size=5)


def read(code: str) -> Text:
    root = parse(f"x = {code};\n", "typescript")
    assert first_error(root) is None, code
    source = Source(f"x = {code};\n", root)
    assignment = next(node for node in source.nodes if node.kind == "assignment_expression")
    return TextReader(source).read(assignment.named[-1]).text


@given(parts=_TEXTS, keeps_lines=st.booleans())
def test_a_template_that_is_written_and_read_again_is_the_same(
    parts: list[str | Hole], keeps_lines: bool
):
    text = text_of(*parts)

    again = read(Writer(keeps_lines=keeps_lines).text(text))

    assert [part if isinstance(part, str) else part.source for part in again] == [
        part if isinstance(part, str) else part.source for part in text
    ]


@given(text=_LETTERS, quote=st.sampled_from(["'", '"']))
def test_a_string_that_is_written_and_read_again_is_the_same(text: str, quote: str):
    assert "".join(map(str, read(quoted(text, quote)))) == text


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("\\n\\r\\t\\b\\f\\v\\0", "\n\r\t\b\f\v\0"),
        ("\\101\\7\\08\\x41\\u0041\\u{1F600}", "A\x07\0" + "8AA😀"),
        ("\\ud83d\\ude00", "😀"),
        ("\\ud83d", "\ud83d"),
        ("a\\\nb\\\r\nc\\\u2028d", "abcd"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\\`\\$\\q\\8", "`$q8"),
    ],
)
def test_escapes_say_what_they_say_in_javascript(raw: str, said: str):
    assert decoded(raw) == said


def test_what_cannot_be_seen_is_written_as_an_escape():
    assert quoted("\x07\u200b\U000e0001é", '"') == '"\\x07\\u200b\\u{e0001}é"'
