"""
Find settings that are allowed but unwise, each with what is wrong and what to do about it.

`check` prints them and `serve` logs them when it starts; they stop nothing.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from proxy.config.build import policy_of
from proxy.config.settings import CallerSettings, KeyFrom, Settings
from proxy.config.toml_source import TomlSource
from proxy.rollout import is_over
from proxy.rollout.rule_schema import RouteSettings
from proxy.security.hosts import ip_address_of, is_loopback
from proxy.spelling import nearest

_PRIVATE_NAMES: Final = re.compile(r"[^.]+\.?|.+\.(?:localhost|local|internal|home\.arpa|svc)\.?")
"""Names that do not belong to the internet: RFC 6761, 6762 and 8375, ICANN's `.internal`, and
names within a machine or a cluster."""

_WILDCARD: Final = re.compile(r"[*?\[]")
_MUCH_ALIKE: Final = 0.85
"""Models of gateways have names of their own, of which nothing is to be said."""


def risks_of(settings: Settings, config: Path | None, *, now: datetime) -> Iterator[str]:
    """Yield a sentence about everything unwise in the settings, or in the modes of their files."""
    if config is not None:
        yield from _open_keys(settings, config)
    yield from _open_key_files(settings)
    yield from _open_state(settings.state_dir)
    yield from _exposed_keys(settings)
    for name in ("upstream_url", "legacy_url"):
        yield from _plain_http(name, getattr(settings, name), "keys and texts")
    if settings.notify_url is not None:
        yield from _plain_http("notify_url", settings.notify_url.get_secret_value(), "notices")
    yield from _past_sunsets(settings, now)
    yield from override_risks(settings)
    yield from misspelt_models(settings)
    yield from reroutes_in_vain(settings)


def misspelt_models(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each model that is not known but spelled much like one that is."""
    catalogue = policy_of(settings).catalogue
    for place, name in _models_in(settings):
        is_known = _WILDCARD.search(name) or catalogue.find_in_any_spelling(name) is not None
        if not is_known and (near := nearest(name, catalogue.names, alike=_MUCH_ALIKE)):
            yield (
                f"{place}: Holdover does not know the model {name!r}; write {near!r} if that is"
                " meant, or list a newer model in model_facts"
            )


def reroutes_in_vain(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each model that is to take prefills and does not."""
    catalogue = policy_of(settings).catalogue
    for place, name in _models_in(settings):
        known = catalogue.find_in_any_spelling(name) if place.endswith("prefill_model") else None
        if known is not None and known.capabilities.prefill is False:
            yield (
                f"{place}: the model {name} takes no prefills, so that requests rerouted to it are"
                " asked to continue in words; name one that takes them"
            )


def _models_in(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the names of models that the settings give, each with its place."""
    routes: list[tuple[str, Settings | RouteSettings | None]] = [
        ("", settings),
        ("rollout_override.", settings.rollout_override),
    ]
    yield from ((f"models.{pattern}", pattern) for pattern in settings.models)
    yield from ((f"models.{pattern}", model) for pattern, model in settings.models.items())
    for rule in settings.rollout:
        place = f'rule "{rule.name}": '
        if rule.match.model is not None:
            yield f"{place}match.model", rule.match.model
        routes += [
            (place, rule),
            (f"{place}shadow.", rule.shadow),
            (f"{place}on_failure.", rule.on_failure),
        ]
    for place, route in routes:
        for field in ("model", "prefill_model"):
            if (name := getattr(route, field, None)) is not None:
                yield f"{place}{field}", name


def override_risks(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each rule whose requests the override sends to another model."""
    override = settings.rollout_override
    if override is None or override.action != "translate":
        return
    for rule in settings.rollout:
        if rule.action == "translate" and rule.model != override.model:
            yield (
                f"rollout_override: requests that rule {rule.name} would send to"
                f" {_model_and_price(rule.model, settings)} go to"
                f" {_model_and_price(override.model, settings)} as long as the override is on"
            )


def _model_and_price(model: str | None, settings: Settings) -> str:
    # Reports know the prices, and importing them takes a while.
    from proxy.report.prices import Price, price_of  # noqa: PLC0415

    if model is None:
        return "the model that they name (or its successor)"
    own = {name: Price(each.input, each.output) for name, each in settings.prices.items()}
    if (price := price_of(model, own)) is None:
        return f"{model} (price unknown)"
    return f"{model} (${price.input:g} and ${price.output:g} per million tokens in and out)"


def _past_sunsets(settings: Settings, now: datetime) -> Iterator[str]:
    for rule in settings.rollout:
        if rule.campaign.sunset is not None and is_over(rule.campaign, now):
            yield (
                f'rule "{rule.name}": campaign.sunset: {spelled_moment(rule.campaign.sunset)} is'
                " past, so that every request that it takes gets 410; if that is not"
                " meant, correct or remove it"
            )


def spelled_moment(moment: datetime) -> str:
    """Return a time as operators read it, in UTC and to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _open_keys(settings: Settings, config: Path) -> Iterator[str]:
    keys = list(_secrets_in(TomlSource.read(config).tree(), settings))
    mode = config.stat().st_mode
    if mode & stat.S_IWOTH:
        yield (
            f"{config}: every user of this machine can change it (mode {stat.S_IMODE(mode):04o}),"
            " and so decide where keys are sent; run `chmod o= FILE`"
        )
    elif keys and mode & stat.S_IROTH:
        are_in_it = f"{', '.join(keys)} {'is' if len(keys) == 1 else 'are'} in it"
        yield (
            f"{config}: every user of this machine can read it (mode {stat.S_IMODE(mode):04o}), and"
            f" {are_in_it}; run `chmod o= FILE`, or keep keys in the environment or in --secrets"
        )


def _open_key_files(settings: Settings) -> Iterator[str]:
    for name, caller in settings.callers.items():
        for setting in ("upstream_key", "legacy_key"):
            place = getattr(caller, setting)
            if not isinstance(place, KeyFrom) or place.file is None or not place.file.exists():
                continue
            if (mode := place.file.stat().st_mode) & stat.S_IROTH:
                yield (
                    f"callers.{name}.{setting}: every user of this machine can read {place.file}"
                    f" (mode {stat.S_IMODE(mode):04o}); run `chmod o= FILE`"
                )


def _secrets_in(
    written: Mapping[str, object], held: BaseModel | Mapping[str, object], place: str = ""
) -> Iterator[str]:
    """Yield the names of settings that are written in the file and hold a secret."""
    for name, value in written.items():
        inner = held.get(name) if isinstance(held, Mapping) else getattr(held, name, None)
        if isinstance(inner, SecretStr):
            text = inner.get_secret_value()
            # A store's address hides nothing unless a password is in it.
            is_address = text.startswith(("sqlite:", "postgresql:", "postgresql+"))
            if not is_address or urlsplit(text).password is not None or "password=" in text:
                yield f"{place}{name}"
        elif isinstance(inner, BaseModel | Mapping) and isinstance(value, Mapping):
            yield from _secrets_in(value, inner, f"{place}{name}.")


def _open_state(state_dir: Path) -> Iterator[str]:
    try:
        mode = state_dir.stat().st_mode
    except OSError:  # it does not exist yet, or cannot be reached
        return
    if mode & stat.S_IRWXO:
        yield (
            f"state_dir: every user of this machine can enter {state_dir} (mode"
            f" {stat.S_IMODE(mode):04o}), though only Holdover has to; run `chmod o= DIRECTORY`"
        )


def _exposed_keys(settings: Settings) -> Iterator[str]:
    held = _keys_of(settings)
    of_callers = any(_keys_of(caller) for caller in settings.callers.values())
    if is_loopback(settings.host.rstrip(".").lower()) or not (held or of_callers):
        return
    where = settings.host or "every address"
    if any(caller.token is not None for caller in settings.callers.values()):
        yield (
            f"host: callers' tokens, which stand for keys that are held here, arrive at {where}"
            " unencrypted, so anyone on the network path can read them and spend those keys; listen"
            " on 127.0.0.1, behind a proxy that speaks TLS"
        )
    else:
        yield (
            f"host: anyone who can reach {where} can spend the keys held here: {', '.join(held)};"
            " listen on 127.0.0.1, behind a proxy that authenticates clients, or list `callers` by"
            " token, so that tokens are required"
        )


def _keys_of(holder: Settings | CallerSettings) -> list[str]:
    """Return the names of the settings in which a server or a caller has a key."""
    keys = {"upstream_key": holder.upstream_key, "legacy_key": holder.legacy_key}
    return [name for name, key in keys.items() if key is not None]


def _plain_http(name: str, url: str | None, what: str) -> Iterator[str]:
    if url is None:
        return
    parts = urlsplit(url)
    host = parts.hostname or ""
    if (address := ip_address_of(host)) is None:
        is_public = not _PRIVATE_NAMES.fullmatch(host.lower())
    else:
        is_public = (getattr(address, "ipv4_mapped", None) or address).is_global
    if parts.scheme == "http" and is_public:
        yield (
            f"{name}: {host} is asked over plain http, so anyone on the network path can"
            f" read and change {what}; write https://"
        )
