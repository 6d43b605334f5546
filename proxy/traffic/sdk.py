"""Which SDK sent a request, as its own headers tell (legacy-wire 1.1)."""

from __future__ import annotations

from proxy.headers import Headers, first


def detect_sdk(headers: Headers) -> str | None:
    """`python 0.3.11` or the like; None for clients that were written by hand."""
    language = first(headers, b"x-stainless-lang")
    version = first(headers, b"x-stainless-package-version")
    if language and version:
        return f"{_text(language)} {_text(version)}"
    # Before the generated SDKs: `anthropic-python/0.2.10`.
    name = first(headers, b"anthropic-sdk") or first(headers, b"client")
    if name and name.startswith(b"anthropic-"):
        return _text(name).removeprefix("anthropic-").replace("/", " ")
    return None


def _text(value: bytes) -> str:
    return value.decode("latin-1")
