"""Every row of the table keeps its word: what it says is taken out is, what it says stays does."""

import re

import pytest

from proxy.security.redaction import Redactor
from proxy.security.sensitive import KINDS

pytestmark = pytest.mark.without_coverage

REDACTOR = Redactor()
SURROUNDINGS = [
    *("{}", "so: {} and on", "{} at the front", "and at the end {}", "so it is: {}."),
    *("\n{}\n", "so.\n\n{}", r"so:\n{}\nand", r"so\t{}\r\n", "a,{},b", "({})", "<{}>"),
    *('"{}"', "'{}'", "`{}`", r"\"{}\"", "x={}", "x: {}", "x:{}", '{{"a": "{}", "b": 1}}'),
]
ESCAPED = [
    *("\x1b[01;31m\x1b[K{}\x1b[m\x1b[K", "\x9b1m{}\x9bm", r"\033[31m{}\033[0m"),
    *(r"\x1b[31m{}\x1b[0m", r"\u001b[1m{}\u001b[m", r"a\u003d{}\u0026b", r"\u0022{}\u0022"),
    *(r"\x22{}\x22", r"so\b{}\f", r"so\v{}\0"),
]
"""Colours of a terminal, and signs as JSON and programs spell them, which may go with it."""
EXAMPLES = [
    pytest.param(kind, example, id=f"{kind.name} {number}")
    for kind in KINDS
    for number, example in enumerate(kind.examples)
]
INNOCENTS = [
    pytest.param(innocent, id=f"{kind.name} {number}")
    for kind in KINDS
    for number, innocent in enumerate(kind.innocents)
]


def as_written(example):
    return example.replace("«", "").replace("»", "")


def as_kept(kind, example):
    marked = example if "«" in example else f"«{example}»"
    return re.sub("«.*»", f"[{kind.replacement}]", marked, flags=re.DOTALL)


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_an_example_is_taken_out_wherever_it_stands(kind, example):
    told = {around: REDACTOR.text(around.format(as_written(example))) for around in SURROUNDINGS}

    assert told == {around: around.format(as_kept(kind, example)) for around in SURROUNDINGS}


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_an_example_is_not_kept_between_colours_and_escapes(kind, example):
    secret = example.partition("«")[2].partition("»")[0] or example

    for around in ESCAPED:
        assert secret not in REDACTOR.text(around.format(as_written(example))), kind.name


@pytest.mark.measured
@pytest.mark.parametrize("innocent", INNOCENTS)
def test_an_innocent_stays_wherever_it_stands(innocent):
    told = {around: REDACTOR.text(around.format(innocent)) for around in SURROUNDINGS}

    assert told == {around: around.format(innocent) for around in SURROUNDINGS}


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_an_example_is_taken_out_across_the_pieces_of_a_text(kind, example):
    text = f"so: {as_written(example)} and on"
    told = {Redactor(piece=size).text(text) for size in (1, 2, 3, 7, 20, 50)}

    assert told == {f"so: {as_kept(kind, example)} and on"}


def test_every_row_has_a_name_of_its_own_and_is_looked_for():
    names = [kind.name for kind in KINDS]

    assert sorted(set(names)) == sorted(names)
    assert all(kind.starts or kind.words or kind.needs or kind.in_digits for kind in KINDS)
