"""Detects the SDK that sent a request from its headers (legacy-wire 1.1)."""

from __future__ import annotations

from typing import Final

from proxy.headers import Headers

_SDK_HEADERS: Final = frozenset(
    b"x-stainless-lang x-stainless-package-version anthropic-sdk client".split()
)


def detect_sdk(headers: Headers) -> str | None:
    """Return language and version, such as `python 0.3.11`; None if no SDK sent the request."""
    # `reversed`, so that the first of several headers with one name counts.
    sent = {name: value for name, value in reversed(headers) if name in _SDK_HEADERS}
    if not sent:
        return None
    language = sent.get(b"x-stainless-lang")
    version = sent.get(b"x-stainless-package-version")
    if language and version:
        return f"{_text(language)} {_text(version)}"
    # Older, hand-written SDKs send `anthropic-python/0.2.10`.
    name = sent.get(b"anthropic-sdk") or sent.get(b"client")
    if name and name.startswith(b"anthropic-"):
        return _text(name).removeprefix("anthropic-").replace("/", " ")
    return None


def _text(value: bytes) -> str:
    return value.decode("latin-1")
