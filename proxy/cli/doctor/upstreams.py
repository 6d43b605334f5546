"""
Try each upstream: its name, a connection, its certificate, this machine's clock, and our keys.

Keys are tried by listing models, which costs nothing. What an upstream says about a key is not
shown, because it may repeat the key.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, cast

from proxy.cli.doctor.finding import Finding, Level
from proxy.cli.load_config import KEY_VARIABLE, environment_key_for
from proxy.config.settings import Settings
from proxy.errors import InvalidSettings, Unreachable, UpstreamFailure, UpstreamUnreachable
from proxy.headers import Headers, first
from proxy.security.keyring import Keyring, Site, refuses_key
from proxy.upstream.client import UpstreamClient
from proxy.upstream.http11 import Http11Connection
from proxy.upstream.transport import Timeouts
from translators import UPSTREAM_VERSION

_MODELS: Final = b"/v1/models?limit=1"
_READ_SECONDS: Final = 30
_DAY_SECONDS: Final = 86_400
_SOON_DAYS: Final = 14
"""Days before the end of a certificate in which it should have been renewed."""
_RENEWED: Final = 1 / 3
"""Part of a certificate's life that is left when it is usually renewed, if that is less."""
_CLOCK_SECONDS: Final = 60
"""Difference between two clocks that nobody would set on purpose."""
_OPEN_THE_WAY: Final = (
    "open the way in firewalls and routes, or name the outbound proxy of this network in"
    " HTTPS_PROXY, if it has one"
)
REMEDIES: Final[Mapping[Unreachable, str]] = {
    Unreachable.NAME: "correct the name in {setting}, or let the DNS of this machine know it",
    Unreachable.REFUSED: "start the {peer}, or correct the port in {setting}",
    Unreachable.CERTIFICATE: (
        "let the {peer} renew its certificate; if its authority is your own, name its"
        " certificate in SSL_CERT_FILE; and see whether this machine's clock is right"
    ),
    Unreachable.TLS: "correct {setting}: no TLS is spoken there; http: is without",
    Unreachable.PROXY: "let the proxy in HTTPS_PROXY or ALL_PROXY connect to this {peer}",
    Unreachable.CLOSED: _OPEN_THE_WAY,
    Unreachable.NETWORK: _OPEN_THE_WAY,
    Unreachable.SLOW: _OPEN_THE_WAY,
}
"""Advice for each reason why an upstream cannot be reached; `{peer}` is filled with what
it is, and `{setting}` with the name of the setting that has its URL."""


async def try_upstreams(settings: Settings, keyring: Keyring) -> AsyncIterator[Finding]:
    """Yield what there is to say about the upstream, and about the legacy one if there is one."""
    for site in (keyring.messages, keyring.legacy):
        if site is None:
            yield Finding(Level.OK, "legacy", "no legacy upstream is set (`legacy_url`)")
            continue
        timeouts = Timeouts(connect=settings.upstream_connect_timeout, read=_READ_SECONDS)
        client = UpstreamClient(site.url, timeouts)
        try:
            async for finding in _try_site(client, site, settings, keyring):
                yield finding
        finally:
            await client.close()


async def _try_site(
    client: UpstreamClient, site: Site, settings: Settings, keyring: Keyring
) -> AsyncIterator[Finding]:
    try:
        connection = await client.connect()
    except UpstreamUnreachable as exc:
        remedy = REMEDIES[exc.reason].format(setting=f"{site.name}_url", peer="upstream")
        yield Finding(Level.FAILED, site.name, exc.detail, remedy)
        return
    address, port, *_ = cast("tuple[Any, ...]", connection.about("peername"))
    yield Finding(Level.OK, site.name, f"{site.url} is reached at {address}, port {port}")
    for finding in _certificate(connection, site.name, time.time()):
        yield finding
    try:
        async for finding in _try_keys(client, site, settings, keyring):
            yield finding
    except UpstreamFailure as exc:
        remedy = f"see that {site.name}_url is an HTTP server of the API, and what its log says"
        yield Finding(Level.FAILED, site.name, exc.detail, remedy)


def _certificate(connection: Http11Connection, name: str, now: float) -> Iterator[Finding]:
    """Yield how long a certificate is still valid, if there is one."""
    certificate = cast("dict[str, str] | None", connection.about("peercert"))
    if not certificate:
        return
    begin, end = (ssl.cert_time_to_seconds(certificate[at]) for at in ("notBefore", "notAfter"))
    days = (end - now) / _DAY_SECONDS
    check, text = f"{name} certificate", f"valid for {days:.0f} more days"
    if days < _SOON_DAYS and end - now < (end - begin) * _RENEWED:
        yield Finding(Level.WARNING, check, text, "let the upstream renew it before it ends")
    else:
        yield Finding(Level.OK, check, text)


async def _try_keys(
    client: UpstreamClient, site: Site, settings: Settings, keyring: Keyring
) -> AsyncIterator[Finding]:
    """Yield how the upstream answers to each key that is held for it, or to none."""
    check, is_messages = f"{site.name} key", site is keyring.messages
    of_callers = (
        known.messages_key if is_messages else known.legacy_key for known in keyring.known
    )
    tried = {key.setting: key.secret for key in (site.key, *of_callers) if key is not None}
    if not tried and is_messages:
        try:
            key = environment_key_for(settings, is_on_loopback=client.is_on_loopback)
        except InvalidSettings as exc:
            yield Finding(Level.WARNING, check, str(exc), "correct it, or unset it")
            key = None
        if key is not None:
            tried[KEY_VARIABLE] = key.encode("latin-1")
    answered: Headers = []
    for setting, secret in tried.items():
        status, answered = await _list_models(client, [*site.credential(secret).fields], site)
        yield _accepted(check, setting, status, is_messages=is_messages)
    if not tried:
        status, answered = await _list_models(client, [], site)
        text = f"none is held here: clients send their own; without one, the answer is {status}"
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            yield Finding(Level.OK, check, text)
        else:
            remedy = "see what the upstream's status page or log says"
            yield Finding(Level.WARNING, check, text, remedy)
    if is_messages:
        yield _clock(answered, time.time())


async def _list_models(
    client: UpstreamClient, credential: Headers, site: Site
) -> tuple[int, Headers]:
    version = (b"anthropic-version", UPSTREAM_VERSION.encode())
    headers = [version, *site.extra_headers, *credential]
    answer = await client.forward("GET", _MODELS, headers, None)
    await answer.close()
    return answer.status, answer.headers


def _accepted(check: str, setting: str, status: int, *, is_messages: bool) -> Finding:
    """Return what an answer says about the key that a setting holds."""
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return Finding(Level.OK, check, f"{setting} is accepted")
    if refuses_key(status):
        remedy = "set it to a key that is valid, funded, and may be used from here"
        return Finding(Level.FAILED, check, f"{setting} is refused with status {status}", remedy)
    text = f"{setting} was not tried: listing models, which is free, is answered with {status}"
    if status == HTTPStatus.NOT_FOUND and not is_messages:
        return Finding(Level.OK, check, text)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        remedy = "see that upstream_url is the base URL of the Messages API; some gateways have no"
        return Finding(Level.WARNING, check, text, f"{remedy} list of models")
    return Finding(Level.WARNING, check, text, "try again later")


def _clock(headers: Headers, now: float) -> Finding:
    """Return how far this clock is from the upstream's, if the upstream says what its own is."""
    try:
        theirs = parsedate_to_datetime((first(headers, b"date") or b"").decode("latin-1"))
    except ValueError:
        return Finding(Level.OK, "clock", "not compared: the upstream's answer has no date")
    seconds = abs(now - theirs.timestamp())
    if seconds <= _CLOCK_SECONDS:
        return Finding(Level.OK, "clock", f"within {_CLOCK_SECONDS} seconds of the upstream's")
    text = f"{seconds:.0f} seconds away from the upstream's"
    remedy = "run a time service: dates of rules and retirements go by this clock"
    return Finding(Level.WARNING, "clock", text, remedy)
