"""The rollout as people use it: a slider and a number that agree, on a screen and on a phone."""

from pathlib import Path

import pytest

from tests.browser import Browser
from tests.proxy.console.harness import console, settings_file
from tests.proxy.console.test_rollout import RULES, entries, trip

pytestmark = [pytest.mark.thorough, pytest.mark.without_coverage]


def test_a_share_is_slid_previewed_and_set(browser: Browser, tmp_path: Path):
    config = settings_file(tmp_path, RULES, entries())
    with console(config) as (url, once):
        with browser.showing(str(once)):
            pass
        with browser.showing(f"{url}/rollout") as page:
            page.run(
                "const slider = document.querySelector('input[type=range]');"
                "slider.value = 60; slider.dispatchEvent(new Event('input'))"
            )
            assert page.run("document.querySelector('input[type=number]').value") == "60"
            page.lead(
                "document.querySelector('.rules form.filters button').click()", "/rollout/share"
            )
            assert page.run("document.querySelector('h1').textContent").startswith("60 %")
            assert "share = 5\n" in config.read_text()
            page.lead("document.querySelector('.confirm button').click()", "/rollout")
            assert (
                page.run("document.querySelector('.notice').textContent")
                .strip()
                .startswith("Share of canary: 5 -> 60 %")
            )
            assert page.complaints == []
    assert "share = 60\n" in config.read_text()


def test_no_page_is_wider_than_a_phone(browser: Browser, tmp_path: Path):
    config = settings_file(tmp_path, RULES, entries())
    trip(config)
    paths = (
        "/rollout",
        "/rollout/history",
        "/rollout/share?rule=canary&share=60",
        "/rollout/override?action=translate",
    )
    with console(config) as (url, once):
        with browser.showing(str(once)):
            pass
        found: dict[str, object] = {}
        for path in paths:
            with browser.showing(f"{url}{path}") as page:
                page.resize(390)
                found[path] = page.sticking_out, page.complaints

    assert found == dict.fromkeys(paths, (0, []))
