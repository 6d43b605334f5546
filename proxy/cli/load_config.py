"""
Load settings for a command, or exit with status 2 and say what is wrong with them.

No server code is imported here: most commands serve nothing, and importing it
takes half a second. What builds the runtime configuration is imported by those that need it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.config.setting_types import header_value
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.errors import InvalidSettings
from proxy.security.keyring import origin_of
from proxy.terminal import exit_with_error

if TYPE_CHECKING:
    from proxy.config.runtime import RuntimeConfig
    from translators import Policy

KEY_VARIABLE: Final = "ANTHROPIC_API_KEY"
"""Environment variable from which SDKs, and our commands that call upstream, take a key."""

_ANTHROPIC: Final = "https://api.anthropic.com"
"""The host that a key in the environment is for; no other but this machine gets it."""


def environment_key() -> str | None:
    """Return the key in the environment, if any; raise `InvalidSettings` if it is malformed."""
    try:
        return header_value(os.environ.get(KEY_VARIABLE, "").strip()) or None
    except ValueError as exc:
        raise InvalidSettings(f"{KEY_VARIABLE}: {exc}") from exc


def environment_key_for(settings: Settings, *, is_on_loopback: bool) -> str | None:
    """Return the key in the environment if it is for this upstream: Anthropic's, or one here."""
    is_theirs = origin_of(settings.upstream_url) == origin_of(_ANTHROPIC)
    return environment_key() if is_theirs or is_on_loopback else None


@contextmanager
def or_exit() -> Iterator[None]:
    """Exit with status 2 and the error's text if the block raises `InvalidSettings`."""
    try:
        yield
    except InvalidSettings as exc:
        exit_with_error(*str(exc).split("\n"))


def policy_or_exit(settings: Settings) -> Policy:
    """Return the translation policy of these settings, or exit with status 2."""
    from proxy.config.build import policy_of  # noqa: PLC0415

    with or_exit():
        return policy_of(settings)


def settings_or_exit(config: Path | None, secrets: Path | None, **flags: object) -> Settings:
    """Load the settings; `flags` come from the command line and win. Exit with 2 if invalid."""
    with or_exit():
        return load_settings(config, secrets=secrets, **flags)


def runtime_config_or_exit(settings: Settings) -> RuntimeConfig:
    """Build the runtime configuration of these settings, or exit with status 2."""
    from proxy.config.build import build_runtime_config, digester_of  # noqa: PLC0415

    with or_exit():
        return build_runtime_config(settings, digester_of(settings))
