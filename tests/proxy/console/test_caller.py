"""One caller: what is known of it, what it must change, and giving it a name and an owner."""

import re
import sqlite3
import time
from typing import Any

import msgspec
import pytest

from proxy.config.history import history_of
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource, version_of
from proxy.traffic import Body, Content, MadeAdjustment
from proxy.traffic.content import compress
from proxy.traffic.store.row_mapping import moment_of
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.record_factory import record

DIGEST = "0123456789abcdef"
OTHER = "fedcba9876543210"
TOKEN = "sha256:" + "a" * 64
SEARCH = f'[callers.search]\ntoken = "{TOKEN}"\nowner = "Ann & <b>Bea</b>"\n'
KEY = 'digest_key = "k"\n'
DROPPED: Any = MadeAdjustment("drop_top_k", *("top_k", "<5>", "nothing"))  # type: ignore[arg-type]
PROMPT = "\n\nHuman: <script>alert(1)</script>\n\nAssistant:"


def received(ago_ms=0):
    return moment_of(time.time_ns() // 1_000_000 - ago_ms)


def traffic():
    at = received()
    request = {"model": "claude-2.1", "prompt": PROMPT, "max_tokens_to_sample": 300}
    data = compress(msgspec.json.encode(request))
    return [
        *(
            record(
                id=f"req_s{number}",
                received=at,
                caller=OTHER,
                caller_name="search",
                sdk="typescript 0.4.4",
                user_agent="Anthropic/JS 0.4.4",
                adjustments=(DROPPED,),
            )
            for number in range(11)
        ),
        record(
            id="req_bad",
            received=received(1000),
            caller=OTHER,
            caller_name="search",
            status=429,
            error_type="rate_limit_error",
        ),
        record(id="req_d", received=received(5000)),
        record(id="req_none", received=received(5000), caller=None, status=401),
        Content(
            id="req_s10",
            received=at,
            bodies=(Body(part="legacy_in", size=9, digest="d", data=data, timing=None),),
        ),
    ]


@pytest.fixture
def person(tmp_path):
    with signed_in(settings_file(tmp_path, KEY + SEARCH, traffic())) as somebody:
        yield somebody


def test_a_caller_is_shown_with_what_is_left_and_the_call_in_three_languages(person):
    text = person.see("/callers/search").text
    said = shown(text)

    assert "search 0 % ready 0 % of its requests are ready. What is left: 1 decision." in said
    assert "12 requests, 86 % of all, from typescript 0.4.4." in said
    assert "Its owner is Ann &amp; &lt;b&gt;Bea&lt;/b&gt;." in said
    assert "The call that replaces its own, in TypeScript Made from its request req_s10" in said
    assert "The same in Python" in said
    assert "The same in curl" in said
    assert text.count('<button type="button" hidden data-copy="call-') == 3
    assert "import anthropic\n\nclient = anthropic.Anthropic()\n" in text
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "drop_top_k 11 92 % top_k &lt;5&gt; nothing" in said
    assert "rate_limit_error 429 client 1 8 %" in said
    assert 'href="/exchanges?caller=search"' in text
    assert text.count('<a href="/exchanges/req_') == 12
    assert "client&#39;s error 429 6 ms" in said


def test_a_caller_with_a_digest_for_a_name_leads_to_the_name(tmp_path):
    named = f'{KEY}[callers.nightly]\ndigest = "{DIGEST}"\n'
    with signed_in(settings_file(tmp_path, named, traffic())) as person:
        answer = person.see(f"/callers/{DIGEST}", period="7d")

    assert str(answer.url).endswith("/callers/nightly?period=7d")
    assert "1 request, 7 % of all" in shown(answer.text)
    assert '<a href="/exchanges/req_d">' in answer.text


def test_those_who_send_no_key_are_a_caller_that_can_have_no_name(person):
    text = person.see("/callers/none").text

    assert "<bdi>without a key</bdi>" in text
    assert '<a href="/exchanges/req_none">' in text
    assert "Give it a name" not in text
    assert "/exchanges?caller" not in text
    assert "None of its requests can be judged." in text


def test_a_caller_who_is_silent_is_said_to_be(tmp_path):
    old = record(id="req_1", received=received(3 * 86_400_000))
    with signed_in(settings_file(tmp_path, KEY + SEARCH, [old])) as person:
        listed = shown(person.see("/callers/search").text)
        recorded = shown(person.see(f"/callers/{DIGEST}", period="24h").text)

    assert "It has sent nothing in the last 30 days. Choose a longer period; if that" in listed
    assert "Who owns it" in listed
    assert "It has sent nothing in the last 24 hours. Choose a longer period." in recorded
    assert "Give it a name" in recorded


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("serch", "the name or the digest serch, in the settings or in what is recorded; did you"),
        ("0123", "No caller has the name or the digest 0123, in the settings or in what is recor"),
        ("%3Cb%3E", "No caller has the name or the digest &lt;b&gt;, in the settings"),
        ("%00%FF", "No caller has the name or the digest \ufffd"),
    ],
)
def test_a_caller_that_nobody_knows_is_not_found(person, who, said):
    answer = person.see(f"/callers/{who}")

    assert answer.status_code == 404
    assert said in shown(answer.text)


def test_records_that_are_gone_are_said_to_be(tmp_path):
    config = settings_file(tmp_path, KEY, [record(id="req_1", received=received())])
    with signed_in(config) as person:
        _forget_records(tmp_path)
        said = shown(person.see(f"/callers/{DIGEST}").text)

    assert "Its records have been deleted; their sums are kept longer." in said
    assert "The call that replaces its own" not in said


def _forget_records(directory):
    with sqlite3.connect(directory / "traffic.db") as connection:
        connection.execute("DELETE FROM exchanges")
    connection.close()


def change(person, path, **fields):
    """Send a form with the version that its page would hold now."""
    return person.send(path, version=version_of(TomlSource.read(person.config)), **fields)


def test_a_digest_gets_a_name_and_an_owner(person):
    answer = change(person, f"/callers/{DIGEST}/name", name=" billing.v2 ", owner=" The  team ")

    assert str(answer.url).endswith("/callers/billing.v2")
    said = shown(answer.text)
    assert f"{DIGEST} is named billing.v2 now" in said
    assert "Its owner is The team." in said
    caller = load_settings(person.config).callers["billing.v2"]
    assert (caller.digest, caller.owner) == (DIGEST, "The team")
    assert "billing.v2" in shown(person.see("/callers").text)


def test_a_change_is_in_the_history_with_who_made_it(person):
    version = re.search(r'name="version" value="([^"]+)"', person.see("/callers/search").text)
    assert version is not None

    person.send("/callers/search/owner", owner="Cleo", version=version[1])

    [change] = history_of(person.config.parent, person.config).read()
    assert change.changes == ("callers.search.owner: Ann & <b>Bea</b> -> Cleo",)
    assert change.by == "console"


def test_a_file_that_somebody_else_has_changed_meanwhile_is_left_alone(person):
    for path, fields in (
        (f"/callers/{DIGEST}/name", {"name": "nightly"}),
        ("/callers/search/owner", {"owner": "Cleo"}),
    ):
        before = person.config.read_text()
        answer = person.send(path, version="of yesterday", **fields)

        assert answer.status_code == 409
        assert "Somebody has changed the settings file since you opened" in shown(answer.text)
        assert person.config.read_text() == before


def test_a_form_that_does_not_say_which_version_was_seen_changes_nothing(person):
    before = person.config.read_text()
    for path, fields in (
        (f"/callers/{DIGEST}/name", {"name": "nightly"}),
        ("/callers/search/owner", {"owner": "Cleo"}),
    ):
        answer = person.send(path, **fields)

        assert answer.status_code == 400
        assert "version: is missing, so nothing was changed." in shown(answer.text)
        assert person.config.read_text() == before


def test_an_owner_is_changed_and_removed(person):
    answer = change(person, "/callers/search/owner", owner="Cleo")
    assert "The owner of search is Cleo." in shown(answer.text)
    assert load_settings(person.config).callers["search"].owner == "Cleo"
    assert "Its owner is Cleo." in shown(answer.text)

    answer = change(person, "/callers/search/owner", owner=" ")
    assert "search has no owner now." in shown(answer.text)
    assert load_settings(person.config).callers["search"].owner is None


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        (f"/callers/{DIGEST}/name", {"name": " "}, 400, "Write the name"),
        (f"/callers/{DIGEST}/name", {"name": "search"}, 409, "is a caller &#39;search&#39; alr"),
        (f"/callers/{DIGEST}/name", {"name": "a b"}, 409, "must have 1 to 64 letters, digits"),
        ("/callers/0123/name", {"name": "a"}, 409, "must be 16 lower-case hexadecimal digits"),
        ("/callers/nobody/owner", {"owner": "Ann"}, 409, "there is no caller &#39;nobody&#39;"),
        ("/callers/search/owner", {"owner": "A" * 101}, 409, "owner: must have 1 to 100"),
    ],
)
def test_what_cannot_be_written_is_said_in_words(person, path, fields, status, said):
    before = person.config.read_text()

    answer = change(person, path, **fields)

    assert answer.status_code == status
    assert said in shown(answer.text)
    assert person.config.read_text() == before


def test_without_the_key_of_the_digests_it_is_said_what_to_write(tmp_path):
    with signed_in(settings_file(tmp_path, SEARCH, traffic())) as person:
        said = shown(person.see(f"/callers/{DIGEST}").text)
        answer = person.send(f"/callers/{DIGEST}/name", name="nightly")

    assert 'Add the line digest_key = "..." above all tables of' in said.replace("&#34;", '"')
    assert f"that {tmp_path}/digest.key holds on the server" in said
    assert '<form class="stacked"' not in said
    assert answer.status_code == 409
    assert "Names for digests need the key of the digests" in shown(answer.text)


def test_where_only_tokens_are_served_a_digest_gets_its_token(tmp_path):
    text = f'{KEY}upstream_key = "sk-1"\n{SEARCH}'
    with signed_in(settings_file(tmp_path, text, traffic())) as person:
        said = shown(person.see(f"/callers/{DIGEST}").text)

    assert "Only callers with a token are served here" in said


def test_a_console_that_only_shows_has_no_forms_of_this_kind(tmp_path):
    config = settings_file(tmp_path, KEY + SEARCH, traffic())
    with signed_in(config, is_readonly=True) as person:
        said = shown(person.see("/callers/search").text)
        answer = person.send("/callers/search/owner", owner="Ann")

    assert "This console only shows: console_readonly is set." in said
    assert "Save the owner" not in said
    assert answer.status_code == 403
