"""`on_failure`: a second try elsewhere, as long as the client has heard nothing."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.fallback_fleet import TWICE, ask, said, times_asked, two_legs
from tests.fleet import Fleet
from tests.harness import V1, V2

SAID = {
    "to-legacy": "this is what the old API answers.",
    "to-model": "this is what the simulator answers",
    "from-legacy": "this is what the simulator answers",
}
DIALECTS = pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
FORMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
WAYS = pytest.mark.parametrize("case", list(SAID))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A rule for each way to try twice."""
    with two_legs(tmp_path_factory.mktemp("second")) as running:
        yield running


REFUSALS = [
    ({"error": "500"}, "500 api_error"),
    ({"error": "529"}, "529 overloaded_error"),
    ({"error": "404"}, "404 not_found_error"),
    ({"error": "400"}, "400 invalid_request_error"),
    ({"error": "502", "error-shape": "cloudflare"}, "502 api_error"),
    ({"error": "503", "error-shape": "empty"}, "503 api_error"),
    ({"delay-headers": "9000"}, "504 timeout_error"),
]


@pytest.mark.one_in(8)
@DIALECTS
@FORMS
@WAYS
@pytest.mark.parametrize(("mood", "reason"), REFUSALS, ids=[reason for _, reason in REFUSALS])
def test_somebody_else_answers_where_the_first_does_not(  # noqa: PLR0913, PLR0917 - a table
    fleet, case, mood, reason, version, stream
):
    answer = ask(fleet, case, mood, version=version, stream=stream)

    assert answer.status_code == 200
    assert SAID[case] in said(answer)
    assert times_asked(fleet, answer) == TWICE[case]
    record = fleet.record(answer)
    assert record["first_failure"].partition(": ")[0] == reason
    assert record["route"] == ("forward" if case == "to-legacy" else "translate")
    assert (record["status"], record["error_type"], record["failure"]) == (200, None, None)
    assert (record["rule"], record["blame"]) == (case, "nobody")


@pytest.mark.one_in(4)
@DIALECTS
@pytest.mark.parametrize("case", ["to-legacy", "to-model"])
@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ({"truncate-body": "20"}, "502 api_error"),
        ({"form": "stream", "end-after-events": "3"}, "502 api_error"),
        ({"form": "stream", "error-after-events": "3"}, "529 overloaded_error"),
        ({"error": "529", "status": "200"}, "529 overloaded_error"),
        ({"break-after-bytes": "40"}, "502 api_error"),
    ],
    ids=["cut JSON", "half a stream", "an error in a stream", "an error in a 200", "broken off"],
)
def test_a_whole_answer_that_is_none_is_tried_elsewhere(fleet, case, mood, reason, version):
    answer = ask(fleet, case, mood, version=version)

    assert SAID[case] in said(answer)
    assert fleet.record(answer)["first_failure"].partition(": ")[0] == reason


BEFORE_THE_FIRST_WORD = {
    "an error first": {"error-after-events": "0"},
    "an error after the start": {"error-after-events": "1"},
    "an error after pings": {"error-after-deltas": "0", "pings": "3"},
    "broken off at once": {"break-after-events": "0"},
    "broken off after a ping": {"break-after-events": "3"},
    "ended at once": {"end-after-events": "0"},
    "ended after a ping": {"end-after-events": "3"},
    "silence": {"hang-after-events": "0"},
    "silence after pings": {"hang-after-events": "5", "pings": "3"},
}


@pytest.mark.one_in(4)
@DIALECTS
@pytest.mark.parametrize("case", ["to-legacy", "to-model"])
@pytest.mark.parametrize("mood", BEFORE_THE_FIRST_WORD.values(), ids=BEFORE_THE_FIRST_WORD)
def test_a_stream_that_fails_before_its_first_word_is_tried_elsewhere(fleet, case, mood, version):
    answer = ask(fleet, case, mood, version=version, stream=True)

    assert answer.status_code == 200
    assert SAID[case] in said(answer)
    assert b"error" not in answer.content
    assert times_asked(fleet, answer) == TWICE[case]
    assert fleet.record(answer)["first_failure"] is not None


@DIALECTS
@pytest.mark.parametrize("mood", [{"break-after-events": "0"}, {"hang-after-events": "0"}])
def test_a_forwarded_stream_that_has_only_headers_is_tried_elsewhere(fleet, mood, version):
    answer = ask(fleet, "from-legacy", mood, version=version, stream=True)

    assert SAID["from-legacy"] in said(answer)
    assert times_asked(fleet, answer) == (1, 1)
    assert fleet.record(answer)["route"] == "translate"


def test_a_forwarded_stream_that_begins_with_an_error_is_tried_elsewhere(fleet):
    answer = ask(fleet, "from-legacy", {"error-after-events": "0"}, stream=True)

    assert SAID["from-legacy"] in said(answer)
    assert fleet.record(answer)["first_failure"] == "529 overloaded_error"


def test_a_forwarded_stream_that_begins_with_an_error_for_everybody_is_not(fleet):
    mood = {"error-after-events": "0", "error": "429"}
    answer = ask(fleet, "from-legacy", mood, stream=True)

    assert answer.text.startswith("event: error")
    assert times_asked(fleet, answer) == (0, 1)
