"""The log event of a server that starts: its version, its upstreams, and what is switched off."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from socket import socket
from typing import Any

from proxy.config.changes import rules_in_words
from proxy.config.settings import Settings, store_url_of
from proxy.traffic import place_of_store
from proxy.upstream.egress import authority


def starting_fields(settings: Settings, sockets: Sequence[socket]) -> dict[str, Any]:
    """Return the fields of the event `starting`; none of them holds a secret."""
    store = place_of_store(store_url_of(settings, settings.state_dir))
    captures = {settings.capture, *(rule.capture for rule in settings.rollout)}
    off = {
        "records (`traffic`)": not settings.traffic,
        "bodies in records (`capture`)": not settings.traffic or captures <= {"off", None},
        "forwarding (`legacy_url`)": settings.legacy_url is None,
        "admin pages (`admin_token`)": settings.admin_token is None,
        "traces (`traces`)": not settings.traces,
        "notices (`notify_url`)": settings.notify_url is None,
    }
    return {
        "version": version("holdover"),
        "addresses": [f"http://{authority(*each.getsockname()[:2])}" for each in sockets],
        "workers": settings.workers,
        "upstream": settings.upstream_url,
        "legacy_upstream": settings.legacy_url,
        "rules": list(rules_in_words(settings)),
        "state_directory": str(settings.state_dir),
        "store": store if settings.traffic else None,
        "off": [name for name, is_off in off.items() if is_off],
    }
