"""The overview: how far the migration is, what happens now, and what needs somebody."""

import time

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from proxy.traffic.store.row_mapping import moment_of
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.record_factory import record
from tests.servers import serving

DAY_MS = 86_400_000
READY = {
    "status": "ready",
    "problems": [],
    "settings": {"loaded": "2026-11-30T10:00:00+00:00", "version": "1", "problem": None},
}
TRIPPED = {
    "kind": "guard_tripped",
    "subject": "canary",
    "text": "The guard of canary has tripped.",
    "advice": "Find the cause.",
}


def received(ago_ms=0):
    return moment_of(time.time_ns() // 1_000_000 - ago_ms)


def some_traffic():
    return [
        record(id="req_1", received=received(), caller_name="newsletter"),
        record(id="req_2", received=received(), caller_name="newsletter", status=500),
        record(id="req_3", received=received(10 * DAY_MS), caller_name="old-bot"),
    ]


def server(answer):
    async def readyz(_):
        return answer

    return serving(Starlette(routes=[Route("/readyz", readyz)]))


def json(**fields):
    return Response(msgspec.json.encode(READY | fields), media_type="application/json")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (json(), "Nothing. The server is ready and follows the settings that it read on 30 Nov"),
        (
            json(problems=[TRIPPED]),
            "The guard of canary has tripped. Find the cause. To the rollout",
        ),
        (json(override="refuse"), "The kill switch is on: every request is answered by refuse"),
        (PlainTextResponse("Hello"), "answers in another way than Holdover does"),
        (PlainTextResponse("[]"), "answers in another way than Holdover does"),
        (PlainTextResponse("{}" * 1_000_000), "answers in another way than Holdover does"),
        (PlainTextResponse("[" * 5_000 + "]" * 5_000), "in another way than Holdover does"),
        (PlainTextResponse('{"status": "ok"}'), "answers in another way than Holdover does"),
        (json(problems=None), "answers in another way than Holdover does"),
        (json(tripped=["canary"]), "answers in another way than Holdover does"),
        (json(settings={"loaded": "soon"}), "answers in another way than Holdover does"),
        (PlainTextResponse('{"status": "ready"}'), "The server is ready and does not say since"),
    ],
    ids=[
        *(
            "well",
            "tripped",
            "killed",
            "text",
            "list",
            "long",
            "deep",
            "another service",
            "no problems",
        ),
        *("other trips", "no time", "older"),
    ],
)
def test_what_the_server_says_of_itself_is_said_in_words(tmp_path, answer, said):
    with server(answer) as url, signed_in(settings_file(tmp_path), server_url=url) as person:
        assert said in shown(person.see("/").text)


def test_a_server_that_does_not_answer_is_said_to_be_silent(tmp_path):
    with signed_in(settings_file(tmp_path)) as person:
        text = shown(person.see("/").text)

    assert "cannot be reached" in text
    assert "start it with holdover serve" in text


def test_now_and_the_days_before_are_counted_by_caller_and_outcome(tmp_path):
    with signed_in(settings_file(tmp_path, entries=some_traffic())) as person:
        text = shown(person.see("/").text)

    assert "2 callers still use Text Completions" in text
    assert "Requests 2 Callers 1 Errors 50 %" in text
    assert "1 caller still asks" in text
    assert "Without a request for a week: old-bot ." in text


def test_a_settings_file_that_became_invalid_is_a_problem_that_somebody_has(tmp_path):
    config = settings_file(tmp_path)
    with server(json()) as url, signed_in(config, server_url=url) as person:
        config.write_text("nonsense = 1\n")
        text = shown(person.see("/").text)

    assert "The settings file is invalid" in text
    assert "nonsense" in text


def test_a_store_that_cannot_be_read_is_said_and_the_next_visit_tries_again(tmp_path):
    config = settings_file(tmp_path, entries=some_traffic())
    (tmp_path / "traffic.db").rename(tmp_path / "elsewhere.db")
    with signed_in(config) as person:
        missing = person.see("/")
        (tmp_path / "elsewhere.db").rename(tmp_path / "traffic.db")
        found = person.see("/")

    assert missing.status_code == 503
    assert "The records cannot be read" in shown(missing.text)
    assert found.status_code == 200


def test_without_a_store_the_problems_of_the_server_are_said_all_the_same(tmp_path):
    config = settings_file(tmp_path)
    (tmp_path / "traffic.db").unlink()
    with (
        server(json(problems=[TRIPPED])) as url,
        signed_in(config, server_url=url) as person,
    ):
        page = person.see("/")

    assert page.status_code == 503
    assert "traffic.db does not exist: no traffic has been recorded there yet." in shown(page.text)
    assert "The guard of canary has tripped. Find the cause." in shown(page.text)
