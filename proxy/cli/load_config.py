"""
Settings as a verb reads them, or status 2 and what is wrong with them.

Nothing that serves is imported here: most verbs serve nothing, and half a
second is long for a person.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from proxy.config.build import build_runtime_config, digester_of, policy_of
from proxy.config.runtime import RuntimeConfig
from proxy.config.settings import Settings, header_value, load_settings
from proxy.errors import InvalidSettings
from proxy.terminal import stop
from translators import Policy

KEY_OF_ENVIRONMENT: Final = "ANTHROPIC_API_KEY"
"""Where SDKs look for a key of the Messages API, and verbs that ask it."""


def key_of_environment() -> str | None:
    """The key that is there; None: there is none. Raises `InvalidSettings` where it can be none."""
    try:
        return header_value(os.environ.get(KEY_OF_ENVIRONMENT, "").strip()) or None
    except ValueError as exc:
        raise InvalidSettings(f"{KEY_OF_ENVIRONMENT}: {exc}") from exc


@contextmanager
def or_exit() -> Iterator[None]:
    """Say what is wrong with settings, and stop with status 2."""
    try:
        yield
    except InvalidSettings as exc:
        stop(*str(exc).split("\n"))


def policy_or_exit(settings: Settings) -> Policy:
    """What the settings say about translation, or status 2."""
    with or_exit():
        return policy_of(settings)


def settings_or_exit(config: Path | None, secrets: Path | None, **flags: object) -> Settings:
    """All settings, or status 2."""
    with or_exit():
        return load_settings(config, secrets=secrets, **flags)


def runtime_config_or_exit(settings: Settings) -> RuntimeConfig:
    """What exchanges would go by, or status 2."""
    with or_exit():
        return build_runtime_config(settings, digester_of(settings))
