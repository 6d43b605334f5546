"""The page of models: what is served, what names become, and who is hit by what retires."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.record_factory import record

TODAY = datetime.now(UTC)
SOON = (TODAY + timedelta(days=10)).date()
FACTS = f'[model_facts."claude-opus-5"]\nretires = {SOON}\nsuccessor = "claude-opus-9"\n'
HOSTILE = "<b>claude</b>\u202e"


@pytest.fixture
def look(tmp_path):
    """Return a function that shows the page over some records and settings."""
    opened = []

    def look(entries=(), text=""):
        console = signed_in(settings_file(tmp_path, text, entries))
        opened.append(console)
        return console.__enter__().see("/models")

    yield look
    for console in opened:
        console.__exit__(None, None, None)


def asking(number: int, **fields):
    at = (TODAY - timedelta(minutes=number + 1)).isoformat(timespec="milliseconds")
    return record(id=f"req_{number}", received=at, **fields)


def row(answer, name: str) -> str:
    found = re.search(
        rf'<tr><th scope="row">(?:<a[^>]*>)?<bdi>{name}.*?</tr>', answer.text, re.DOTALL
    )
    assert found is not None
    return shown(found[0])


def test_what_is_served_is_listed_as_the_command_lists_it(look):
    answer = look()

    assert "claude-haiku-4-5-20251001 = claude-haiku-4-5 " in row(
        answer, "claude-haiku-4-5-20251001"
    )
    assert "No request was recorded in the last 30 days" in shown(answer.text)


def test_the_smallest_of_many_callers_counts_too(look):
    large = [asking(n, caller_name=f"team-{n % 25}", asked_model="claude-2.1") for n in range(50)]
    small = asking(99, caller_name="the-last", asked_model="claude-instant-1.1")
    answer = look([*large, small])

    assert " 1 the-last" in row(answer, "claude-instant-1.1")


def test_a_name_says_what_it_becomes_why_and_who_asks_for_it(look):
    asked = [asking(n, caller_name=f"team-{n % 12}", asked_model="claude-2.1") for n in range(24)]
    answer = look([*asked, asking(99, asked_model=None)], '[models]\nhouse = "claude-opus-4-5"\n')

    assert "it retired on" in row(answer, "claude-2.1")
    assert " 24 team-" in row(answer, "claude-2.1")
    assert "and 2 more" in row(answer, "claude-2.1")
    assert "house claude-opus-4-5" in row(answer, "house")
    assert "the settings say so" in row(answer, "house")
    assert 'href="/exchanges?model=claude-2.1"' in answer.text


def test_what_retires_comes_with_the_days_left_and_who_is_hit(look):
    used = [asking(n, caller_name="nightly", sent_model="claude-opus-5") for n in range(3)]
    gone = asking(9, asked_model="claude-2.1", sent_model="claude-2.1", route="forward")
    answer = look([*used, gone], FACTS)

    assert "10 claude-opus-9 3 nightly 3" in row(answer, "claude-opus-5")
    assert "ended" in row(answer, "claude-2.1")
    assert f"claude-opus-5 retires on {SOON}; claude-opus-9 takes its place. 10 days left" in shown(
        answer.text
    )


def test_models_in_use_of_which_none_retires_are_said_to_be_safe(look):
    page = shown(look([asking(1, sent_model="claude-opus-4-8")]).text)

    assert "No model that was asked in the last 30 days ends within 90 days." in page


@pytest.mark.without_coverage
def test_names_of_models_are_text(look):
    names = dict.fromkeys(("asked_model", "sent_model", "caller_name"), HOSTILE)
    page = look([asking(1, **names)], f'[models]\n"{HOSTILE[:8]}" = "<b>x"\n').text

    assert "<b>" not in page
    assert "\u202e" not in page
