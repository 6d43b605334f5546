"""The page in a real browser: what it shows, what it asks for, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from proxy.report.model import Counted, Example, ModelUse, Outcomes, Report, Spent
from proxy.report.page import as_html
from tests.browser import Browser, Page
from tests.proxy.report.factories import (
    adjustment,
    call,
    caller,
    compared,
    counted,
    coverage,
    error,
    latency,
    readiness,
    reason,
    report,
    retirement,
    shadows,
    volume,
)

PHONE = 390
ATTACKS = (
    "</style><script>document.title = 'owned'</script>",
    "</title><img src=http://127.0.0.1:9/x.png onerror=\"document.title = 'owned'\">",
    '"><svg onload="alert(1)"></svg><a href="javascript:alert(1)">',
    "{{ 7 * 7 }}{% raw %}<style>body{display:none}</style>",
    "--></code></pre></ins><iframe srcdoc='<script>parent.document.title=1</script>'></iframe>",
    "safe\u202egnp.exe\u2066\x00\x1b[2J\ud83d",
    "W" * 5_000,
)


def hostile(text: str) -> Report:
    """A report in which clients and upstreams say this wherever they are asked."""
    many: tuple[Counted, ...] = (counted(text), counted(text + "2"), counted(text + "3"))
    one = caller(
        text,
        digest=text,
        sdks=many,
        user_agents=many,
        dialects=many,
        rules=many,
        routes=many,
        features=many,
        models=(ModelUse(asked=text, sent=text, count=1, share=1.0),),
        adjustments=(adjustment(examples=(Example(field=text, asked=text, sent=text, count=1),)),),
        errors=(error(type=text, blame="client"),),
        readiness=readiness(1.0, reason(what=text, what_to_do=text)),
        latency=latency(1, 2),
        call=call(code=f"first = {text}\nsecond = {text}\n", exchange=text),
    )
    return report(
        one,
        caller=text,
        shadows=(shadows(rule=text, shadow=compared(0.5, failed=1, failures=many)),),
        retirements=(retirement(model=text, successor=text),),
        coverage=coverage(notes=(text,)),
    )


def ordinary() -> Report:
    """A week with a bit of everything, and nothing strange."""
    times = latency(120, 900)
    spent = Spent(input_tokens=1200, output_tokens=340, cost=0.42, unpriced_models=())
    long_line = '    system="' + "You are a gardener. " * 20 + '",\n'
    one = caller(
        latency=times,
        spent=spent,
        adjustments=(adjustment(),),
        readiness=readiness(0.6, reason(), reason("mechanical")),
        call=call(code=f"message = client.messages.create(\n{long_line})\n"),
        errors=(error(),),
        outcomes=Outcomes(answered=9, upstream_error=1),
    )
    return report(
        one,
        caller(None, latency=times),
        volume=volume(*range(168)),
        shadows=(shadows(),),
        retirements=(retirement(),),
    )


@contextmanager
def shown(browser: Browser, directory: Path, given: Report) -> Iterator[Page]:
    file = directory / "report.html"
    file.write_text(as_html(given))
    with browser.showing(file.as_uri()) as page:
        yield page


@pytest.mark.one_in(3)
@pytest.mark.parametrize("text", ATTACKS, ids=range(len(ATTACKS)))
def test_whatever_clients_say_is_text(browser: Browser, tmp_path: Path, text: str):
    with shown(browser, tmp_path, hostile(text)) as page:
        strangers = page.run(
            "document.querySelectorAll('script, img, iframe, [onload], [onerror], style ~ style,"
            ' a:not([href^="#"])\').length'
        )
        visible = page.run("document.body.innerText")
        page.resize(PHONE)
        sticking_out = page.sticking_out
        complaints, fetched = page.complaints, page.fetched

    beginning = text[:12].partition("\u202e")[0]
    assert strangers == 0
    assert beginning in visible
    assert "\u202e" not in visible
    assert sticking_out == 0
    assert complaints == []
    assert fetched == [(tmp_path / "report.html").as_uri()]


def test_what_cannot_be_seen_is_spelled_out(browser: Browser, tmp_path: Path):
    with shown(browser, tmp_path, hostile("safe\u202egnp.exe\x00\ud83d")) as page:
        name = page.run("document.querySelector('article h3 bdi').textContent")

    assert name == r"safe\u202egnp.exe\u0000\ud83d"


def test_its_policy_forbids_scripts_and_requests_even_if_somebody_got_markup_in(
    browser: Browser, tmp_path: Path
):
    planted = "<script>document.title = 'owned'</script><img src=http://127.0.0.1:9/x.png>"
    planted += "<p id=dressed style='color: rgb(255, 0, 0)'>x</p>"
    file = tmp_path / "report.html"
    file.write_text(as_html(ordinary()).replace("</main>", f"{planted}</main>"))
    with browser.showing(file.as_uri()) as page:
        title = page.run("document.title")
        colour = page.run("getComputedStyle(document.querySelector('#dressed')).color")
        violations = page.run("window.violations")

    assert title.startswith("2 callers")
    assert colour != "rgb(255, 0, 0)"
    assert sorted(violations) == ["http://127.0.0.1:9/x.png", "inline", "inline"]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("width", [320, PHONE, 768, 1200])
@pytest.mark.parametrize("unfolded", [False, True], ids=["folded", "unfolded"])
def test_no_width_scrolls_sideways(browser: Browser, tmp_path: Path, width: int, *, unfolded: bool):
    with shown(browser, tmp_path, ordinary()) as page:
        page.resize(width)
        if unfolded:
            page.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        sticking_out = page.sticking_out
        plot = page.run("document.querySelector('.plot').getBoundingClientRect().width")
        letters = page.run("getComputedStyle(document.querySelector('.plot text')).fontSize")

    assert sticking_out == 0
    assert plot > 0.8 * width - 80
    assert letters == "12px"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_told_from_what_is_behind_them(browser: Browser, tmp_path: Path, scheme: str):
    with shown(browser, tmp_path, ordinary()) as page:
        page.prefer(scheme)
        page.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        faint = page.run(CONTRAST)

    assert faint == []


def test_paper_shows_what_is_folded_away_and_cuts_nothing_off(browser: Browser, tmp_path: Path):
    with shown(browser, tmp_path, ordinary()) as page:
        page.prefer("dark", media="print")
        page.resize(720)
        known = page.run("document.querySelector('.known').getBoundingClientRect().height")
        cut_off = page.run(
            "[...document.querySelectorAll('pre, .wide')]"
            ".filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.className)"
        )
        paper = page.run("getComputedStyle(document.body).backgroundColor")
        page.prefer("light")
        printed = page.printed()

    assert known > 0
    assert cut_off == []
    assert paper == "rgb(255, 255, 255)"
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") >= 2


def test_a_keyboard_reaches_what_is_folded_away(browser: Browser, tmp_path: Path):
    with shown(browser, tmp_path, ordinary()) as page:
        for _ in range(60):
            page.press("Tab")
            if page.run("document.activeElement.tagName") == "SUMMARY":
                break
        page.press("Enter", "\r")
        is_open = page.run("document.activeElement.parentElement.open")

    assert is_open is True


def test_headings_are_in_order_and_plots_have_words(browser: Browser, tmp_path: Path):
    with shown(browser, tmp_path, ordinary()) as page:
        levels = page.run(
            "[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => +one.tagName[1])"
        )
        wordless = page.run(
            "[...document.querySelectorAll('svg')].filter((one) => "
            "!one.getAttribute('aria-label') && !one.querySelector('title')).length"
        )
        dangling = page.run(
            "[...document.querySelectorAll('[aria-labelledby]')].flatMap((one) =>"
            " one.getAttribute('aria-labelledby').split(' '))"
            ".concat([...document.links].map((one) => one.hash.slice(1)))"
            ".filter((id) => document.querySelectorAll('#' + id).length != 1)"
        )

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert wordless == 0
    assert dangling == []


# Every element with text of its own, against the first background behind it: WCAG 2, 1.4.3.
CONTRAST = """
(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const colour = parts(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
  };
  const own = (one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  return [...document.body.querySelectorAll("*:not(title, desc)")].filter(own).filter((one) => {
    const style = getComputedStyle(one);
    const ink = one.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(parts(ink)), light(behind(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05) < 4.5;
  }).map((one) => one.outerHTML.slice(0, 80));
})()
"""
