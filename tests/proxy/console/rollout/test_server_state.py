from typing import Any

import pytest

from proxy.config.settings import Settings
from proxy.console.rollout.server_state import GuardState, tripped_guards, words_of
from proxy.console.server_client import Readiness, ServerAnswer, ServerTrip, SettingsInForce
from proxy.console.site import CurrentSettings
from proxy.workers.guards import Trip


def answer(version: str | None = "a", problem: str | None = None, **readiness: Any) -> ServerAnswer:
    followed = SettingsInForce(version=version, problem=problem)
    return ServerAnswer(readiness=Readiness(status="ready", settings=followed, **readiness))


def current(problem: str | None = None) -> CurrentSettings:
    return CurrentSettings(settings=Settings(), version="a", problem=problem)


@pytest.mark.parametrize(
    ("said", "beginning"),
    [
        (
            answer(version="b"),
            "The server follows version `b` of the settings, and the file is version `a`.",
        ),
        (answer(problem="line 3: no"), "The server does not follow the file as it is: line 3: no"),
        (answer(version=None), "The server was started without a settings file"),
        (ServerAnswer(silence="Nobody there."), "Nobody there."),
        (
            answer(override="refuse"),
            "The server's kill switch is `refuse`, and here it is `off`",
        ),
    ],
)
def test_what_differs_between_the_server_and_the_file_is_said(said, beginning):
    [words] = words_of(said, current())

    assert words.startswith(beginning)


def test_a_server_that_follows_the_file_needs_no_words():
    assert words_of(answer(), current()) == []


def test_while_the_file_is_invalid_another_version_is_no_wonder():
    assert words_of(answer(version="b"), current(problem="wrong")) == []


def test_trips_are_known_from_the_server_and_from_notes_on_this_machine():
    said = answer(
        tripped={
            "there": ServerTrip(since="2026-11-29T10:00:00+00:00", reason="errors"),
            "both": ServerTrip(since="?", reason="errors"),
        }
    )
    noted = {"both": Trip("both", "?", "slow")}

    assert tripped_guards(said, noted) == {
        "there": GuardState(since="29 Nov 2026, 10:00 UTC", reason="errors", is_noted=False),
        "both": GuardState(since="a time that is not known", reason="slow", is_noted=True),
    }
