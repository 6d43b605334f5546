"""Tokens for callers: made here, kept by them, known to the settings by their hash."""

from __future__ import annotations

import secrets
import sys

import typer
from pydantic import TypeAdapter, ValidationError

from proxy.keys import hash_token
from proxy.settings import Name

_TOKEN_BYTES = 32


def run_new(name: str) -> None:
    """Print a new token and what to write about it; status 2 if the name cannot be one."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as exc:
        typer.echo(f"holdover: {name!r}: {exc.errors()[0]['msg']}", err=True)
        raise typer.Exit(2) from exc
    token = f"holdover-{secrets.token_urlsafe(_TOKEN_BYTES)}"
    typer.echo(f"# Give this to {name}; it is not kept anywhere:\n# {token}\n")
    typer.echo(f'[callers."{name}"]\ntoken = "sha256:{hash_token(token.encode())}"')
    typer.echo('# upstream_key = { env = "..." }   # or { file = "..." }; without: upstream_key')


def run_hash() -> None:
    """Print the hash of what comes in, without the end of its line."""
    token = sys.stdin.buffer.readline().strip()
    if not token:
        typer.echo("holdover: standard input is empty", err=True)
        raise typer.Exit(2)
    typer.echo(f"sha256:{hash_token(token)}")
