"""Which SDK sent a request, as its own headers tell (legacy-wire 1.1)."""

from __future__ import annotations

from typing import Final

from proxy.headers import Headers

_TELLING: Final = frozenset(
    b"x-stainless-lang x-stainless-package-version anthropic-sdk client".split()
)


def detect_sdk(headers: Headers) -> str | None:
    """`python 0.3.11` or the like; None for clients that were written by hand."""
    # Of several with one name the first one counts.
    told = {name: value for name, value in reversed(headers) if name in _TELLING}
    if not told:
        return None
    language = told.get(b"x-stainless-lang")
    version = told.get(b"x-stainless-package-version")
    if language and version:
        return f"{_text(language)} {_text(version)}"
    # Before the generated SDKs: `anthropic-python/0.2.10`.
    name = told.get(b"anthropic-sdk") or told.get(b"client")
    if name and name.startswith(b"anthropic-"):
        return _text(name).removeprefix("anthropic-").replace("/", " ")
    return None


def _text(value: bytes) -> str:
    return value.decode("latin-1")
