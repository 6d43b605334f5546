"""What the running server says about the rules, in words, beside what the file says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proxy.config.settings import Settings
from proxy.console.rollout.sentences import quoted
from proxy.console.server_client import ServerAnswer
from proxy.console.site import CurrentSettings
from proxy.report.formatting import moment
from proxy.workers.guards import Trip


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardState:
    """A tripped guard, and who says so."""

    since: str
    reason: str
    is_noted: bool
    """True if the note is where this console can remove it."""


def words_of(answer: ServerAnswer, current: CurrentSettings) -> list[str]:
    """Return sentences about what differs between the server and the file."""
    return list(_words(answer, current))


def _words(answer: ServerAnswer, current: CurrentSettings) -> Iterator[str]:
    if answer.readiness is None:
        yield answer.silence or ""
        return
    followed = answer.readiness.settings
    if (problem := followed.problem) is not None:
        yield f"The server does not follow the file as it is: {problem}"
    version = followed.version
    if version is None:
        yield (
            "The server was started without a settings file, so nothing that is changed here"
            " reaches it."
        )
    elif version != current.version and problem is None and current.problem is None:
        yield (
            f"The server follows version {quoted(version)} of the settings, and the file is"
            f" version {quoted(str(current.version))}. It takes a change up within two seconds, and"
            " this sentence goes away then; if it stays, the server runs with another file."
        )
    elif version == current.version:
        override = answer.readiness.override
        written = override_of(current.settings)
        if override != written:
            yield (
                f"The server's kill switch is {quoted(override or 'off')}, and here it is"
                f" {quoted(written or 'off')}: its environment says something else."
            )


def override_of(settings: Settings) -> str | None:
    """Return the action of the override in the settings."""
    override = settings.rollout_override
    return None if override is None else override.action


def tripped_guards(answer: ServerAnswer, noted: Mapping[str, Trip]) -> dict[str, GuardState]:
    """Return the tripped guards, by rule, of the server and of the notes on this machine."""
    tripped = answer.readiness.tripped if answer.readiness else {}
    found = {
        rule: GuardState(since=_moment(trip.since), reason=trip.reason, is_noted=False)
        for rule, trip in tripped.items()
    }
    for rule, trip in noted.items():
        found[rule] = GuardState(since=_moment(trip.since), reason=trip.reason, is_noted=True)
    return found


def _moment(written: str) -> str:
    try:
        return f"{moment(written)} UTC"
    except ValueError:
        return "a time that is not known"
