"""What the console makes of its pages and forms, tried with some that were made for it."""

# ruff: noqa: ARG001 - pages and forms take what all of them take

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response

from proxy.console.access.forms import Form
from proxy.console.app import Contents, path_under
from proxy.console.problems import Problem
from proxy.console.visit import Visit
from proxy.errors import InvalidSettings
from proxy.traffic.store.errors import StoreError
from tests.proxy.console.harness import Person, settings_file, shown, signed_in


async def look(visit: Visit) -> Response:
    return PlainTextResponse("seen")


async def repeat(visit: Visit, form: Form) -> Response:
    return PlainTextResponse(json.dumps(dict(form)))


async def change(visit: Visit, form: Form) -> Response:
    return visit.redirect("/", "It was changed.")


async def refuse(visit: Visit) -> Response:
    raise Problem(404, "There is no exchange <b>x</b>.", headers={"x-why": "gone"})


async def lose_the_store(visit: Visit) -> Response:
    raise StoreError("the store is on holiday")


async def contradict(visit: Visit, form: Form) -> Response:
    raise InvalidSettings("rollout.0.share: is not a number", "rollout.1: is nothing")


async def crash(visit: Visit) -> Response:
    raise RuntimeError("sk-ant-secret")


CONTENTS = Contents(
    pages={
        "/": look,
        "/both": look,
        "/things/{name}": look,
        "/refused": refuse,
        "/lost": lose_the_store,
        "/crash": crash,
    },
    questions={"/repeat": repeat, "/things/new": repeat},
    changes={"/both": change, "/contradict": contradict},
)


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    with signed_in(
        settings_file(tmp_path_factory.mktemp("console")), contents=CONTENTS
    ) as somebody:
        yield somebody


def send(person: Person, path: str, **fields: str) -> httpx.Response:
    return person.client.post(
        path, data={"csrf": csrf_of(person), **fields}, follow_redirects=False
    )


def csrf_of(person: Person) -> str:
    page = person.see("/refused").text
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def test_a_form_reaches_who_asked_for_it_with_all_that_was_typed(person):
    answer = send(person, "/repeat", text="two\nlines & Ü", empty="")

    assert answer.json() == {
        "csrf": csrf_of(person),
        "text": "two\nlines & Ü",
        "empty": "",
    }


def test_a_change_leads_to_a_page(person):
    answer = send(person, "/both")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_console_that_only_shows_answers_a_question_and_changes_nothing(tmp_path):
    with signed_in(settings_file(tmp_path), contents=CONTENTS, is_readonly=True) as onlooker:
        assert send(onlooker, "/repeat", a="1").status_code == 200
        answer = send(onlooker, "/both")

    assert answer.status_code == 403
    assert "Nothing was changed This console only shows" in shown(answer.text)


def test_a_path_may_be_a_page_and_a_form_and_says_so(person):
    assert person.see("/both").text == "seen"
    answer = person.client.delete("/both")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_a_form_may_have_a_path_that_looks_like_one_of_a_page(person):
    assert send(person, "/things/new").json().keys() == {"csrf"}
    assert person.see("/things/old").text == "seen"


def test_a_form_that_is_opened_like_a_page_says_what_it_is_for(person):
    answer = person.see("/repeat")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "Use the form on the page" in shown(answer.text)


def test_a_problem_is_a_page_with_its_status_and_the_way_to_others(person):
    answer = person.see("/refused")

    assert (answer.status_code, answer.headers["x-why"]) == (404, "gone")
    assert "There is no exchange &lt;b&gt;x&lt;/b&gt;." in answer.text
    assert "<nav" in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_store_that_cannot_be_read_is_said_to_be_so(person):
    answer = person.see("/lost")

    assert answer.status_code == 503
    assert "The records cannot be read the store is on holiday." in shown(answer.text)


def test_settings_that_contradict_each_other_are_refused_with_each_reason(person):
    answer = send(person, "/contradict")

    assert answer.status_code == 409
    assert "rollout.0.share: is not a number" in answer.text
    assert "rollout.1: is nothing" in answer.text


def test_a_fault_of_ours_is_admitted_and_tells_no_secret(person, capfd):
    answer = person.see("/crash")

    assert answer.status_code == 500
    assert "This is a fault of Holdover" in shown(answer.text)
    assert "sk-ant-secret" not in answer.text + "".join(capfd.readouterr())
    assert person.see("/").text == "seen"


def test_who_leaves_while_a_form_arrives_leaves_the_others_alone(person):
    address = urlsplit(person.url)
    [cookie] = [f"{each.name}={each.value}" for each in person.client.cookies.jar]
    head = (
        f"POST /repeat HTTP/1.1\r\nhost: {address.netloc}\r\ncookie: {cookie}\r\n"
        "content-type: application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\na"
    )
    with socket.create_connection((address.hostname, address.port)) as leaving:
        leaving.sendall(head.encode())

    assert person.see("/").text == "seen"


def test_no_prefix_hides_a_page():
    assert path_under("") is None
    assert path_under("/console") is None
    assert path_under("/sign-in") == "/sign-in"
    assert path_under("/static") == "/static/"
