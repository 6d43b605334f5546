"""Every page in Chromium: for phones, in the dark, for keyboards and screen readers, as text."""

import time
from typing import Any

import pytest

from proxy.console.app import PAGES
from proxy.security.redaction import Redacted
from proxy.traffic import MadeAdjustment
from proxy.traffic.store.row_mapping import moment_of
from tests.axe import barriers
from tests.proxy.console.harness import console, settings_file
from tests.record_factory import shadow_record
from tests.recorded_exchanges import exchange

pytestmark = [pytest.mark.thorough, pytest.mark.without_coverage]

HOSTILE = """\u202e<img src=x onerror="document.title = 'owned'">'"><svg onload=alert(1)>"""
LONG = "w" * 300
RULES = """
digest_key = "of a test"
legacy_url = "http://127.0.0.1:9"
[callers.support-bot]
token = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
[[rollout]]
name = "canary"
match = { model = "claude-2*" }
action = "forward"
share = 25
[rollout.guard]
errors_above = 5
min_count = 20
window = 300
[[rollout]]
name = "cheaper"
action = "translate"
shadow = { action = "translate", model = "claude-haiku-4-5", control = true }
campaign = { sunset = 2030-01-01 }
"""
PLACES = {"who": "support-bot", "id": "req_0001"}
CHANGED = MadeAdjustment("drop_temperature", *map(Redacted, ("temperature", "0.5", "nothing")))


def received(number):
    return moment_of(time.time_ns() // 1_000_000 - number * 600_000)


def traffic():
    for number, name in enumerate(["support-bot", HOSTILE, LONG, "nightly", None] * 3):
        fields: dict[str, Any] = {
            "caller_name": name,
            "asked_model": name or "claude-2",
            "sdk": name,
        }
        yield from exchange(
            number,
            prompt=f"\n\nHuman: {name} {number}\n\nAssistant:",
            received=received(number),
            adjustments=(CHANGED,),
            status=500 if number == 4 else 200,
            **fields,
        )
    for leg, similarity in (("shadow", 0.5), ("control", 1.0)):
        yield shadow_record(
            id="req_0001",
            leg=leg,
            rule="cheaper",
            ended=received(1),
            comparison={"equal": similarity == 1, "similarity": similarity},
        )


@pytest.fixture(scope="module")
def opened(tmp_path_factory, browser):
    directory = tmp_path_factory.mktemp("console")
    with console(settings_file(directory, RULES, traffic())) as (url, once):
        with browser.showing(str(once)):
            pass
        yield url


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_page_fits_its_window_and_keeps_nobody_out(opened, browser, path, scheme, width):
    with browser.showing(opened + path.format(**PLACES)) as page:
        page.resize(width)
        page.prefer(scheme)
        found = barriers(page)
        sticking_out, complaints, title = (
            page.sticking_out,
            page.complaints,
            page.run("document.title"),
        )

    assert found == []
    assert sticking_out == 0
    assert complaints == []
    assert title.endswith("Holdover")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fetches_from_its_own_console_only(opened, browser, path):
    with browser.showing(opened + path.format(**PLACES)) as page:
        assert {each.startswith(f"{opened}/") or each == "data:," for each in page.fetched} == {
            True
        }


def test_a_caller_with_a_hostile_name_has_a_page_of_its_own(opened, browser):
    with browser.showing(f"{opened}/callers") as page:
        link = (
            "[...document.querySelectorAll('main a')].find((a) => a.textContent.includes('owned'))"
        )
        href = page.run(f"{link}.href")
    with browser.showing(href) as page:
        heading, title = (
            page.run("document.querySelector('h1').textContent"),
            page.run("document.title"),
        )

    assert "<img src=x onerror=" in heading
    assert "\\u202e" in heading
    assert title != "owned"


@pytest.mark.parametrize("path", PAGES)
def test_on_paper_a_page_is_bright_and_whole_and_has_nothing_to_press(opened, browser, path):
    seen = """[...document.querySelectorAll("nav, form, button, .button, input, .skip")]
        .filter((each) => each.offsetParent !== null).map((each) => each.outerHTML.slice(0, 90))"""
    cut = """[...document.querySelectorAll("main pre, main .wide, main .body")]
        .filter((each) => each.offsetParent !== null)
        .filter((each) => getComputedStyle(each).overflow !== "visible")
        .map((each) => each.outerHTML.slice(0, 90))"""
    paper = "getComputedStyle(document.body).backgroundColor"
    with browser.showing(opened + path.format(**PLACES)) as page:
        page.resize(718)  # as wide as A4 between its margins
        page.prefer("dark", media="print")
        found = page.run(seen), page.run(cut), page.sticking_out, page.run(paper)
        printed = page.printed()

    assert found == ([], [], 0, "rgb(255, 255, 255)")
    assert printed.startswith(b"%PDF")


@pytest.mark.parametrize("path", PAGES)
def test_on_a_phone_tables_are_cards_and_what_scrolls_has_a_sign(opened, browser, path):
    tables = """[...document.querySelectorAll("main .wide, main table")]
        .filter((each) => each.scrollWidth > each.clientWidth + 1)
        .map((each) => each.outerHTML.slice(0, 90))"""
    boxes = """[...document.querySelectorAll("main pre")]
        .filter((each) => !getComputedStyle(each).backgroundAttachment.includes("local"))
        .map((each) => each.outerHTML.slice(0, 90))"""
    open_all = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
    with browser.showing(opened + path.format(**PLACES)) as page:
        page.resize(390)
        page.run(open_all)
        found = page.run(tables), page.run(boxes)

    assert found == ([], [])
