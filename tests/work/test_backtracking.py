import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import scaled
from tests.work.backtracking import Run, steps_of

pytestmark = pytest.mark.without_coverage

PATTERNS = [
    *("", "a", "ab|a|b", "a*", "a*?b", "a+b?", "a{2,3}b", "a{2,}?", "(a|b)*b", "(?:a?)*b", "(a*)+"),
    *("(a)(b)?c*", r"(?P<x>[ab])(?P=x)", r"(a*)b\1", "(?<!a)b", "(?<=ab)c", "a(?!b)", "(?=(a+))b*"),
    *("a++b", "(?>a|ab)c", "[^a]+", r"\w+\b", "^a|b$", "(?m)^a|b$", r"\Aa|b\Z", "(?s:.)a", ".a"),
    *("(?i)A[B]", "(?i:A)a", "(?!)", "a(?!)|b", "(?:ab|a)(?:c|bc)", "(?:a|ab)*?c", r"\s*(a|b) ?"),
]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=scaled(200))
@given(text=st.text("abcA \n", max_size=8))
def test_it_finds_what_re_finds(pattern, text):
    compiled = re.compile(pattern)

    assert [*Run(compiled, text).spans()] == [found.span() for found in compiled.finditer(text)]


def growth(pattern, method, character):
    """How many times as many steps twice as long a text takes."""
    compiled = re.compile(pattern)
    less, more = (steps_of(compiled, method, character * size) for size in (100, 200))
    return round(more / less, 1)


@pytest.mark.parametrize(
    ("pattern", "method", "character", "times"),
    [
        ("a*b", "match", "a", 2.0),
        ("a*b", "search", "a", 4.0),
        (r"\s+x", "search", " ", 4.0),
        ("a*+b", "match", "a", 2.0),
        ("a", "findall", "a", 2.0),
        ("a*a*b", "match", "a", 3.9),
        ("b", "search", "a", 2.0),
        ("a*b", "fullmatch", "a", 2.0),
    ],
)
def test_steps_grow_as_the_text_makes_the_pattern_backtrack(pattern, method, character, times):
    assert growth(pattern, method, character) == times


def test_steps_of_a_nested_repetition_double_with_every_character():
    nested = re.compile("(?:a+)+b")
    fewer, more = (steps_of(nested, "match", "a" * size) for size in (10, 11))

    assert more > 1.9 * fewer


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("search", ("a" * 1_000, 990)),
        ("search", ("a" * 1_000, 0, 10)),
        ("match", ("b" * 1_000,)),
        ("search", ("aab" * 1_000,)),
    ],
    ids=["from there on", "up to there", "only at the start", "up to the first"],
)
def test_only_what_is_looked_at_is_counted(method, arguments):
    assert steps_of(re.compile("b"), method, *arguments) <= 11


@pytest.mark.parametrize("arguments", [("", "ab" * 100), ("", "ab" * 100, 1)])
def test_a_replacement_looks_at_all_of_a_text(arguments):
    assert steps_of(re.compile("b"), "sub", *arguments) == 201
    assert steps_of(re.compile("b"), "split", *arguments[1:]) == 201


def test_characters_of_a_class_count_where_they_are_no_table():
    plain, astral = ("".join(map(chr, range(start, start + 200, 2))) for start in (0x100, 0x20000))

    assert steps_of(re.compile(f"[{plain}]"), "search", "a" * 10) == 11
    assert steps_of(re.compile(f"[{astral}]"), "search", "a" * 10) == 11 * 101
