"""What is true of every page of the console."""

import pytest

from proxy.console.app import PAGES
from tests.proxy.console.harness import settings_file, shown, signed_in

pytestmark = pytest.mark.without_coverage


@pytest.fixture
def person(tmp_path):
    with signed_in(settings_file(tmp_path)) as somebody:
        yield somebody


@pytest.mark.parametrize("path", [path for path in PAGES if "{" not in path])
def test_a_page_over_an_empty_store_says_what_to_do(person, path):
    answer = person.see(path)

    assert answer.status_code == 200
    assert 'aria-current="page"' in answer.text
    _, _, main = answer.text.partition("<main")
    assert len(shown(main).split()) > 10  # more than a heading


@pytest.mark.measured
def test_an_address_without_a_page_is_said_to_be_none(person):
    answer = person.see("/nowhere")

    assert answer.status_code == 404
    assert "There is no page at this address." in shown(answer.text)
