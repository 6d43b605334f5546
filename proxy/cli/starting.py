"""The log event of a server that starts: its version, its upstreams, and what is switched off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from socket import AF_INET6, socket
from typing import Any

from proxy.config.changes import rules_in_words
from proxy.config.settings import Settings, store_url_of
from proxy.traffic import place_of_store


def starting_fields(settings: Settings, sockets: Sequence[socket]) -> dict[str, Any]:
    """Return the fields of the event `starting`; none of them holds a secret."""
    store = place_of_store(store_url_of(settings, settings.state_dir))
    return {
        "version": version("holdover"),
        "addresses": [_address(each) for each in sockets],
        "workers": settings.workers,
        "upstream": settings.upstream_url,
        "legacy_upstream": settings.legacy_url,
        "rules": list(rules_in_words(settings)),
        "state_directory": str(settings.state_dir),
        "store": store if settings.traffic else None,
        "off": list(_off(settings)),
    }


def _address(listener: socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if listener.family == AF_INET6 else f"http://{host}:{port}"


def _off(settings: Settings) -> Iterator[str]:
    """Yield what this server does not do, with the setting that would let it."""
    captures = {settings.capture, *(rule.capture for rule in settings.rollout)}
    if not settings.traffic:
        yield "records (`traffic`)"
    if not settings.traffic or captures <= {"off", None}:
        yield "bodies in records (`capture`)"
    if settings.legacy_url is None:
        yield "forwarding (`legacy_url`)"
    if settings.admin_token is None:
        yield "admin pages (`admin_token`)"
