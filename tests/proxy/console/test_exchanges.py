"""The list of exchanges: filters in the address, pages that go back in time, and wrong input."""

import html
import re

import pytest

from proxy.traffic import MadeAdjustment
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.record_factory import record
from tests.recorded_exchanges import exchange, moment, numbered

CALLERS = """
[callers.support-bot]
token = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
[[rollout]]
name = "half"
action = "translate"
"""
HOSTILE = '<script>alert(1)</script>"\u202e'


@pytest.fixture
def look(tmp_path):
    """Return a function that opens the console over some records and looks at the list."""
    opened = []

    def look(entries, text="", **options):
        console = signed_in(settings_file(tmp_path, text, entries), **options)
        opened.append(console)
        return console.__enter__()

    yield look
    for console in opened:
        console.__exit__(None, None, None)


def ids(answer) -> list[int]:
    return [int(found) for found in re.findall(r'href="[^"]*/exchanges/req_(\d+)"', answer.text)]


def older(answer) -> str | None:
    found = re.search(r'<a rel="next" href="([^"]*)"', answer.text)
    return html.unescape(found[1]) if found else None


@pytest.mark.without_coverage
def test_the_newest_come_first_fifty_on_a_page_and_older_ones_follow(look):
    person = look(numbered(*range(1, 121)))

    first = person.see("/exchanges")
    second = person.client.get(older(first))
    last = person.client.get(older(second))

    assert ids(first) == [*range(120, 70, -1)]
    assert ids(second) == [*range(70, 20, -1)]
    assert ids(last) == [*range(20, 0, -1)]
    assert older(last) is None
    assert "Newest" in shown(last.text)
    assert "Newest" not in shown(first.text)


def test_exchanges_from_before_a_caller_had_its_name_are_its_own(look):
    named = '[callers.bot]\ndigest = "0123456789abcdef"\n'
    person = look(
        [*numbered(1, 2), *numbered(3, caller_name="bot"), *numbered(4, caller="fedcba9876543210")],
        f'digest_key = "of a test"\n{named}',
    )

    assert ids(person.see("/exchanges", caller="bot")) == [3, 2, 1]


@pytest.mark.without_coverage
def test_only_the_newest_page_without_a_text_is_refreshed(look):
    person = look(numbered(*range(1, 60)))
    first = person.see("/exchanges", caller="")

    def refreshes(answer):
        return "data-refresh" in answer.text

    assert refreshes(first)
    assert refreshes(person.see("/exchanges", status="ok"))
    assert not refreshes(person.client.get(older(first)))
    assert not refreshes(person.see("/exchanges", text="claude"))
    assert not refreshes(person.see("/exchanges", status="nonsense"))


def test_filters_are_in_the_address_in_the_form_and_in_the_address_of_older_ones(look):
    ours = numbered(*range(1, 61), caller_name="nightly", sdk="anthropic-python 0.2")
    person = look([*ours, *numbered(61, 62)])

    found = person.see("/exchanges", caller="nightly", sdk="anthropic-python*")

    assert ids(found) == [*range(60, 10, -1)]
    assert 'name="caller" value="nightly"' in found.text
    assert '<details class="more" open>' in found.text
    assert ids(person.client.get(older(found))) == [*range(10, 0, -1)]


def test_a_row_says_what_became_of_an_exchange(look):
    kinds = ("drop_top_k", "drop_top_k", "trim_prefill", "map_model", "merge_turns")
    made = [{"kind": kind, "field": "f", "asked": "1", "sent": "2"} for kind in kinds]
    plain = record(id="req_0001", received=moment(1), adjustments=adjustments(made), rule="half")
    failed = record(
        id="req_0002",
        received=moment(2),
        status=500,
        error_type="api_error",
        first_failure="status 500",
        **dict.fromkeys(("caller", "asked_model", "sent_model", "route", "output_tokens")),
    )
    gone = record(id="req_0003", status=None, client_gone=True, input_tokens=None, caller=None)
    page = shown(look([plain, failed, gone]).see("/exchanges").text)

    assert "claude-2.1 → claude-haiku-4-5-20251001" in page
    assert "translate half 200 answered" in page
    assert "4 drop top k , trim prefill , map model and 1 more" in page
    assert "6, 14" in page
    assert "without a key none none, second try 500 upstream&#39;s error 6, ? 6 ms" in page
    assert "client left" in page


def adjustments(made):
    return tuple(MadeAdjustment(**each) for each in made)


def test_names_of_the_settings_and_of_the_records_are_suggested(look):
    person = look(numbered(1, caller_name="nightly", rule="old"), CALLERS)
    page = person.see("/exchanges").text

    for name in ("support-bot", "nightly", "half", "old"):
        assert f'<option value="{name}"></option>' in page


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"status": "6xx"}, "is not a valid status"),
        ({"since": "yesterday"}, "is not a valid time; write 15m, 24h, 7d"),
        ({"until": "2026-13-01"}, "is not a valid time"),
        ({"adjustment": "drop_top"}, "did you mean"),
        ({"feature": "x"}, "is not a feature of the legacy API"),
        ({"route": "x"}, "is not a route"),
        ({"since": "1h", "until": "2h"}, "This is not after the time since when."),
        ({"before": "page 2"}, "names no place in the list"),
    ],
)
def test_a_filter_that_makes_no_sense_is_answered_with_the_form_and_a_reason(look, given, reason):
    answer = look(numbered(1)).see("/exchanges", model="claude-2", **given)

    assert answer.status_code == 400
    assert reason in shown(answer.text)
    assert 'name="model" value="claude-2"' in answer.text
    assert ids(answer) == []


def test_a_choice_that_is_none_stays_chosen_beside_its_reason(look):
    answer = look([]).see("/exchanges", status=HOSTILE)

    assert "<script>alert" not in answer.text
    assert re.search(r'<option value="&lt;script[^>]*" selected>', answer.text)


def test_a_form_with_one_end_of_a_time_or_both_is_looked_up(look):
    person = look(numbered(1, 2, 3))

    found = person.see("/exchanges", since="2026-11-23T00:00:02", until="2026-11-23T00:00:03")

    assert ids(found) == [2]
    assert ids(person.see("/exchanges", until="2026-11-23T00:00:02")) == [1]


def test_nothing_found_says_what_can_be_done(look):
    person = look(numbered(1, caller_name="nightly", rule="half"))

    assert "Did you mean caller nightly ?" in shown(person.see("/exchanges", caller="nightl").text)
    assert (
        "Did you mean"
        not in person.see("/exchanges", caller="zzz", rule="half", status="gone").text
    )
    nothing = person.see("/exchanges", status="gone")
    assert nothing.status_code == 200
    assert "No such exchange is recorded." in shown(nothing.text)
    assert "No older exchange is recorded." in shown(person.see("/exchanges", before="1.1").text)


def test_an_empty_store_says_how_to_fill_it(look):
    assert "No exchange is recorded yet." in shown(look([]).see("/exchanges").text)


def test_a_text_is_searched_in_contents_and_in_records(look):
    said = [*exchange(1, prompt="a needle"), *numbered(2, user_agent="needle"), *numbered(3)]
    person = look(said)

    assert ids(person.see("/exchanges", text="Needle")) == [2, 1]
    assert "No contents were kept" not in person.see("/exchanges", text="Needle").text


def test_it_says_that_a_text_was_searched_in_records_only(look):
    answer = look(numbered(1, user_agent="needle")).see("/exchanges", text="needle")

    assert ids(answer) == [1]
    assert "No contents were kept for these exchanges" in answer.text


def test_a_text_is_not_searched_in_too_many_bodies(look):
    said = [each for n in range(4) for each in exchange(n, prompt="a needle")]
    person = look(said, most_searched=3)

    refused = person.see("/exchanges", text="needle", since="2026-11-01")

    assert refused.status_code == 400
    assert "More than 3 exchanges would have their bodies read" in shown(refused.text)
    assert 'name="text" value="needle"' in refused.text
    assert ids(person.see("/exchanges", text="needle", since="2026-11-23T00:00:01")) == [3, 2, 1]


def test_what_clients_have_sent_is_text(look):
    given = dict.fromkeys(("caller_name", "asked_model", "sent_model", "rule"), HOSTILE)
    page = look(numbered(1, **given)).see("/exchanges").text

    assert "<script>alert" not in page
    assert "\u202e" not in page
