"""Tokens for callers: made here, kept by them, known to the settings by their hash."""

from __future__ import annotations

import secrets
import sys

from pydantic import TypeAdapter, ValidationError

from proxy.config.settings import Name
from proxy.security.keyring import hash_token
from proxy.terminal import say, stop

_TOKEN_BYTES = 32


def run_new(name: str) -> None:
    """Print a new token and what to write about it; status 2 if the name cannot be one."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as exc:
        stop(f"{name!r}: {exc.errors()[0]['msg']}")
    token = f"holdover-{secrets.token_urlsafe(_TOKEN_BYTES)}"
    say(
        f"# Give this to {name}; it is not kept anywhere:",
        f"# {token}",
        "",
        f'[callers."{name}"]',
        f'token = "sha256:{hash_token(token.encode())}"',
        '# upstream_key = { env = "..." }   # or { file = "..." }; without: upstream_key',
    )


def run_hash() -> None:
    """Print the hash of what comes in, without the end of its line."""
    token = sys.stdin.buffer.readline().strip()
    if not token:
        stop("standard input is empty")
    say(f"sha256:{hash_token(token)}")
