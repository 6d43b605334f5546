"""Shadows in the console: how they agree over time, and the worst differences."""

import sqlite3
import time
import tomllib
from contextlib import closing

import pytest

from proxy.config.sources import load_settings
from proxy.console.pages import shadows as page
from proxy.traffic import Content
from proxy.traffic.store.row_mapping import moment_of
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import kept

pytestmark = pytest.mark.without_coverage

RULES = """
legacy_url = "http://127.0.0.1:1"
digest_key = "k"
[callers.nightly]
digest = "0123456789abcdef"
[[rollout]]
name = "compare"
action = "forward"
share = 50
shadow = { action = "translate", share = 0.5 }
[[rollout]]
name = "plain"
action = "translate"
share = 50
shadow = { share = 20, control = true }
[[rollout]]
name = "none"
action = "translate"
"""


def received(ago_ms=0):
    return moment_of(time.time_ns() // 1_000_000 - ago_ms)


def compared(similarity, **fields):
    return {
        "equal": similarity == 1.0,
        "similarity": similarity,
        "same_stop_reason": False,
        "stop_reasons": ("stop_sequence", None),
        "characters": (1400, 380),
        "milliseconds": (900.0, 1700.0),
        "models": (None, "claude-haiku-4-5"),
        "input_tokens": (20.0, 20.0),
        "output_tokens": (None, 70.0),
        "adjustments": ((), ("drop_top_k", "merge_turns")),
    } | fields


def traffic():
    at = received()
    answer = {"completion": " One\n<b>two</b>\u202e"}
    other = {"completion": " One\n<b>three</b>", "stop_reason": "max_tokens"}
    odd = b"[1]"
    return [
        record(id="req_a", received=at),
        record(id="req_b", received=at, caller=None),
        record(id="req_c", received=at, caller_name="search"),
        *(
            Content(
                id=name,
                received=at,
                bodies=(kept(part, said),),
            )
            for name, part, said in (
                ("req_a", "legacy_back", answer),
                ("req_a", "shadow_back", other),
                ("req_a", "control_back", {"completion": "the control's"}),
                ("req_c", "legacy_back", odd),
                ("req_d", "shadow_back", other),
                ("req_e", "legacy_back", answer),
                ("req_f", "legacy_back", {"completion": "word " * 5_000}),
                ("req_f", "shadow_back", {"completion": "words " * 5_000}),
            )
        ),
        *(
            entry
            for name, similarity in (("req_d", 0.7), ("req_e", 0.8), ("req_f", 0.85))
            for entry in (
                record(id=name, received=at, rule="risky"),
                shadow_record(id=name, ended=at, rule="other", comparison=compared(similarity)),
            )
        ),
        shadow_record(id="req_a", ended=at, comparison=compared(0.2)),
        shadow_record(id="req_a", ended=at, leg="control", comparison=compared(0.95)),
        shadow_record(id="req_b", ended=at, comparison=compared(1.0)),
        shadow_record(id="req_c", ended=at, comparison={"equal": False, "similarity": 0.4}),
        shadow_record(id="req_gone", ended=at, comparison=compared(0.6)),
        shadow_record(id="req_c", ended=at, leg="control", failure="status 529", comparison=None),
    ]


@pytest.fixture
def person(tmp_path):
    with signed_in(settings_file(tmp_path, RULES, traffic())) as somebody:
        yield somebody


def test_a_rule_is_shown_with_its_verdict_and_over_time(person):
    text = person.see("/shadows").text
    said = shown(text)

    assert "Shadows of the last 7 days" in said
    assert "risky: the answers are 42 % less similar than answers to the very same request" in said
    assert "Compared 3 Similarity 53 % Noise floor 95 % Equal 33 % Failed 0" in said
    assert "4 shadows over 8 days." in said
    assert text.count('<line class="floor"') == 1


def test_the_worst_differences_come_first_with_what_is_known_of_both_answers(person):
    said = shown(person.see("/shadows").text)

    assert "20 % alike risky nightly claude-2.1 → claude-haiku-4-5" in said
    assert said.index("20 % alike") < said.index("40 % alike") < said.index("60 % alike")
    assert "100 % alike" not in said
    assert "model as asked claude-haiku-4-5 characters 1,400 380" in said
    assert "output tokens not known 70 stop reason stop_sequence none took 900 ms 1.7 s" in said
    assert "adjustments none drop_top_k, merge_turns What the client got" in said
    assert "40 % alike risky search claude-2.1 → the model asked for" in said
    assert "60 % alike risky without a name the model asked for → claude-haiku-4-5" in said
    assert "Neither text is kept. The record of its exchange has been deleted." in said


def test_both_texts_stand_side_by_side_with_marks(person):
    text = person.see("/shadows").text

    both = text[text.index('<figure class="body">') : text.index("40 % alike")]
    assert both.count('<figure class="body">') == 2
    assert (
        ' One\n&lt;b&gt;<mark class="lacks">two</mark>&lt;/b&gt;<mark class="lacks">\\u202e</mark>'
    ) in both
    assert ' One\n&lt;b&gt;<mark class="gains">three</mark>&lt;/b&gt;</code>' in both
    assert "the control&#39;s" not in text
    assert "Marked: only in the client's answer , only in the shadow's ." in shown(text)


@pytest.mark.measured
def test_it_says_which_texts_are_missing_and_how_to_keep_those_to_come(person):
    said = shown(person.see("/shadows").text)

    keeping = "To keep those of shadows to come, set capture = &#34;full&#34;"
    assert keeping.replace("&#34;", '"') in said
    assert said.count("Neither text is kept.") == 2
    assert said.count("The text of the client&#39;s answer is not kept.") == 1
    assert said.count("The text of the shadow&#39;s answer is not kept.") == 1


def test_of_very_long_texts_the_beginning_is_shown(person):
    said = shown(person.see("/shadows").text)

    assert "What the client got: the first 8,000 of 25,000 characters" in said


def test_a_difference_leads_to_its_exchange(person):
    text = person.see("/shadows", period="1h").text

    assert '<a href="/exchanges/req_a">' in text
    assert "Of the last hour, the least alike first" in shown(text)


def test_rules_whose_shadows_were_not_drawn_are_named(tmp_path):
    with signed_in(settings_file(tmp_path, RULES)) as person:
        said = shown(person.see("/shadows", period="24h").text)

    assert "No shadow in the last 24 hours" in said
    assert "compare: &lt; 1 % of its requests get a shadow by translate , without a control" in said
    assert "plain: 20 % of its requests get a shadow by translate , with a control" in said


def test_without_shadows_it_is_said_what_to_write(tmp_path):
    with signed_in(settings_file(tmp_path)) as person:
        text = person.see("/shadows").text

    assert "No rule sends shadows" in text
    assert "shadow = { action = &#34;translate&#34;, share = 5, control = true" in text
    config = tmp_path / "example.toml"
    config.write_text(f'legacy_url = "http://127.0.0.1:1"\n{page.EXAMPLE}')
    assert load_settings(config).rollout[0].shadow is not None
    assert tomllib.loads(page.EXAMPLE)["rollout"][0]["name"] == "compare"


def test_where_all_is_equal_that_is_said(tmp_path):
    entries = [
        record(id="req_a", received=received()),
        shadow_record(id="req_a", ended=received()),
    ]
    with signed_in(settings_file(tmp_path, entries=entries)) as person:
        assert "No answer of a shadow differed." in shown(person.see("/shadows").text)


def test_a_failure_is_named(tmp_path):
    entries = [
        record(id="req_a", received=received()),
        shadow_record(id="req_a", ended=received(), failure="status 529", comparison=None),
    ]
    with signed_in(settings_file(tmp_path, entries=entries)) as person:
        said = shown(person.see("/shadows").text)

    assert "risky: nothing could be compared." in said
    assert "Failed because of: status 529" in said


@pytest.mark.thorough
def test_of_very_many_shadows_the_newest_are_drawn_and_that_is_said(tmp_path):
    at = received()
    many = [
        shadow_record(id=f"req_{number}", ended=at, comparison=compared(0.5))
        for number in range(page.MOST_READ)
    ]
    entries = [record(id="req_0", received=at), *many]
    with signed_in(settings_file(tmp_path, entries=entries)) as person:
        said = shown(person.see("/shadows").text)

    assert "are of the newest 10,000 shadows and controls" in said


@pytest.mark.measured
def test_a_period_that_there_is_not_is_said_in_words(person):
    answer = person.see("/shadows", period="week")

    assert answer.status_code == 400
    assert "period: write one of 1h, 24h, 7d, 30d, 90d." in shown(answer.text)


def test_comparisons_of_an_odd_shape_are_said_to_be_unreadable_beside_the_rest(tmp_path):
    config = settings_file(tmp_path, RULES, traffic())
    with closing(sqlite3.connect(tmp_path / "traffic.db")) as store:
        store.execute("UPDATE shadows SET comparison = '[1]' WHERE exchange_id = 'req_a'")
        store.execute("UPDATE bodies SET data = 7, timing = 'x' WHERE exchange_id = 'req_f'")
        store.execute("UPDATE exchanges SET features = 'x' WHERE id = 'req_a'")
        store.commit()
    with signed_in(config) as person:
        page = person.see("/shadows")
        exchange, listed = person.see("/exchanges/req_a"), person.see("/exchanges")
        damaged = person.see("/exchanges/req_f")

    said = shown(page.text)
    assert page.status_code == 200
    assert "2 comparisons cannot be read: another version has written them" in said
    assert "20 % alike" not in said
    assert "40 % alike" in said
    assert exchange.status_code == listed.status_code == damaged.status_code == 200
    assert "its stored comparison cannot be read" in shown(exchange.text)
    assert "features of this record cannot be read" in shown(exchange.text)
