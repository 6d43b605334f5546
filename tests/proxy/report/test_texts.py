"""Reports for terminals and as Markdown: what they say, and that nobody's words break them."""

import re

import pytest

from proxy.report.markdown import as_markdown
from proxy.report.model import Others, Outcomes, Report, Spent
from proxy.report.terminal import as_terminal
from tests.proxy.report.factories import (
    adjustment,
    call,
    caller,
    compared,
    counted,
    coverage,
    error,
    latency,
    readiness,
    reason,
    report,
    retirement,
    shadows,
    standing,
    volume,
)

FORMATS = [as_terminal, as_markdown]
SPENT = Spent(input_tokens=1_234, output_tokens=5, cost=1.5, unpriced_models=("claude-next",))
BUSY = caller(
    owner="The search team",
    features=(counted("system"), counted("top_k", 5, 0.5)),
    adjustments=(adjustment(),),
    errors=(error(),),
    readiness=readiness(0.6, reason(), reason("mechanical", name="merge_turns")),
    latency=latency(40, 1_900),
    spent=SPENT,
    call=call(),
)
OTHERS = Others(
    callers=9_980,
    exchanges=12_000,
    share=0.2,
    outcomes=Outcomes(answered=12_000),
    spent=SPENT,
    lowest_readiness=0.25,
)


def full(**fields) -> Report:
    plain = {
        "others": OTHERS,
        "shadows": (shadows(), shadows(rule="uncontrolled", control=None, beyond_noise=None)),
        "retirements": (retirement(), retirement(model="claude-old", successor=None)),
        "coverage": coverage(notes=("No content was captured.",)),
    }
    return report(BUSY, caller("ready"), **(plain | fields))


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize(
    "said",
    [
        "2 callers still use Text Completions; 1 is ready to cut over.",
        "16 Nov 2026, 09:00 to 23 Nov 2026, 09:00 UTC",
        "No content was captured.",
        "nightly-batch",
        "Its owner is",
        "9,980 more",
        "python 0.3.11",
        "claude-2.1",
        "The model takes no prefill.",
        "to edit",
        "to decide",
        "client.messages.create(",
        "cheaper: the answers are 20 % less similar than",
        "31 Jan 2027 (69 days left)",
        "529 overloaded",
        "ready",
    ],
)
def test_it_says_everything_there_is_to_say(write, said):
    text = re.sub(r"\s+", " ", write(full()).replace("`", ""))

    assert re.sub(r"\s+", " ", said.replace("`", "")) in text


@pytest.mark.parametrize("write", FORMATS)
def test_an_empty_report_says_so_and_no_more(write):
    text = write(report())

    assert "No caller used Text Completions." in text
    assert len(text.splitlines()) < 6


HOSTILE = [
    "a|b",
    "`code` ```",
    "line\nbreak\r\n\r\n# heading",
    "[red]markup[/red] [link=http://127.0.0.1]x[/link] [/] [[",
    "\x1b[2J\x1b]0;title\x07",
    "<script>alert(1)</script>",
    "\u202eright to left\u2066",
    "null\x00 half \ud800",
    "x" * 100_000,
    "*bold* _it_ ~~no~~ $math$ &amp; \\",
]


def hostile(word: str) -> Report:
    bad = caller(
        word,
        sdks=(counted(word),),
        user_agents=(counted(word),),
        features=(counted(word),),
        adjustments=(adjustment(kind=word),),
        errors=(error(type=word),),
        call=call(code=word, exchange=word),
    )
    return report(
        bad,
        shadows=(shadows(rule=word),),
        retirements=(retirement(model=word, successor=word),),
    )


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_no_words_of_a_clients_are_obeyed(write, word):
    text = write(hostile(word))

    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text) < 60_000
    assert len(text.split("\n")) < 5_000


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_no_line_of_a_terminal_is_wider_than_it_but_code(word):
    lines = as_terminal(hostile(word)).split("\n")

    assert [line for line in lines if len(line) > 80 and not line.startswith("  x")] == []


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_every_row_of_a_markdown_table_has_the_columns_of_its_head(word):
    lines = as_markdown(hostile(word)).split("\n")

    columns = None
    for line in lines:
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert cells is None or columns is None or cells == columns, line
        columns = cells


def test_a_fence_is_longer_than_any_in_the_code():
    text = as_markdown(report(caller(call=call(code="a = '````'\n# ```"))))

    assert "\n`````python\na = '````'\n# ```\n`````\n" in text


def test_an_example_is_called_one():
    for write in FORMATS:
        assert "xample" in write(report(caller(call=call(is_captured=False))))
        assert "xample" not in write(report(caller(call=call())))


def test_bars_are_as_many_as_fit_and_something_is_never_drawn_as_nothing():
    bars = as_terminal(report(caller(), volume=volume(0, 1, 800, 400))).split("\n")
    many = as_terminal(report(caller(), volume=volume(*range(1, 145), step="day"))).split("\n")

    assert " ▁█▄" in bars
    assert max(len(line) for line in many if "█" in line) == 72


def test_a_terminal_shows_five_callers_at_length_and_says_how_to_see_the_others():
    shown = as_terminal(report(*(caller(f"c{n}", call=call()) for n in range(6))))

    assert shown.count("client.messages.create(") == 5
    assert "To see the other callers, use --caller NAME" in shown
    assert "The others" not in as_terminal(report(*(caller(f"c{n}") for n in range(5))))


def test_in_colour_it_is_coloured_and_otherwise_not():
    assert "\x1b[" in as_terminal(full(), in_color=True)
    assert "\x1b[" not in as_terminal(full())


def test_of_many_that_are_ready_the_first_are_named():
    ready = tuple(standing(caller(f"c{n}")) for n in range(120))

    given = report(caller(), standings=ready)

    assert "c19 and 100 more" in as_terminal(given)
    assert "- `c99`, 10 exchanges\n- and 20 more\n" in as_markdown(given)


def test_markdown_says_how_alike_only_what_was_compared():
    nothing = compared(None, compared=0, failed=3, equal_share=None)
    text = as_markdown(
        report(
            caller(),
            shadows=(shadows(rule="a"), shadows(rule="b", shadow=nothing, control=nothing)),
        )
    )

    assert (
        "8 shadows, 0 failed, 70 % alike, 50 % equal. Controls: 90 % alike, 50 % equal.\n" in text
    )
    assert "nothing could be compared. 0 shadows, 3 failed.\n" in text


def test_markdown_spells_days_as_days():
    text = as_markdown(report(caller(), volume=volume(3, step="day")))

    assert "| 16 Nov 2026 | 3 | 0 |" in text


def test_where_nobody_is_ready_that_is_said():
    given = report(caller(readiness=readiness(0.5)))

    assert as_terminal(given).endswith("Ready to cut over\nNone.\n")
    assert "## Ready to cut over\n\nNone." in as_markdown(given)


def test_what_nothing_is_known_of_is_left_out():
    unknown = caller(
        models=(), features=(), sdks=(), user_agents=(), latency=report().totals.latency
    )

    for write in FORMATS:
        assert "None" not in write(report(unknown))


def test_failed_shadows_have_no_similarity():
    failed = shadows(
        shadow=compared(None, compared=0, failed=3, equal_share=None), beyond_noise=None
    )

    for write in FORMATS:
        assert "nothing could be compared" in write(report(caller(), shadows=(failed,)))
