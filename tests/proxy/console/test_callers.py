"""All callers in a table: who is in it, in which order, and what is said of them."""

import re
import time

import pytest

from proxy.traffic.store.row_mapping import moment_of
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.record_factory import record

DIGEST = "0123456789abcdef"
OTHER = "fedcba9876543210"
TOKEN = "sha256:" + "a" * 64
CALLERS = f"""
digest_key = "k"
[callers.nightly]
digest = "{DIGEST}"
owner = "Ann & Bea"
[callers.search]
token = "{TOKEN}"
"""


def received(ago_ms=0):
    return moment_of(time.time_ns() // 1_000_000 - ago_ms)


def traffic():
    return [
        *(
            record(id=f"req_n{number}", received=received(), sdk="python 0.3.11")
            for number in range(12)
        ),
        *(
            record(
                id=f"req_s{number}",
                received=received(7_200_000),
                caller_name="search",
                caller=OTHER,
                asked_model="claude-instant-1.2",
                status=400 if number else 200,
            )
            for number in range(3)
        ),
        record(id="req_none", received=received(60_000), caller=None, status=401),
    ]


@pytest.fixture
def person(tmp_path):
    with signed_in(settings_file(tmp_path, CALLERS, traffic())) as somebody:
        yield somebody


def order(text):
    return re.findall(r'<th scope="row"><a href="/callers/([^?]+)\?', text)


def test_everybody_is_there_with_what_matters_of_them(person):
    said = shown(person.see("/callers").text)

    assert "3 callers in the last 30 days 16 requests of Text Completions. 1 is ready" in said
    assert "nightly 12 75 %" in said
    assert "100 % ready 0 % python 0.3.11 claude-2.1 Ann &amp; Bea" in said
    assert "search 3 19 %" in said
    assert "too few to tell 67 % python-requests/2.31.0 claude-instant-1.2" in said
    assert "without a key 1 6 % not known not judged" in said


@pytest.mark.parametrize(
    ("sort", "callers"),
    [
        ({}, ["nightly", "search", "none"]),
        ({"sort": "requests"}, ["none", "search", "nightly"]),
        ({"sort": "caller"}, ["nightly", "search", "none"]),
        ({"sort": "-caller"}, ["none", "search", "nightly"]),
        ({"sort": "-seen"}, ["nightly", "none", "search"]),
        ({"sort": "owner"}, ["nightly", "search", "none"]),
        ({"sort": "-owner"}, ["nightly", "search", "none"]),
        ({"sort": "readiness"}, ["search", "nightly", "none"]),
        ({"sort": "-errors"}, ["none", "search", "nightly"]),
        ({"sort": "client"}, ["nightly", "search", "none"]),
        ({"sort": "model"}, ["nightly", "none", "search"]),
    ],
)
def test_a_head_sorts_and_what_is_not_known_comes_last(person, sort, callers):
    assert order(person.see("/callers", **sort).text) == callers


def test_the_head_that_sorts_turns_round_and_keeps_the_search(person):
    text = person.see("/callers", sort="-requests", q="a", period="7d").text

    assert text.count("aria-sort") == 1
    assert (
        '<th scope="col" class="n" aria-sort="descending">'
        '<a href="/callers?period=7d&amp;q=a&amp;sort=requests">requests</a>' in text
    )
    assert 'href="/callers?period=7d&amp;q=a&amp;sort=-errors"' in text
    assert 'href="/callers?period=7d&amp;q=a&amp;sort=model"' in text
    assert "in the last 7 days" in text


@pytest.mark.parametrize(
    ("wanted", "callers"),
    [
        ("NIGHT", ["nightly"]),
        ("bea", ["nightly"]),
        (OTHER[:6], ["search"]),
        ("0.3.11", ["nightly"]),
        ("instant", ["search"]),
        ("e", ["nightly", "search", "none"]),
    ],
)
def test_callers_are_searched_by_all_that_tells_them_apart(person, wanted, callers):
    assert order(person.see("/callers", q=wanted).text) == callers


def test_a_search_that_finds_nobody_says_who_may_be_meant(person):
    said = shown(person.see("/callers", q="serch").text)
    assert "No caller has serch in its name" in said
    assert "; did you mean search ?" in said

    said = shown(person.see("/callers", q="<b>").text)
    assert "No caller has &lt;b&gt; in its name, digest, SDK, model or owner. All callers" in said


def test_an_hour_in_which_few_asked_shows_those(person):
    said = shown(person.see("/callers", period="1h").text)

    assert "2 callers in the last hour" in said
    assert "search" not in order(person.see("/callers", period="1h").text)


def test_a_time_in_which_nobody_asked_says_what_to_do(tmp_path):
    with signed_in(settings_file(tmp_path)) as person:
        said = shown(person.see("/callers").text)

    assert "0 callers in the last 30 days" in said
    assert "There were no requests in the last 30 days. Choose a longer period" in said


def test_more_callers_than_fit_on_a_page_are_on_several(tmp_path):
    many = [
        record(id=f"req_{number}", received=received(), caller=f"{number:016x}")
        for number in range(201)
    ]
    with signed_in(settings_file(tmp_path, entries=many)) as person:
        first, last = person.see("/callers").text, person.see("/callers", page="3").text
        middle = person.see("/callers", page="2").text
        beyond = person.see("/callers", page="4")

    assert len(order(first)) == 100
    assert "None is ready to cut over." in first
    assert "Page 1 of 3" in first
    assert ("Previous" in first, "Next" in first) == (False, True)
    assert ("Previous" in middle, "Next" in middle) == (True, True)
    assert order(last) == [f"{200:016x}"]
    assert ("Previous" in last, "Next" in last) == (True, False)
    assert beyond.status_code == 404
    assert "There is no page 4: there are 3 pages, from 1 to 3." in shown(beyond.text)


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"page": "0"}, 404, "There is no page 0: there is 1 page"),
        ({"page": "²"}, 404, "There is no page ²"),
        ({"page": "0000000019"}, 404, "There is no page 0000000019"),
        ({"page": "1" * 30}, 404, "There is no page 11111111111111111111 …"),
        ({"sort": "request"}, 400, "there is no such column; did you mean requests ?"),
        ({"sort": "--"}, 400, "there is no such column; write one of caller, requests"),
        ({"period": "2w"}, 400, "period: write one of 1h, 24h, 7d, 30d, 90d."),
    ],
)
def test_what_makes_no_sense_is_said_in_words(person, given, status, said):
    answer = person.see("/callers", **given)

    assert answer.status_code == status
    assert said in shown(answer.text)


def test_all_are_ready_or_the_only_one_is(tmp_path):
    def ready(*names):
        return [
            record(id=f"req_{name}{number}", received=received(), caller_name=name, caller=name)
            for name in names
            for number in range(10)
        ]

    for number, (names, said) in enumerate(
        [(["a"], "It is ready to cut over."), (["a", "b"], "All are ready to cut over.")]
    ):
        directory = tmp_path / str(number)
        directory.mkdir()
        with signed_in(settings_file(directory, entries=ready(*names))) as person:
            assert said in shown(person.see("/callers").text)


def test_callers_that_found_no_room_among_the_sums_are_said_to_be_missing(tmp_path):
    many = [
        record(id=f"req_{number}", received=received(), caller=f"{number:016x}")
        for number in range(502)
    ]
    with signed_in(settings_file(tmp_path, entries=many)) as person:
        said = shown(person.see("/callers").text)

    assert "are missing in this table" in said
