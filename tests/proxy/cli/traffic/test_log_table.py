from io import StringIO
from typing import Any, Literal

import pytest
from rich.cells import cell_len
from rich.console import Console

from proxy.cli.traffic.log_table import PlainTable, TerminalTable, widths_for
from proxy.errors import Blame
from proxy.outcome import Outcome
from proxy.security.redaction import Redacted
from proxy.traffic import MadeAdjustment
from tests.record_factory import record

ID = "req_0123456789abcdef01234567"
MADE = tuple(
    MadeAdjustment(kind, *map(Redacted, ("model", "a", "b")))
    for kind in ("replace_retired_model", "trim_prefill")
)


def on_terminal(width: int, *records: Any, color: Literal["standard"] | None = None) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=color)
    table = TerminalTable(console)
    for each in records:
        table.show(each)
    return out.getvalue().splitlines()


def plain(*records: Any) -> list[str]:
    table = PlainTable()
    return [line for each in records for line in table.lines(each)]


def test_eighty_columns_are_enough():
    lines = on_terminal(80, record(id=ID, caller_name="nightly", adjustments=MADE))

    assert lines == [
        "time     id       caller    model             route      ended        ms     adj",
        "2026-11-23 UTC",
        "09:00:00 01234567 nightly   2.1 -> haiku-4-5… translate  200 end_turn 6      2 …",
    ]


def test_more_is_shown_where_there_is_room():
    second = record(
        id=ID,
        adjustments=MADE,
        rule="canary",
        sdk="python 0.2.10",
        first_failure="529 overloaded_error",
        route="forward",
    )
    lines = on_terminal(150, second)

    assert lines[0] == (
        "time     id       caller    sdk           model                           rule       "
        "route      first failure ended        tokens  ms     adjustments"
    )
    assert lines[2] == (
        "09:00:00 01234567 01234567… python 0.2.10 2.1 -> haiku-4-5-20251001       canary     "
        ">forward   529 overload… 200 end_turn 6>14    6      2 replace_r…"
    )


def test_a_second_try_is_marked_even_on_a_narrow_terminal():
    second = record(first_failure="529 overloaded_error", route="translate")

    assert " >translate 200 end_turn " in on_terminal(80, second)[2]


@pytest.mark.parametrize("width", [1, 40, 80, 90, 91, 92, 127, 128, 200, 400])
def test_the_columns_fill_the_terminal_and_are_never_too_narrow(width: int):
    widths = widths_for(width)

    assert sum(widths.values()) + len(widths) - 1 == max(width, 80)


@pytest.mark.parametrize(
    ("width", "added"),
    [
        (80, set()),
        (88, {"tokens"}),
        (91, {"rule"}),
        (99, {"rule", "tokens"}),
        (113, {"rule", "tokens", "sdk"}),
        (127, {"rule", "tokens", "sdk", "first failure"}),
    ],
)
def test_wider_terminals_have_more_columns(width: int, added: set[str]):
    always = {"time", "id", "caller", "model", "route", "ended", "ms", "adjustments"}

    assert set(widths_for(width)) == always | added


def test_a_day_has_a_line_of_its_own():
    moments = ("2026-11-22T23:59:59", "2026-11-23T00:00:01", "2026-11-23T00:00:02")
    lines = on_terminal(80, *(record(received=f"{moment}.000+00:00") for moment in moments))

    assert [line[:14] for line in lines] == [
        *("time     id   ", "2026-11-22 UTC", "23:59:59 00000"),
        *("2026-11-23 UTC", "00:00:01 00000", "00:00:02 00000"),
    ]


def test_what_clients_say_is_neither_markup_nor_obeyed():
    rude = record(asked_model="[red]\x1b[2J", caller_name="[bold]")

    assert "[bold]    [red]\\u001b[2J -…" in on_terminal(80, rude)[2]
    assert "[red]\\u001b[2J -> claude-haiku-4-5-20251001" in plain(rude)[1]


def test_wide_characters_take_two_columns():
    [_, _, line] = on_terminal(80, record(caller_name="你好你好你好"))

    assert line.startswith("09:00:00 00000000 你好你好… 2.1 -> ")
    assert cell_len(line.partition(" 200 ")[0]) == 56


@pytest.mark.parametrize(
    ("fields", "style"),
    [({"status": 529}, "\x1b[31m"), ({"client_gone": True}, "\x1b[33m"), ({}, "09:")],
)
def test_what_went_wrong_stands_out(fields: dict[str, Any], style: str):
    assert on_terminal(80, record(**fields), color="standard")[2].startswith(style)


def test_nothing_is_cut_where_nobody_watches():
    named = record(id=ID, adjustments=MADE, caller_name="a" * 70, rule="r", sdk="python 0.2.10")
    lines = plain(named, record(id=ID, status=None))

    assert [line.split("  ")[0] for line in lines] == [
        *("time", "2026-11-23 09:00:00.000", "2026-11-23 09:00:00.000")
    ]
    assert f"  {ID}  {'a' * 70}  python 0.2.10     claude-2.1 -> claude-haiku-4-5-" in lines[1]
    assert "  r                 translate   -  " in lines[1]
    assert lines[1].endswith("  6       2 replace_retired_model, trim_prefill")
    assert lines[0].endswith("  ms      adjustments")


@pytest.mark.parametrize(
    ("fields", "cell"),
    [
        ({}, "200 end_turn"),
        ({"upstream_stop_reason": None}, "200 stop_sequence"),
        ({"upstream_stop_reason": None, "stop_reason": None}, "200 -"),
        ({"client_gone": True, "status": None}, "- client gone"),
        (
            {"error_type": "overloaded_error", "failure": "x", "blame": Blame.UPSTREAM},
            "200 overloaded_error",
        ),
        ({"failure": "broke off", "outcome": Outcome.UPSTREAM_ERROR}, "200 broke off"),
        ({"status": 500, "outcome": Outcome.HOLDOVER_ERROR}, "500 holdover_error"),
        ({"sent_model": "claude-2.1"}, "claude-2.1"),
        ({"sent_model": None, "asked_model": None}, "-"),
        ({"caller": None}, "-"),
        ({"input_tokens": None}, "?>14"),
        ({"total_ms": 1234.5}, "1234"),
        ({"route": None}, "-"),
        ({"first_failure": "529 overloaded_error"}, "529 overloaded_error"),
        ({"first_failure": "529 overloaded_error"}, ">translate"),
    ],
)
def test_every_cell_says_what_is_known(fields: dict[str, Any], cell: str):
    assert cell in [part.strip() for part in plain(record(**fields))[1].split("  ")]
