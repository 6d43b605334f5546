"""Redaction takes steps in proportion to a text, whatever the text is: steps, not time."""

import inspect
import re
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.security.sensitive import (
    KINDS,
    Finder,
    Kind,
    credentials,
    machines,
    named,
    people,
    telephones,
    values,
    vendors,
)
from proxy.security.sensitive.kinds import MAX_SHAPE_LENGTH
from tests.proxy.security.sensitive.counted import Steps
from tests.proxy.security.sensitive.hostile import COMMON, hostile_to

pytestmark = pytest.mark.without_coverage

SIZE = 60
MAX_STEPS = 100
"""For each character, of one kind and its worst text, or of all kinds and a common one."""
MODULES: list[ModuleType] = [credentials, machines, named, people, telephones, values, vendors]
HELPERS = [
    pytest.param(one.pattern, how, id=f"{module.__name__} {name} {how}")
    for module in MODULES
    for name, one in vars(module).items()
    if isinstance(one, re.Pattern)
    for how in sorted(set(re.findall(rf"\b{name}\.(\w+)", inspect.getsource(module))))
]
"""Expressions for a closer look, and how they are used."""


def counting(*kinds):
    """Steps of expressions for a text, and characters of what a closer look is given."""
    steps = Steps()

    def counted(kind):
        def confirm(found, free):
            steps.count += len(found[0])
            return kind.confirm(found, free)

        return replace(kind, confirm=confirm)

    finder = Finder(map(counted, kinds), piece=1 << 20, compiled=steps.compiled)

    def count(text):
        before = steps.count
        finder.without(text)
        return steps.count - before

    return count


COUNT_ALL = counting(*KINDS)


def is_in_proportion(part, count):
    """Whether twice as much of it takes twice as many more steps, not four times as many."""
    times = SIZE // len(part) + 1
    once, twice, four_times = (count(part * times * more) for more in (1, 2, 4))
    few = 4 * SIZE  # where it matters how the text ends
    size = 4 * times * len(part)
    return four_times - twice <= 2.5 * (twice - once) + few and four_times <= MAX_STEPS * size


@pytest.mark.one_in(8)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_is_looked_for_in_time_that_grows_with_the_text_and_no_faster(kind):
    count = counting(kind)
    slow = [part for part in set(hostile_to(kind)) if not is_in_proportion(part, count)]

    assert slow == []


@pytest.mark.one_in(3)
@pytest.mark.parametrize("part", COMMON)
def test_a_text_of_one_thing_only_is_no_harder(part):
    assert is_in_proportion(part, COUNT_ALL)


@pytest.mark.parametrize(("expression", "how"), HELPERS)
def test_a_closer_look_takes_time_in_proportion_to_what_it_looks_at(expression, how):
    steps = Steps()
    look = getattr(steps.compiled(expression), how)

    def count(text):
        before = steps.count
        list(look(text)) if how == "finditer" else look(text)
        return steps.count - before

    assert [part for part in COMMON[::2] if not is_in_proportion(part, count)] == []


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        # From each beginning to the end of the text.
        (Kind("", "", "[a-z]*+!", words=("x",), examples=()), "x"),
        (Kind("", "", "[A-Za-z0-9-]*!", starts=("k-",), examples=()), "k-A1b2C3d4-"),
        (Kind("", "", r"\d[\d ]*!", needs=("1",), examples=()), "1 "),
        (Kind("", "", r"\d[\d ]*!", in_digits=True, examples=()), "1 "),
        # Back and forth.
        (Kind("", "", "[ab]*[ac]*!", needs=("a",), examples=()), "a" * 24 + " "),
        # The expression is quick, and the closer look is at all of it.
        (
            Kind("", "", "(?=(?s:.*))", words=("x",), confirm=lambda *_: None, examples=()),
            "x",
        ),
    ],
)
def test_an_expression_that_is_not_in_proportion_would_be_noticed(kind, part):
    assert not is_in_proportion(part, counting(kind))


counted_expression = cache(Steps().compiled)


@given(
    st.sampled_from(KINDS),
    st.lists(
        st.sampled_from((*COMMON, "sk-ant-12345678", "Tel 030 1234567", "p: hunter2 ")), max_size=5
    ),
    st.data(),
)
def test_the_counted_expressions_are_those_of_the_standard_library(kind, parts, data):
    parts += data.draw(st.lists(st.sampled_from(list(hostile_to(kind))), max_size=3))
    text = "".join(parts)
    counted = counted_expression(kind.whole_expression)

    assert [(found.span(), found.lastgroup) for found in counted.finditer(text)] == [
        (found.span(), found.lastgroup) for found in re.finditer(kind.whole_expression, text)
    ]


class Watched:
    """An expression, and how much of a text it was last given to search."""

    def __init__(self, expression, searched):
        self._pattern, self._searched = re.compile(expression), searched

    def match(self, text, at):
        return self._pattern.match(text, at)

    def search(self, text):
        self._searched.append(len(text))
        return self._pattern.search(text)

    def finditer(self, text, at, end):
        self._searched.append(end - at)
        return self._pattern.finditer(text, at, end)


@pytest.mark.parametrize("size", [1000, 4000, 16_000])
@pytest.mark.parametrize("part", ["so it is. ", "12 34 ", "a:b@c.de 10.0.0.1 token=aB3dE5fG7h "])
def test_other_threads_have_their_turn_between_the_pieces_of_a_text(part, size):
    searched: list[int] = []

    def watched(expression) -> Any:
        return Watched(expression, searched)

    finder = Finder(KINDS, piece=size, compiled=watched)

    finder.without(part * 4000)

    assert max(searched) <= size + MAX_SHAPE_LENGTH
