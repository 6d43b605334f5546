"""
Change rules and callers of a running Holdover, and write down who did: for verbs and the console.

    RolloutEdit(config, by).set_share("canary", 25) -> the file, and a line in its history
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proxy.config.changes import changes_between, rules_in_words
from proxy.config.history import history_of
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.config.toml_edit import (
    ELSEWHERE,
    EditOptions,
    name_caller,
    set_override,
    set_owner,
    set_share,
    unchanged,
)
from proxy.config.toml_source import TomlSource, version_of
from proxy.errors import InvalidSettings
from proxy.workers.shared_state import TRIPS, SharedState, directory_for


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEdit:
    """A settings file, and somebody who changes it; methods raise `InvalidSettings`."""

    config: Path
    by: str
    """Name of who changes it, for the history."""
    secrets: Path | None = None
    expected: str | None = None
    """The version that was looked at: another one raises `ChangedMeanwhile`; None takes any."""

    def set_share(self, rule: str, percent: float) -> None:
        """Set a rule's share in percent."""
        set_share(self.config, rule, percent, **self._options)

    def set_override(self, action: str | None) -> None:
        """Send every request one way; with None the rules decide again."""
        set_override(self.config, action, **self._options)

    def name_caller(self, name: str, digest: str, owner: str | None) -> None:
        """Give a name to the caller with this digest, and an owner if one is known."""
        name_caller(self.config, name, digest, owner=owner, **self._options)

    def set_owner(self, caller: str, owner: str | None) -> None:
        """Set who owns a caller; None if nobody is known to."""
        set_owner(self.config, caller, owner, **self._options)

    def rearm(self, rule: str, state_dir: Path) -> bool:
        """Re-arm a guard; return False if it was armed already. Raises `OSError`, too."""
        with unchanged(self.config, self.expected):
            state = SharedState(directory_for(state_dir, self.config))
            was_tripped = state.remove(f"{TRIPS}/{rule}")
            if was_tripped:
                history = history_of(state_dir, self.config)
                history.add_event(f"guard of {rule}: tripped -> armed", self.by)
        return was_tripped

    @property
    def _options(self) -> EditOptions:
        return {"secrets_dir": self.secrets, "expected": self.expected, "note": self._note}

    def _note(self, before: TomlSource, after: TomlSource) -> None:
        """Write down a change before any worker follows it."""
        if before.text == after.text:
            return
        new, changes = self._compare(before, after)
        # Without the directory no server has run with this file, and root would make it root's.
        if new.state_dir.is_dir():
            history_of(new.state_dir, self.config).add(version_of(after), changes, self.by)

    def _compare(self, before: TomlSource, after: TomlSource) -> tuple[Settings, tuple[str, ...]]:
        """Return the new settings, and what they have changed."""
        try:
            old, new = (load_settings(each, secrets=self.secrets) for each in (before, after))
        except InvalidSettings:
            new = load_settings(after, secrets=self.secrets, **ELSEWHERE)
            try:
                old = load_settings(before, secrets=self.secrets, **ELSEWHERE)
            except InvalidSettings:
                return new, (f"settings: not valid -> {', '.join(rules_in_words(new))}",)
        return new, changes_between(old, new)
