"""A store to ask at the command line, and the settings that name it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from proxy.traffic import default_url
from tests.ready_store import open_ready


def settings_with(tmp_path: Path, entries: Iterable[Any]) -> Path:
    """A settings file whose store has these entries."""
    config = tmp_path / "holdover.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n')
    add_to(tmp_path, entries)
    return config


def add_to(tmp_path: Path, entries: Iterable[Any]) -> None:
    """Load more."""
    store = open_ready(default_url(tmp_path))
    store.add(entries)
    store.close()
