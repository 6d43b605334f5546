"""Build the runtime configuration from the settings; raises `InvalidSettings`."""

from __future__ import annotations

import os
from base64 import b64decode
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from proxy.config.digest_key import read_digest_key
from proxy.config.runtime import NoticeReceiver, RuntimeConfig
from proxy.config.setting_types import SIGNING_SECRET_PREFIX, header_value
from proxy.config.settings import CallerSettings, KeyFrom, ModelFacts, Settings
from proxy.errors import InvalidSettings
from proxy.rollout import Fallback, Rollout, Route, Rule, Shadow, basis_points
from proxy.rollout.rule_schema import (
    Capture,
    RouteSettings,
    RuleSettings,
)
from proxy.security.keyring import HeldKey, Keyring, KnownCaller, Site, origin_of
from proxy.security.redaction import CallerDigest, Digester
from translators import (
    KNOWN_MODELS,
    Capabilities,
    Catalogue,
    Model,
    Policy,
    Sampling,
    Thinking,
)

_EVERY_MODEL: Final = "*"
_HASH: Final = "sha256:"


def build_runtime_config(settings: Settings, digester: Digester) -> RuntimeConfig:
    """Build everything that may change while the process runs."""
    return RuntimeConfig(
        rollout=rollout_of(settings),
        keyring=_keyring(settings, digester),
        weights={name: caller.weight for name, caller in settings.callers.items()},
        receiver=_receiver(settings),
    )


def rollout_of(settings: Settings) -> Rollout:
    """Build the rules, for which no key is needed."""
    policy, override = policy_of(settings), settings.rollout_override
    return Rollout(
        otherwise=Route(action="translate", policy=policy),
        rules=tuple(_rule(rule, policy, settings.capture) for rule in settings.rollout),
        override=None if override is None else _route(override, policy),
        capture=settings.capture,
    )


def _receiver(settings: Settings) -> NoticeReceiver | None:
    if settings.notify_url is None or settings.notify_secret is None:
        return None
    url = urlsplit(settings.notify_url.get_secret_value())
    secret = settings.notify_secret.get_secret_value().removeprefix(SIGNING_SECRET_PREFIX)
    return NoticeReceiver(
        origin=f"{url.scheme}://{url.netloc}",
        target=url._replace(scheme="", netloc="").geturl().encode(),
        secret=b64decode(secret),
    )


def digester_of(settings: Settings) -> Digester:
    """Return a digester by the key that `serve` uses, or by a random one if none is kept yet."""
    given = settings.digest_key
    return Digester(given.get_secret_value() if given else read_digest_key(settings.state_dir))


def names_of_digests(settings: Settings) -> dict[str, str]:
    """Return the names of the callers that are known by a digest of their key, by digest."""
    return {caller.digest: name for name, caller in settings.callers.items() if caller.digest}


def owners_of(settings: Settings) -> dict[str, str]:
    """Return who owns the callers of whom that is said, by the callers' names."""
    return {name: caller.owner for name, caller in settings.callers.items() if caller.owner}


def serves_only_tokens(settings: Settings) -> bool:
    """Return True if only callers with a token are served, so that digests can have no names."""
    holders: list[Settings | CallerSettings] = [settings, *settings.callers.values()]
    holds_keys = any(holder.upstream_key or holder.legacy_key for holder in holders)
    return holds_keys and any(caller.token for caller in settings.callers.values())


def _rule(rule: RuleSettings, policy: Policy, capture: Capture) -> Rule:
    on_failure, shadow = rule.on_failure, rule.shadow
    return Rule(
        name=rule.name,
        match=rule.match,
        share=basis_points(rule.share),
        by=rule.by or "caller",
        route=_route(rule, policy),
        on_failure=None
        if on_failure is None
        else Fallback(route=_route(on_failure, policy), timeout=on_failure.timeout),
        shadow=None
        if shadow is None
        else Shadow(
            route=_route(shadow, policy),
            share=basis_points(shadow.share),
            control=shadow.control,
            daily_tokens=shadow.daily_tokens,
        ),
        guard=rule.guard,
        campaign=rule.campaign,
        capture=rule.capture or capture,
    )


def _route(written: RouteSettings, policy: Policy) -> Route:
    catalogue = policy.catalogue
    if written.model is not None:
        catalogue = replace(catalogue, overrides={_EVERY_MODEL: written.model})
    return Route(
        action=written.action,
        policy=replace(
            policy,
            catalogue=catalogue,
            strictness=written.strictness or policy.strictness,
            prefill=written.prefill or policy.prefill,
            prefill_model=written.prefill_model or policy.prefill_model,
            refuse=policy.refuse | written.refuse,
        ),
    )


def policy_of(settings: Settings) -> Policy:
    """Return the translation policy that the settings outside the rules describe."""
    known = replace(KNOWN_MODELS, overrides=settings.models)
    facts = [_model(known, name, facts) for name, facts in settings.model_facts.items()]
    return Policy(
        catalogue=known.with_models(facts),
        strictness=settings.strictness,
        prefill=settings.prefill,
        prefill_model=settings.prefill_model,
        leading_space=settings.leading_space,
        echoed_model=settings.echoed_model,
        beta_header=settings.beta_header,
        refusal=settings.refusal,
        refuse=settings.refuse,
    )


def _model(known: Catalogue, name: str, facts: ModelFacts) -> Model:
    model = known.listed(name) or Model(id=name)
    better = Capabilities(
        max_output_tokens=facts.max_output_tokens,
        prefill=facts.prefill,
        sampling=Sampling(facts.sampling) if facts.sampling else None,
        thinking=Thinking(facts.thinking) if facts.thinking else None,
    )
    return replace(
        model,
        capabilities=model.capabilities.corrected(better),
        retires=facts.retires.isoformat() if facts.retires else model.retires,
        successor=facts.successor or model.successor,
    )


def _keyring(settings: Settings, digester: Digester) -> Keyring:
    by_credential: dict[tuple[str, str], str] = {}
    for name, caller in settings.callers.items():
        if (other := by_credential.setdefault(caller.known_by, name)) != name:
            what, _ = caller.known_by
            raise InvalidSettings(
                f"callers.{name}.{what}: is also the {what} of {other!r}; give each its own"
            )
    serves_both = settings.legacy_url is not None and (
        origin_of(settings.upstream_url) == origin_of(settings.legacy_url)
    )

    def keys_of(
        holder: Settings | CallerSettings, prefix: str
    ) -> tuple[HeldKey | None, HeldKey | None]:
        """Return the keys for the Messages API and for the legacy upstream."""
        messages = _held(f"{prefix}upstream_key", holder.upstream_key, digester)
        legacy = _held(f"{prefix}legacy_key", holder.legacy_key, digester)
        return messages, legacy or (messages if serves_both else None)

    messages, legacy = keys_of(settings, "")
    known: list[KnownCaller] = []
    for name, caller in settings.callers.items():
        if caller.token is None:
            continue
        own, own_legacy = keys_of(caller, f"callers.{name}.")
        token_hash = caller.token.removeprefix(_HASH)
        known.append(
            KnownCaller(name=name, token_hash=token_hash, messages_key=own, legacy_key=own_legacy)
        )
    names = {CallerDigest(digest): name for digest, name in names_of_digests(settings).items()}
    legacy_url = settings.legacy_url
    keyring = Keyring(
        digester=digester,
        messages=Site(
            name="upstream",
            url=settings.upstream_url,
            key=messages,
            as_bearer=settings.upstream_auth == "bearer",
            kept_headers=frozenset(name.encode() for name in settings.forward_headers),
            extra_headers=tuple(
                (name.encode(), value.get_secret_value().encode("latin-1"))
                for name, value in settings.upstream_headers.items()
            ),
        ),
        legacy=Site(name="legacy", url=legacy_url, key=legacy) if legacy_url else None,
        known=tuple(known),
        names=names,
    )
    if names and keyring.refuses_strangers:
        raise InvalidSettings(
            f"callers.{min(names.values())}.digest: only callers with a token are served while a "
            "key is held here and one has a token; give this caller's `token` instead"
        )
    return keyring


def _held(setting: str, written: SecretStr | KeyFrom | None, digester: Digester) -> HeldKey | None:
    match written:
        case None:
            return None
        case KeyFrom():
            key = _kept_elsewhere(setting, written)
        case _:
            key = written.get_secret_value()
    secret = key.encode("latin-1")
    return HeldKey(secret=secret, digest=digester.caller(secret), setting=setting)


def _kept_elsewhere(setting: str, place: KeyFrom) -> str:
    if place.env is not None:
        where, key = f"the variable {place.env}", os.environ.get(place.env, "")
    else:
        assert place.file is not None
        where = str(place.file)
        try:
            if not place.file.is_file():  # reading a pipe would take for ever
                raise OSError("is not a file")
            key = place.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise InvalidSettings(f"{setting}: {where} cannot be read") from exc
    if not (key := key.strip()):
        raise InvalidSettings(f"{setting}: {where} is {'empty' if place.file else 'not set'}")
    try:
        return header_value(key)
    except ValueError as exc:
        raise InvalidSettings(f"{setting}: {where} {exc}") from exc
