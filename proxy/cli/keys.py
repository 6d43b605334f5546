"""`holdover keys`: make tokens for callers, and say by which hash and digest a key is known."""

from __future__ import annotations

import os
import re
import secrets as dice
import sys
from getpass import getpass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from proxy.cli.load_config import settings_or_exit
from proxy.config.build import digester_of
from proxy.config.digest_key import digest_key_file, read_digest_key
from proxy.config.setting_errors import words_for
from proxy.config.setting_types import Name
from proxy.security.keyring import hash_token
from proxy.terminal import exit_with_error, print_lines

_TOKEN_BYTES = 32
_HEADER: Final = re.compile(rb"[\w-]+:\s|bearer\s", re.IGNORECASE)


def run_new(name: str) -> None:
    """Print a new token and the settings for it; exit with 2 if the name is not valid."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as exc:
        [error] = exc.errors()
        said = words_for(error["type"], error.get("ctx", {}))
        exit_with_error(f"{name!r} is not a valid name for a caller: it {said}")
    token = f"holdover-{dice.token_urlsafe(_TOKEN_BYTES)}"
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
    print_lines(f"sha256:{hash_token(_read_key())}")


def run_digest(config: Path | None, secrets: Path | None) -> None:
    """Print the digest that stands in the log for the key on standard input."""
    settings = settings_or_exit(config, secrets)
    if settings.digest_key is None and read_digest_key(settings.state_dir) is None:
        exit_with_error(
            f"{digest_key_file(settings.state_dir)}: there is no key of digests here, or none that "
            "you may read, so it is not known what the log shows. Give the settings of the running "
            "instance (`--config`, with its state_dir), run this as its user, or set digest_key; "
            "where it has never run, start it once"
        )
    print_lines(digester_of(settings).caller(_read_key()))


def _read_key() -> bytes:
    """Read a key from standard input, unseen on a terminal; arguments would be seen in `ps`."""
    line = os.fsencode(getpass("Key: ")) if sys.stdin.isatty() else sys.stdin.buffer.readline()
    if not (key := line.strip()):
        exit_with_error("standard input is empty: pipe the key or token into this command")
    if _HEADER.match(key):  # its hash or digest would be that of no key
        exit_with_error("give the key or token alone, without `Bearer` or the name of a header")
    return key
