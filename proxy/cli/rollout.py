"""`holdover rollout`: change the rules of a running Holdover through its settings file."""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import suppress
from pathlib import Path

from proxy.cli.load_config import or_exit, settings_or_exit
from proxy.config.history import history_of
from proxy.config.rollout_edit import RolloutEdit
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.errors import InvalidSettings
from proxy.risks import override_risks
from proxy.spelling import or_rather
from proxy.terminal import exit_with_error, print_lines, print_to_stderr, show_table
from proxy.workers.guards import read_trips
from proxy.workers.shared_state import TRIPS, SharedState, directory_for

_OFF = "off"
_WHEN_APPLIED = "A running Holdover applies this within two seconds; /readyz shows it."


def run_share(config: Path, secrets: Path | None, name: str, percent: float) -> None:
    """Set the share of a rule; exit with 2 if that is not possible."""
    with or_exit():
        _edit(config, secrets).set_share(name, percent)
    print_lines(f"{name}: {percent:g} %. {_WHEN_APPLIED}")


def run_override(config: Path, secrets: Path | None, action: str) -> None:
    """Set or end the override; exit with 2 if that is not possible."""
    with or_exit():
        _edit(config, secrets).set_override(None if action == _OFF else action)
    if action == _OFF:
        print_lines(f"The override is off; the rules decide again. {_WHEN_APPLIED}")
        return
    print_lines(f"Override: every request is answered by `{action}`. {_WHEN_APPLIED}")
    with suppress(InvalidSettings):  # only the server's own environment makes the file valid
        for risk in override_risks(load_settings(config, secrets=secrets)):
            print_to_stderr(f"holdover: warning: {risk}.")


def run_rearm(config: Path, secrets: Path | None, name: str) -> None:
    """Remove the record that a guard has tripped; exit with 1 if it has not."""
    settings = settings_or_exit(config, secrets)
    if Path(name).name != name:  # such a name would lead to a file outside the directory
        exit_with_error(f"there is no rule named {name!r}")
    try:
        with or_exit():
            was_tripped = _edit(config, secrets).rearm(name, settings.state_dir)
    except OSError as exc:
        exit_with_error(f"{settings.state_dir}: {exc.strerror}")
    if not was_tripped:
        rules = [rule.name for rule in settings.rollout]
        nearest = "" if name in rules else or_rather(name, rules)
        exit_with_error(f"the guard of {name!r} is not tripped{nearest}", status=1)
    print_lines(
        f"{name}: the guard is armed again, and the rule has its share back. {_WHEN_APPLIED}"
    )


def run_status(config: Path, secrets: Path | None) -> None:
    """Print the rules as a table, with the state of their guards."""
    settings = settings_or_exit(config, secrets)
    trips = read_trips(_shared_state(settings, config).read(TRIPS))
    if settings.rollout_override is not None:
        action = settings.rollout_override.action
        print_lines(f"Override: every request is answered by `{action}`.", bold=True)
    rows: list[tuple[str, ...]] = []
    for rule in settings.rollout:
        guard = "-" if rule.guard is None else "armed"
        if trip := trips.get(rule.name):
            guard = f"TRIPPED {trip.since}: {trip.reason}"
        rows.append((rule.name, rule.action, f"{rule.share:g} %", rule.by or "caller", guard))
    show_table(("rule", "action", "share", "by", "guard"), rows)


def run_history(config: Path, secrets: Path | None) -> None:
    """Print what has changed in the settings, when, and by whom if it was not by hand."""
    settings = settings_or_exit(config, secrets)
    try:
        versions = history_of(settings.state_dir, config).read()
    except OSError as exc:
        exit_with_error(f"{settings.state_dir}: {exc.strerror}")
    lines = [
        f"{each.at[:19]}Z  {change}{f', by {each.by}' if each.by else ''}"
        for each in versions
        for change in each.changes
    ]
    print_lines(*(lines or ["Nothing has changed yet since Holdover was started with this file."]))


def _edit(config: Path, secrets: Path | None) -> RolloutEdit:
    return RolloutEdit(
        config=config, secrets=secrets, by=f"{_name_of(os.getuid())}@{socket.gethostname()}"
    )


def _name_of(user: int) -> str:
    """Return the name of the person at this terminal, as far as it is known."""
    if name := os.environ.get("SUDO_USER"):
        return name
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container may run as a user that its system does not know
        return str(user)


def _shared_state(settings: Settings, config: Path) -> SharedState:
    return SharedState(directory_for(settings.state_dir, config))
