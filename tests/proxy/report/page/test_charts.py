import re

import pytest

from proxy.report.agreement import AGREEMENT, Agreement, AgreementStep, RuleAgreement
from proxy.report.model import Bucket, Outcomes, Percentiles, Volume
from proxy.report.page import charts as drawings
from tests.proxy.report.factories import volume


def attributes(drawn: str, tag: str, css: str) -> list[dict[str, str]]:
    """Of the elements of one class."""
    found = re.findall(rf'<{tag} class="{css}" ([^>]*?)/?>', drawn)
    return [dict(re.findall(r'([\w-]+)="([^"]*)"', one)) for one in found]


def words(drawn: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawn)


def test_a_bar_is_as_high_as_its_share_of_the_axis():
    drawn = drawings.volume(volume(4, 8, 0, 2))

    answered = attributes(drawn, "rect", "answered")
    assert [one["height"] for one in answered] == ["54.8", "109.5", "36.5"]
    assert [one["x"] for one in answered] == ["10.000%", "35.000%", "85.000%"]


def test_many_bars_share_the_width():
    drawn = drawings.volume(volume(*[1] * 50))

    [first, *_, last] = attributes(drawn, "rect", "answered")
    assert (first["x"], first["width"], last["x"]) == ("0.280%", "1.440%", "98.280%")


def test_bars_of_one_step_stand_on_each_other():
    drawn = drawings.volume(volume(8))

    [answered] = attributes(drawn, "rect", "answered")
    [client_error] = attributes(drawn, "rect", "client_error")
    assert float(client_error["y"]) + float(client_error["height"]) == float(answered["y"])


def test_a_plot_says_in_words_what_it_shows():
    drawn = drawings.volume(volume(4, 8, 0, 2))

    assert '<title id="volume-t">Requests per hour</title>' in drawn
    assert "14 requests over 4 hours; at most 8 per hour, on Mon 01:00, 16 Nov 2026." in drawn


@pytest.mark.parametrize(
    ("most", "axis"),
    [
        (1, ["1"]),
        (2, ["1", "2"]),
        (9, ["9"]),
        (10, ["5", "10"]),
        (11, ["6", "12"]),
        (99, ["50", "100"]),
        (101, ["60", "120"]),
        (4_100, ["2,500", "5,000"]),
    ],
)
def test_an_axis_ends_with_a_round_number_and_has_no_half_requests(most, axis):
    assert words(drawings.volume(volume(most)))[:-1] == axis


@pytest.mark.parametrize(
    ("step", "ends"),
    [
        ("minute", ["00:00, 16 Nov 2026", "01:00, 16 Nov 2026"]),
        ("hour", ["Mon 00:00, 16 Nov 2026", "Mon 01:00, 16 Nov 2026"]),
        ("day", ["Mon, 16 Nov 2026", "Mon, 16 Nov 2026"]),
    ],
)
def test_the_axis_of_time_says_where_it_begins_and_ends(step, ends):
    assert words(drawings.volume(volume(3, 3, step=step)))[-2:] == ends


def test_a_plot_of_one_step_says_its_time_once():
    assert words(drawings.volume(volume(3, step="day"))) == ["3", "Mon, 16 Nov 2026"]


def test_every_outcome_has_a_colour():
    names = Outcomes.__struct_fields__
    outcomes = Outcomes(**dict.fromkeys(names, 1))
    bucket = Bucket(begin="2026-11-16T00:00:00+00:00", outcomes=outcomes, exchanges=len(names))

    drawn = drawings.volume(Volume(step="day", buckets=(bucket,)))

    style = drawings.__file__.replace("charts.py", "style.css")
    with open(style) as sheet:
        rules = sheet.read()
    for name in Outcomes.__struct_fields__:
        assert len(attributes(drawn, "rect", name)) == 1
        assert f".{name} {{ --mine: var(--{name}); }}" in rules


def test_a_share_fills_its_track():
    drawn = drawings.share(0.25, "a quarter", css="ready")

    assert attributes(drawn, "rect", "ready")[0]["width"] == "25.000%"
    assert 'aria-label="a quarter"' in drawn


def test_a_span_reaches_from_the_middle_to_the_slow_end():
    drawn = drawings.span(Percentiles(p50=50, p95=100, p99=100), 100, "50 ms to 100 ms")

    [line] = attributes(drawn, "line", "span")
    assert (line["x1"], line["x2"]) == ("50.000%", "97.000%")


def test_a_similarity_has_a_mark_where_the_noise_floor_is():
    drawn = drawings.similarity(0.5, 0.8, "50 %")

    assert attributes(drawn, "rect", "shadow")[0]["width"] == "50.000%"
    assert attributes(drawn, "line", "floor")[0]["x1"] == "79.600%"


def test_a_similarity_without_a_control_has_no_mark():
    assert attributes(drawings.similarity(0.5, None, "50 %"), "line", "floor") == []


def test_a_label_cannot_get_out_of_its_quotes():
    assert '"><script>' not in drawings.share(0.5, '"><script>')


def test_a_time_is_a_bar_whose_parts_end_at_moments():
    drawn = drawings.timing([("b", 80), ("a", 20), ("c", 200)], 100, "100 ms")

    parts = {css: attributes(drawn, "rect", css)[0] for css in "abc"}
    assert [(one["x"], one["width"]) for one in parts.values()] == [
        ("0.000%", "20.000%"),
        ("20.000%", "60.000%"),
        ("80.000%", "20.000%"),
    ]
    assert attributes(drawings.timing([("a", 0)], 0, ""), "rect", "a")[0]["width"] == "0.000%"


def agreeing(*steps: tuple[Agreement, Agreement]) -> RuleAgreement:
    return RuleAgreement(
        rule="canary",
        step="day",
        steps=tuple(
            AgreementStep(begin=f"2026-11-{16 + day}T00:00:00.000+00:00", shadow=one, control=other)
            for day, (one, other) in enumerate(steps)
        ),
    )


def test_shadows_fill_a_bar_by_their_shares_beside_the_noise_floor():
    both = Agreement(equal=1, similar=1, different=1, failed=1)
    drawn = drawings.agreement(
        agreeing((both, Agreement(equal=1, different=1)), (Agreement(), Agreement())), "1"
    )

    heights = [attributes(drawn, "rect", name)[0]["height"] for name in AGREEMENT]
    assert heights == ["36.5"] * 4
    [floor] = attributes(drawn, "line", "floor")
    assert floor["y1"] == floor["y2"] == attributes(drawn, "rect", "similar")[0]["y"]
    assert words(drawn) == ["50 %", "100 %", "16 Nov 2026", "17 Nov 2026"]
    assert '<desc id="agreement-1-d">4 shadows over 2 days.</desc>' in drawn


def test_shadows_of_one_step_say_its_time_once():
    drawn = drawings.agreement(agreeing((Agreement(equal=1), Agreement())), "1")

    assert words(drawn) == ["50 %", "100 %", "16 Nov 2026"]
    assert attributes(drawn, "line", "floor") == []
