"""
What settings allow and is unwise: a sentence each, that says what, why, and what to do.

`check` prints them, and `serve` logs them at its start; they stop nothing.
"""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from proxy.config.settings import CallerSettings, KeyFrom, Settings
from proxy.config.toml_source import TomlSource
from proxy.security.hosts import is_loopback

_WITHIN: Final = re.compile(r"[^.]+\.?|.+\.(?:localhost|local|internal|home\.arpa|svc)\.?")
"""Names that are not of the internet: RFC 6761, 6762 and 8375, ICANN's `.internal`, and those of a
machine or a cluster."""


def risks_of(settings: Settings, config: Path | None) -> Iterator[str]:
    """All that is unwise about these settings, and about where they are written."""
    if config is not None:
        yield from _open_keys(settings, config)
    yield from _open_key_files(settings)
    yield from _open_state(settings.state_dir)
    yield from _exposed_keys(settings)
    for name in ("upstream_url", "legacy_url"):
        yield from _plain_http(name, getattr(settings, name))


def _open_keys(settings: Settings, config: Path) -> Iterator[str]:
    keys = list(_secrets_in(TomlSource.read(config).tree(), settings))
    mode = config.stat().st_mode
    if mode & stat.S_IWOTH:
        yield (
            f"{config}: everybody on this machine can change it (mode {stat.S_IMODE(mode):04o}),"
            " and with it where keys are sent: `chmod o= FILE`"
        )
    elif keys and mode & stat.S_IROTH:
        yield (
            f"{config}: everybody on this machine can read it (mode {stat.S_IMODE(mode):04o}), and"
            f" {_and(keys)} in it: `chmod o= FILE`, or keep keys in the environment or in --secrets"
        )


def _open_key_files(settings: Settings) -> Iterator[str]:
    for name, caller in settings.callers.items():
        for setting in ("upstream_key", "legacy_key"):
            place = getattr(caller, setting)
            if not isinstance(place, KeyFrom) or place.file is None or not place.file.exists():
                continue
            if (mode := place.file.stat().st_mode) & stat.S_IROTH:
                yield (
                    f"callers.{name}.{setting}: everybody on this machine can read {place.file}"
                    f" (mode {stat.S_IMODE(mode):04o}): `chmod o= FILE`"
                )


def _secrets_in(
    written: Mapping[str, object], held: BaseModel | Mapping[str, object], place: str = ""
) -> Iterator[str]:
    """Names of settings that are written here and hold a secret."""
    for name, value in written.items():
        inner = held.get(name) if isinstance(held, Mapping) else getattr(held, name, None)
        if isinstance(inner, SecretStr) and _is_secret(inner.get_secret_value()):
            yield f"{place}{name}"
        elif isinstance(inner, BaseModel | Mapping) and isinstance(value, Mapping):
            yield from _secrets_in(value, inner, f"{place}{name}.")


def _is_secret(text: str) -> bool:
    """Whether there is something to hide; in the address of a store, only a password is."""
    is_address = text.startswith(("sqlite:", "postgresql:", "postgresql+"))
    return not is_address or urlsplit(text).password is not None or "password=" in text


def _open_state(state_dir: Path) -> Iterator[str]:
    try:
        mode = state_dir.stat().st_mode
    except OSError:  # it is not there yet, or never will be
        return
    if mode & stat.S_IRWXO:
        yield (
            f"state_dir: everybody on this machine gets into {state_dir} (mode"
            f" {stat.S_IMODE(mode):04o}), which nobody else has to: `chmod o= DIRECTORY`"
        )


def _exposed_keys(settings: Settings) -> Iterator[str]:
    held = _keys_of(settings)
    of_callers = any(_keys_of(caller) for caller in settings.callers.values())
    if is_loopback(settings.host.rstrip(".").lower()) or not (held or of_callers):
        return
    where = settings.host or "every address"
    if settings.callers:
        yield (
            f"host: callers' tokens, which stand for keys that are held here, come to {where}"
            " unencrypted: whoever reads them on the way can spend those keys. Listen on 127.0.0.1,"
            " behind a proxy that speaks TLS"
        )
    else:
        yield (
            f"host: whoever reaches {where} can spend what is held here: {', '.join(held)}."
            " Listen on 127.0.0.1, behind a proxy that knows its clients, or name `callers`, so"
            " that tokens are asked for"
        )


def _keys_of(holder: Settings | CallerSettings) -> list[str]:
    """Names of the settings of a server, or of a caller, in which it has a key."""
    keys = {"upstream_key": holder.upstream_key, "legacy_key": holder.legacy_key}
    return [name for name, key in keys.items() if key is not None]


def _plain_http(name: str, url: str | None) -> Iterator[str]:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme == "http" and _is_public(parts.hostname or ""):
        yield (
            f"{name}: {parts.hostname} is asked by plain http: whoever is on the way reads keys and"
            " texts, and can change them. Write https://"
        )


def _is_public(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return not _WITHIN.fullmatch(host.lower())
    return (getattr(address, "ipv4_mapped", None) or address).is_global


def _and(names: list[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
