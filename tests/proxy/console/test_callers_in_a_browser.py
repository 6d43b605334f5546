"""The pages of callers and shadows in Chromium: on phones, in the dark, with script."""

import pytest

from tests.browser import Browser
from tests.proxy.console.harness import console, settings_file
from tests.proxy.console.test_caller import KEY, SEARCH, received
from tests.proxy.console.test_caller import traffic as requests
from tests.record_factory import record, shadow_record

pytestmark = [pytest.mark.thorough, pytest.mark.without_coverage]

LONG = "claude-" + "x" * 200


@pytest.fixture
def opened(tmp_path, browser: Browser):
    entries = [
        *requests(),
        *(
            record(id=f"req_m{number}", caller=f"{number:016x}", received=received())
            for number in range(120)
        ),
        record(id="req_long", received=received(), caller="b" * 16, asked_model=LONG, sdk=LONG),
        shadow_record(
            id="req_long",
            ended=received(),
            comparison={"equal": False, "similarity": 0.1, "models": (LONG, "claude-haiku-4-5")},
        ),
    ]
    with console(settings_file(tmp_path, KEY + SEARCH, entries)) as (url, once):
        with browser.showing(str(once)):
            pass
        yield url


@pytest.mark.parametrize(
    "path", ["/callers", "/callers/search", f"/callers/{'b' * 16}", "/shadows"]
)
def test_nothing_sticks_out_of_a_page_or_is_refused_by_its_policy(opened, browser, path):
    with browser.showing(f"{opened}{path}") as page:
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                page.resize(width)
                page.prefer(scheme)
                assert page.sticking_out == 0
        assert page.complaints == []


def test_a_phone_shows_callers_as_cards_with_a_list_to_sort_by(opened, browser):
    shown = "getComputedStyle(document.querySelector('{}')).display"
    with browser.showing(f"{opened}/callers") as page:
        wide = [page.run(shown.format(which)) for which in (".callers thead", ".for-cards")]
        page.resize(390)
        narrow = [page.run(shown.format(which)) for which in (".callers thead", ".for-cards")]

    assert wide == ["table-header-group", "none"]
    assert narrow == ["none", "grid"]


def test_the_call_is_copied_as_it_is_written(opened, browser):
    with browser.showing(f"{opened}/callers/search") as page:
        code = page.run("document.getElementById('call-python').textContent")
        page.run("document.querySelector('button[data-copy]').click()")
        hidden = page.run("document.querySelectorAll('button[data-copy][hidden]').length")

    compile(code, "call", "exec")
    assert hidden == 0
