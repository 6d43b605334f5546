"""
Whatever somebody else's text is, a report as Markdown is built the same, with that text in code.

A real parser says so (CommonMark, and tables as GitHub has them). What sites
make links or mentions of on top of that, they leave alone in code.
"""

from itertools import chain
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from proxy.report.formatting import short
from proxy.report.markdown import as_markdown
from proxy.report.model import Report, Spent
from proxy.terminal_text import escape_for_terminal
from tests.hypothesis_profiles import scaled
from tests.proxy.report.factories import (
    adjustment,
    call,
    caller,
    counted,
    error,
    readiness,
    reason,
    report,
    retirement,
    shadows,
)

PLAIN = "x"
NONE = "none"
"""How a report counts what was not said."""
OURS = {
    *("made", "since", "until", "begin", "first_seen", "last_seen", "retires", "not_before"),
    *("recorded_since", "step", "language", "work", "explanation", "remedy", "what"),
    *("what_to_do", "notes"),
}
"""Fields with words of our own; all others are taken for somebody else's."""
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
CODE = {"code_inline", "fence"}

MARKS = st.text(st.sampled_from("`|\\*_{}[]()<>#~&$@!:/.-+=\"' \n\rax1😀\u200d\u202e"), max_size=60)
TEXTS = MARKS | st.text(max_size=60)

FULL = report(
    caller(
        sdks=(counted(PLAIN), counted(PLAIN)),
        features=(counted(PLAIN),),
        adjustments=(adjustment(),),
        errors=(error(), error(status=None, type=None)),
        readiness=readiness(0.5, reason()),
        call=call(code=PLAIN),
    ),
    caller(None, digest=PLAIN, sdks=(counted(NONE),), readiness=readiness(1.0)),
    totals=msgspec.structs.replace(
        report(caller()).totals,
        spent=Spent(input_tokens=1, output_tokens=1, cost=0.5, unpriced_models=(PLAIN,) * 7),
    ),
    shadows=(shadows(), shadows(control=None, beyond_noise=None)),
    retirements=(retirement(), retirement(successor=None)),
)
NOBODY = report(caller=PLAIN)
REPORTS = pytest.mark.parametrize("plain", [FULL, NOBODY], ids=["full", "nobody"])


def with_everywhere(word: str, value: Any) -> Any:
    """The same, with this for all that is somebody else's text."""
    match value:
        case str():
            return word
        case tuple():
            return tuple(with_everywhere(word, each) for each in value)
        case msgspec.Struct():
            fields = msgspec.structs.asdict(value)
            return type(value)(
                **{
                    name: each if name in OURS else with_everywhere(word, each)
                    for name, each in fields.items()
                }
            )
        case _:
            return value


def parsed(given: Report) -> tuple[list[tuple[str, str, str]], list[str]]:
    """How a report is built, and what is in code."""
    tokens = PARSER.parse(as_markdown(given))
    flat = list(chain.from_iterable(token.children or [token] for token in tokens))
    built = [(t.type, t.tag, "" if t.type in CODE else t.content) for t in flat]
    return built, [token.content for token in flat if token.type in CODE]


@REPORTS
def test_there_is_something_to_try(plain: Report):
    built, code = parsed(with_everywhere(PLAIN, plain))

    assert any("x" in said for said in code)
    assert not [said for _, _, said in built if "x" in said.split()]


@REPORTS
@settings(max_examples=scaled(200))  # of which each is a whole report, parsed
@given(word=TEXTS.filter(lambda word: word not in {"", NONE}))
@example(
    word="@everyone <!channel> #1 !2 GH-3 owner/name#4 0123456789abcdef0123456789abcdef01234567"
)
@example(word="https://x.example www.x.example a@x.example mailto:a@x.example :smile: /close")
@example(word="![](http://x/p.png) [x](http://x) <img src=x> <http://x> &amp; ~~x~~ $x$")
@example(word=r"a\|b")
@example(word="\\\\|\\")
@example(word="|")
@example(word="`")
@example(word=" `` a ")
@example(word="  ")
@example(word="``` \n# x\n- - -\n> x\n| a | b |\n|---|---|")
def test_a_report_is_built_the_same_whatever_others_say(plain: Report, word: str):
    built, code = parsed(with_everywhere(word, plain))
    as_plain, plain_code = parsed(with_everywhere(PLAIN, plain))
    shown = {escape_for_terminal(short(word, most)) for most in (60, 120)}

    assert built == as_plain
    for said, plainly in zip(code, plain_code, strict=True):
        if plainly == PLAIN:
            assert said in shown | {each.replace(r"\|", r"\u005c|") for each in shown}


def test_of_nothing_there_is_nothing_to_see():
    text = as_markdown(report(caller(adjustments=(adjustment(kind="", examples=()),))))

    assert "``" not in text
