"""`holdover keys`: make tokens for callers; the settings file holds only their hashes."""

from __future__ import annotations

import secrets
import sys

from pydantic import TypeAdapter, ValidationError

from proxy.config.setting_errors import words_for
from proxy.config.setting_types import Name
from proxy.security.keyring import hash_token
from proxy.terminal import exit_with_error, print_lines

_TOKEN_BYTES = 32


def run_new(name: str) -> None:
    """Print a new token and the settings for it; exit with 2 if the name is not valid."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as exc:
        [error] = exc.errors()
        said = words_for(error["type"], error.get("ctx", {}))
        exit_with_error(f"{name!r} is not a valid name for a caller: it {said}")
    token = f"holdover-{secrets.token_urlsafe(_TOKEN_BYTES)}"
    print_lines(
        f"# Give this token to {name}; it is not stored anywhere:",
        f"# {token}",
        "",
        f'[callers."{name}"]',
        f'token = "sha256:{hash_token(token.encode())}"',
        '# upstream_key = { env = "..." }   # or { file = "..." }; default: upstream_key',
    )


def run_hash() -> None:
    """Print the hash of the token or key on standard input, without its line end."""
    token = sys.stdin.buffer.readline().strip()
    if not token:
        exit_with_error("standard input is empty: pipe the key or token into this command")
    print_lines(f"sha256:{hash_token(token)}")
