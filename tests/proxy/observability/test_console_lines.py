"""What people read on a terminal in place of names and values."""

import re
import subprocess
import sys

import pytest

from proxy.observability.console_lines import exchange_line, starting_lines
from tests.hostile import TEXT, obeyed
from tests.proxy.observability.test_metrics import adjusted
from tests.record_factory import record

STAMP = {"timestamp": "2026-11-29T19:06:53.123456Z"}


def line(**fields: object) -> str:
    """The line of an exchange, without colours."""
    return re.sub(r"\x1b\[\d+m", "", exchange_line(record(**fields).as_fields() | STAMP))


def test_an_exchange_is_one_line_with_what_was_asked_and_what_became_of_it():
    adjustments = tuple(map(adjusted, ["map_model", "drop_beta", "drop_beta"]))

    assert line(caller_name="nightly", rule="canary", adjustments=adjustments) == (
        "19:06:53 200  nightly  claude-2.1 -> claude-haiku-4-5-20251001  translate by canary  6 ms"
        "  map_model, drop_beta"
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"asked_model": "m", "answered_model": "m"}, "200  0123456789abcdef  m  translate  6 ms"),
        ({"answered_model": None, "sent_model": "n"}, "200  0123456789abcdef  claude-2.1 -> n  "),
        (
            {"status": 502, "failure": "h:9: it refuses connections", "answered_model": None},
            "translate  6 ms  h:9: it refuses connections  (req_000000000000000000000001)",
        ),
        (
            {"status": 429, "error_type": "rate_limit_error"},
            "429  0123456789abcdef  claude-2.1 -> claude-haiku-4-5-20251001  translate  6 ms  rate",
        ),
        (
            {"status": None, "caller": None, "route": None, "asked_model": None, "sent_model": None}
            | {"answered_model": None},
            "gone  -  -  -  6 ms  (req_",
        ),
    ],
)
def test_a_line_says_what_there_is_to_say(fields: dict[str, object], said: str):
    assert said in line(**fields)


def test_nothing_in_an_exchange_is_obeyed_by_a_terminal():
    hostile = record(caller_name=TEXT, asked_model=TEXT, failure=TEXT, rule=TEXT)

    assert obeyed(exchange_line(hostile.as_fields() | STAMP)) == []


def test_a_start_is_a_page_with_a_line_for_each_part():
    parts = {"version": "1.2", "rules": ["a: translate 5 %", TEXT], "legacy_upstream": None}
    page = starting_lines(parts | STAMP | {"event": "starting", "level": "info", "off": []})

    title, rules, legacy, off = page.splitlines()
    assert "Holdover 1.2" in title
    assert rules.startswith("  rules            a: translate 5 %, ")
    assert (legacy, off) == ("  legacy upstream  none", "  off              none")
    assert obeyed(page) == []


EXCHANGE = """
import structlog
from proxy.observability.log_config import configure_logs
from tests.record_factory import record
configure_logs({form!r})
structlog.get_logger().info("exchange", **record().as_fields())
"""


@pytest.mark.measured
@pytest.mark.unmeasured
@pytest.mark.parametrize(("form", "begins"), [("console", ":"), ("json", '{"id":')])
def test_lines_for_people_are_for_consoles_only(form: str, begins: str):
    program = [sys.executable, "-c", EXCHANGE.format(form=form)]
    said = subprocess.run(program, capture_output=True, check=True, text=True).stderr

    assert said.count("\n") == 1
    assert said[2:3] == begins if form == "console" else said.startswith(begins)
