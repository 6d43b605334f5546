"""The page as text: what stands in it, and what does not."""

from proxy.report.model import HitCaller, Others, Outcomes, Readiness
from proxy.report.page import as_html
from tests.proxy.report.factories import (
    NOTHING_SPENT,
    NOTHING_TIMED,
    call,
    caller,
    latency,
    readiness,
    reason,
    report,
    retirement,
    shadows,
    standing,
)


def test_nothing_to_report_is_a_page_too():
    page = as_html(report())

    assert "<h1>No caller used Text Completions.</h1>" in page
    assert "holdover report --since 30d" in page
    assert "What the numbers mean" in page
    assert "How much" not in page


def test_nothing_is_fetched_and_no_script_is_there():
    page = as_html(report(caller(call=call()), shadows=(shadows(),)))

    for word in ("<script", " src=", "url(", "@import", " style=", "http://", "javascript:"):
        assert word not in page
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page


def test_it_begins_with_its_type_and_ends_with_a_line():
    page = as_html(report(caller()))

    assert page.startswith('<!doctype html>\n<html lang="en">\n')
    assert page.endswith("</html>\n")


def test_a_report_of_one_caller_says_so():
    assert "This report covers only the caller <bdi>web-chat</bdi>" in as_html(
        report(caller(), caller="web-chat")
    )


def test_callers_that_are_not_shown_are_counted():
    others = Others(
        callers=3,
        exchanges=12,
        share=0.5,
        outcomes=Outcomes(answered=12),
        spent=NOTHING_SPENT,
        lowest_readiness=0.4,
    )

    page = as_html(report(caller(), others=others))

    assert "3 other callers" in page
    assert "from 40 %" in page


def test_others_of_which_nothing_is_known_have_no_readiness():
    others = Others(
        callers=1,
        exchanges=1,
        share=0.1,
        outcomes=Outcomes(client_error=1),
        spent=NOTHING_SPENT,
        lowest_readiness=None,
    )

    page = as_html(report(caller(), others=others))

    assert "1 other caller<" in page
    assert "from not known" not in page


def test_a_caller_that_was_never_judged_has_no_bar_and_no_wait():
    one = caller(readiness=readiness(None), latency=NOTHING_TIMED)

    page = as_html(report(one))

    assert "not judged" in page
    assert "How long callers wait" not in page


def test_a_caller_in_a_table_leads_to_its_section():
    page = as_html(report(caller("web-chat", latency=latency(1, 2))))

    assert page.count('<a href="#caller-1">web-chat</a>') == 2
    assert '<article id="caller-1"' in page


def test_a_call_from_a_record_alone_says_that_its_words_were_not_kept():
    page = as_html(report(caller(call=call(is_captured=False))))

    assert "its texts were not recorded" in page


def test_every_line_of_a_call_is_an_added_one():
    page = as_html(report(caller(call=call(code="one = 1\n\ntwo = 2\n"))))

    assert "<code><ins>one = 1</ins><ins></ins><ins>two = 2</ins></code>" in page


def test_of_ten_thousand_callers_the_first_are_named():
    many = tuple(standing(caller(f"c{n}")) for n in range(10_000))
    hit = tuple(HitCaller(name=f"hit-{n}", digest=None, count=1) for n in range(10_000))

    page = as_html(report(caller(), standings=many, retirements=(retirement(callers=hit),)))

    assert "c18, c19 and 9,980 more</bdi>" in page
    assert "hit-19" in page
    assert "hit-20" not in page
    assert len(page) < 60_000


def test_a_caller_with_little_to_show_is_said_to_have_shown_too_little():
    few = Readiness(score=1.0, judged=3, is_enough=False, is_ready=False, reasons=())

    page = as_html(report(caller(readiness=few)))

    assert page.count('<span class="badge">too few to tell</span>') == 2
    assert 'class="badge ready"' not in page


def test_second_tries_are_shown():
    assert "Rescued by a second try" in as_html(report(caller(rescued=2)))
    assert "Rescued" not in as_html(report(caller()))


def test_a_call_says_how_much_of_the_traffic_it_stands_for():
    assert "98 % of its requests look like this" in as_html(report(caller(call=call())))


def test_backticks_become_code():
    page = as_html(report(caller(readiness=readiness(0.5, reason()))))

    assert "<code>Assistant:</code>" in page
    assert "`" not in page.partition("<body>")[2]
