"""The console in a real browser beside a real proxy with traffic, with script and without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.browser import Browser, Page
from tests.fleet import Fleet, rule, running_fleet
from tests.proxy.console.harness import console
from tests.proxy.report.page.conftest import browser
from tests.waiting import wait_for

__all__ = ["browser"]

pytestmark = [pytest.mark.thorough, pytest.mark.unmeasured]

RULES = 'digest_key = "of a test"\n' + rule("moved", 'action = "forward"', "share = 0")
PAGES = ("/", "/callers", "/exchanges", "/rollout", "/shadows", "/explain", "/models")


@dataclass(frozen=True, slots=True)
class Place:
    """A running proxy, and the address of its console in a browser that has signed in."""

    fleet: Fleet
    url: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("fleet")
    settings = f'traffic_url = "sqlite:///{directory / "traffic.db"}"\n{RULES}'
    with ExitStack() as stack:
        fleet = stack.enter_context(running_fleet(directory, settings, workers=2))
        fleet.ask("hello", model="claude-2.1")
        url, once = stack.enter_context(console(fleet.config, server_url=fleet.url))
        with browser.showing(str(once)):
            pass
        wait_for(lambda: asked(browser, url))
        yield Place(fleet, url)


def asked(browser: Browser, url: str) -> bool:
    """Return True once a caller is in the table, because the loader has stored its request."""
    with browser.showing(f"{url}/callers") as page:
        return bool(page.run("document.querySelectorAll('main tbody tr').length"))


def click(page: Page, selector: str, path: str) -> None:
    page.lead(f"document.querySelector({selector!r}).click()", path)


def fill(page: Page, selector: str, text: str) -> None:
    page.run(f"document.querySelector({selector!r}).value = {text!r}")


def text_of(page: Page, selector: str) -> str:
    return re.sub(r"\s+", " ", page.run(f"document.querySelector({selector!r}).textContent"))


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def open_page(request: pytest.FixtureRequest, place: Place, browser: Browser):
    """Return what opens a page of the console in a tab in which scripts run, or do not."""

    def open_page(path: str) -> Page:
        page = stack.enter_context(browser.showing("about:blank"))
        page.ask("Emulation.setScriptExecutionDisabled", value=not request.param)
        page.ask("Page.navigate", url=place.url + path)
        wait_for(lambda: page.run(f"location.href === {place.url + path!r}"))
        wait_for(lambda: page.run("document.readyState === 'complete'"))
        return page

    with ExitStack() as stack:
        yield open_page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_every_page_shows_the_traffic_of_the_proxy(open_page, width: int, scheme: str):
    for path in PAGES:
        page = open_page(path)
        page.resize(width)
        page.prefer(scheme)
        assert page.sticking_out == 0
        assert page.run("document.querySelector('[aria-current=page]') !== null")
        assert page.complaints == []
        if path in {"/", "/callers"}:
            assert text_of(page, "h1").startswith("1 caller")


def test_a_share_is_moved_and_the_kill_switch_is_thrown_and_taken_back(open_page, place: Place):
    before = place.fleet.config.read_text()
    page = open_page("/rollout")
    fill(page, "input[name=share]", "100")
    click(page, "form.filters button[type=submit]", "/rollout/share")
    with place.fleet.changing():
        click(page, "form[action='/rollout/share'][method=post] button", "/rollout")
    assert place.fleet.record(place.fleet.ask("moved", model="claude-2.1"))["route"] == "forward"

    click(page, "a[href='/rollout/override?action=translate']", "/rollout/override")
    fill(page, "input[name=confirmation]", "translate")
    with place.fleet.changing():
        click(page, "form[action='/rollout/override'] button", "/rollout")
    assert place.fleet.record(place.fleet.ask("killed", model="claude-2.1"))["route"] == "translate"

    with place.fleet.changing():
        click(page, "section[aria-label='Kill switch'] button", "/rollout")
    page = open_page("/rollout/share?rule=moved&share=0")
    with place.fleet.changing():
        click(page, "form[action='/rollout/share'][method=post] button", "/rollout")
    assert place.fleet.config.read_text() == before


def test_a_caller_that_is_only_a_digest_gets_a_name(open_page, place: Place):
    before = place.fleet.config.read_text()
    page = open_page("/callers")
    digest = page.run("document.querySelector('main tbody th a').textContent.trim()")
    click(page, "main tbody th a", f"/callers/{digest}")
    fill(page, "input[name=name]", "the-bot")
    with place.fleet.changing():
        click(page, f"form[action='/callers/{digest}/name'] button", "/callers/the-bot")

    assert "the-bot" in text_of(page, "h1")
    assert f'digest = "{digest}"' in place.fleet.config.read_text()
    with place.fleet.changing():
        place.fleet.config.write_text(before)
