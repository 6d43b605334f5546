"""Change the rules of a running Holdover by changing its settings file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proxy.cli.load_config import or_exit, settings_or_exit
from proxy.config.settings import Settings
from proxy.config.toml_edit import set_override, set_share
from proxy.rollout.rule_schema import RuleSettings
from proxy.terminal import say, show_table, stop
from proxy.workers.guards import TRIPS, Trip, read_trips
from proxy.workers.shared_state import SharedState, directory_for

_OFF = "off"
_WITHIN = "A running Holdover follows within two seconds; /readyz says so."


def run_share(config: Path, secrets: Path | None, name: str, percent: float) -> None:
    """Set a rule's share, or say why not and exit with status 2."""
    with or_exit():
        set_share(config, name, percent, secrets_dir=secrets)
    say(f"{name}: {percent:g} %. {_WITHIN}")


def run_override(config: Path, secrets: Path | None, action: str) -> None:
    """Set or end the override, or say why not and exit with status 2."""
    with or_exit():
        set_override(config, None if action == _OFF else action, secrets_dir=secrets)
    done = "The rules decide again." if action == _OFF else f"Everything: {action}."
    say(f"{done} {_WITHIN}")


def run_rearm(config: Path, secrets: Path | None, name: str) -> None:
    """Take down the note that a guard has tripped; status 1 if there is none."""
    settings = settings_or_exit(config, secrets)
    if Path(name).name != name:  # its note would be a file somewhere else
        stop(f"{name!r} is no name of a rule")
    try:
        was_tripped = _shared_state(settings, config).remove(f"{TRIPS}/{name}")
    except OSError as exc:
        stop(f"{settings.state_dir}: {exc.strerror}")
    if not was_tripped:
        stop(f"the guard of {name!r} is not tripped", status=1)
    say(f"{name}: armed, and its share is its own again. {_WITHIN}")


def run_status(config: Path, secrets: Path | None) -> None:
    """Print the rules as a table, and what keeps a share at zero."""
    settings = settings_or_exit(config, secrets)
    trips = _trips(_shared_state(settings, config))
    if settings.rollout_override is not None:
        say(f"Override: everything is {settings.rollout_override.action}.", bold=True)
    rows = [
        (rule.name, rule.action, f"{rule.share:g} %", rule.by or "caller", _guard(rule, trips))
        for rule in settings.rollout
    ]
    show_table(("rule", "action", "share", "by", "guard"), rows)


def _guard(rule: RuleSettings, trips: Mapping[str, Trip]) -> str:
    if trip := trips.get(rule.name):
        return f"TRIPPED {trip.since}: {trip.reason}"
    return "-" if rule.guard is None else "armed"


def _shared_state(settings: Settings, config: Path) -> SharedState:
    return SharedState(directory_for(settings.state_dir, config))


def _trips(shared_state: SharedState) -> dict[str, Trip]:
    return read_trips(shared_state.read(TRIPS))
