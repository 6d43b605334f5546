"""What holds for every page, question and change of the console, whichever there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.console.app import CHANGES, PAGES, QUESTIONS
from tests.proxy.console.harness import Person, console, settings_file, shown, signed_in
from tests.servers import new_client

pytestmark = pytest.mark.without_coverage

FORMS = (*QUESTIONS, *CHANGES)
RULE = '\n[[rollout]]\nname = "canary"\nshare = 25\naction = "translate"\n'


def filled(path: str) -> str:
    """Return the path with something in the place of each of its parameters."""
    return re.sub(r"{\w+(:\w+)?}", "1", path)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return settings_file(tmp_path_factory.mktemp("console"), RULE)


@pytest.fixture(scope="module")
def person(config: Path) -> Iterator[Person]:
    with signed_in(config) as somebody:
        yield somebody


@pytest.fixture(scope="module")
def onlooker(config: Path) -> Iterator[Person]:
    """Somebody at a console that changes nothing."""
    with signed_in(config, is_readonly=True) as somebody:
        yield somebody


def state_of(config: Path) -> dict[str, bytes]:
    """Return all that the console could have changed."""
    return {
        str(path): path.read_bytes()
        for path in sorted(config.parent.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_paths_of_forms_that_change_something_are_not_those_of_questions():
    assert not set(QUESTIONS) & set(CHANGES)


@pytest.mark.parametrize("path", sorted({*PAGES, *FORMS}))
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_answers_without_a_session(person, path, method):
    with new_client(base_url=person.url) as stranger:
        answer = stranger.request(method, filled(path))

    assert answer.status_code == 401
    assert answer.headers["cache-control"] == "no-store"
    assert method == "HEAD" or "<nav" not in answer.text


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("fields", [{}, {"csrf": ""}, {"csrf": "guessed"}])
def test_no_form_works_without_what_its_page_holds(person, path, fields):
    before = state_of(person.config)
    answer = person.client.post(filled(path), data={"name": "canary", **fields})

    assert answer.status_code == 403
    assert "nothing was changed" in shown(answer.text)
    assert state_of(person.config) == before


@pytest.mark.parametrize("path", FORMS)
def test_no_form_works_from_a_page_of_another_session(person, path):
    with console(person.config) as (url, once), new_client(base_url=url) as other:
        other.get(str(once))
        answer = other.post(filled(path), data={"csrf": person.csrf})

    assert answer.status_code == 403


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "same-site"}]
)
def test_no_form_works_from_another_site(person, path, headers):
    answer = person.client.post(filled(path), data={"csrf": person.csrf}, headers=headers)

    assert answer.status_code == 403


@pytest.mark.parametrize("path", CHANGES)
def test_a_console_that_only_shows_changes_nothing(onlooker, path):
    before = state_of(onlooker.config)
    answer = onlooker.send(filled(path), name="canary", share="50", expected="", confirm="canary")

    assert answer.status_code == 403
    assert "This console only shows" in shown(answer.text)
    assert state_of(onlooker.config) == before


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_console_that_only_shows_answers_questions(onlooker, path):
    assert onlooker.send(filled(path)).status_code in {200, 400, 404, 422}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_a_page_says_which_methods_it_takes(person, path, method):
    answer = person.client.request(method, filled(path))

    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert "nothing was changed" in shown(answer.text)
    assert "<nav" in answer.text


@pytest.mark.measured
@pytest.mark.parametrize("path", PAGES)
def test_the_head_of_a_page_is_that_of_the_page(person, path):
    head, page = (person.client.request(method, filled(path)) for method in ("HEAD", "GET"))

    assert head.status_code == page.status_code
    assert head.content == b""
    assert head.headers["cache-control"] == page.headers["cache-control"] == "no-store"
