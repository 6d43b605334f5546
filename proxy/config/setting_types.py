"""Types of single settings: how a value is checked, and what is said of a wrong one."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, AnyHttpUrl, BeforeValidator, Field, SecretStr, TypeAdapter

from proxy.headers import (
    CREDENTIALS,
    NEVER_FORWARDED,
    OWN_PREFIX,
    SET_BY_HOLDOVER,
    spelled,
)
from proxy.rollout.rule_schema import one_spelling_each, spelled_like
from proxy.security.redaction import CALLER_DIGEST
from proxy.traffic import checked_url

_MIN_TOKEN_LENGTH: Final = 16
_MIN_STORE_BYTES: Final = 16 * 1024**2
_ADDED_PATH: Final = re.compile(r"(?<!/)/v1(?:/messages|/complete)?$")
_PLAIN_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
_LATIN_1_ENDS: Final = "\xff"
_HEADER_NAME: Final = re.compile(rb"[!#$%&'*+.^`|~0-9a-z-]+")  # RFC 9110, section 5.6.2

SIGNING_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what all of them begin with
_SIGNING_SECRET_BYTES: Final = range(24, 65)

Seconds = Annotated[float, Field(gt=0, le=86_400)]


def _http_url(url: str) -> str:
    parsed = TypeAdapter(AnyHttpUrl).validate_python(url)
    for part in ("username", "password", "query", "fragment"):
        if getattr(parsed, part) is not None:
            raise ValueError(f"a base URL must not have a {part}; remove it")
    base = str(parsed).rstrip("/")
    if added := _ADDED_PATH.search(base):
        raise ValueError(f"Holdover adds `{added[0]}` itself: write {base[: added.start()]}")
    return base


def _notify_url(url: SecretStr | None) -> SecretStr | None:
    """Return the URL of a webhook, which is a secret: in many of them the path is the password."""
    if url is None:
        return None
    try:
        parsed = TypeAdapter(AnyHttpUrl).validate_python(check_printable(url.get_secret_value()))
    except ValueError:  # whose text would repeat the URL
        raise ValueError("is not a URL of http or https") from None
    for part in ("username", "password", "fragment"):
        if getattr(parsed, part) is not None:
            raise ValueError(f"must not have a {part}; remove it")
    return SecretStr(str(parsed))


def _signing_secret(secret: SecretStr | None) -> SecretStr | None:
    """Require a secret as Standard Webhooks spells one."""
    if secret is None:
        return None
    text = secret.get_secret_value()
    try:
        key = b64decode(text.removeprefix(SIGNING_SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(SIGNING_SECRET_PREFIX) or len(key) not in _SIGNING_SECRET_BYTES:
        raise ValueError(
            f"write {SIGNING_SECRET_PREFIX} and 24 to 64 bytes in Base64 behind it, such as the "
            f'output of `echo "{SIGNING_SECRET_PREFIX}$(openssl rand -base64 32)"`'
        )
    return secret


def _trimmed(secret: object) -> object:
    """Strip white space that an editor, a shell or a mounted file may have added."""
    text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    return text.strip() if isinstance(text, str) else text


def check_printable(secret: str) -> str:
    """Return the secret if it is one printable line; else raise a `ValueError` that hides it."""
    if not secret.isprintable():
        raise ValueError("contains a control character or another that is invisible")
    return secret


def header_value(secret: str) -> str:
    """Return the secret if it can stand in a header field (RFC 9110, section 5.5)."""
    if any(character > _LATIN_1_ENDS for character in check_printable(secret)):
        raise ValueError("contains a character that is not Latin-1, as HTTP headers need")
    return secret


def _plain_header_name(name: str) -> str:
    return spelled(name.lower().encode()).decode()


def _header_name(name: str) -> str:
    """Return the name of a header that operators may add to a translated request, in lower case."""
    plain = _plain_header_name(name).encode("utf-8")
    if not _HEADER_NAME.fullmatch(plain):
        raise ValueError("is not the name of a header")
    if plain in NEVER_FORWARDED | CREDENTIALS | SET_BY_HOLDOVER or plain.startswith(OWN_PREFIX):
        raise ValueError(
            "cannot be added: it belongs to one connection, carries a credential, or is set by "
            "Holdover itself"
        )
    return plain.decode()


def _header_value(secret: SecretStr | None) -> SecretStr | None:
    return secret and SecretStr(header_value(secret.get_secret_value()))


def _console_prefix(prefix: str) -> str:
    """Require a path that is the same in an address, a cookie and a page."""
    if prefix and _PLAIN_PATH.fullmatch(prefix) is None:
        raise ValueError(
            "use letters, digits, `-`, `_`, `.` and `~` between slashes, as in `/console`"
        )
    return prefix


def _admin_token(token: SecretStr | None) -> SecretStr | None:
    """Require a token long enough not to be guessed, since attempts are not limited."""
    if token is not None:
        text = token.get_secret_value()
        if len(text) < _MIN_TOKEN_LENGTH or len(text.split()) != 1:
            raise ValueError(
                f"use at least {_MIN_TOKEN_LENGTH} characters without white space, such as the "
                "output of `openssl rand -hex 24`"
            )
    return token


def _store_url(url: SecretStr | None) -> SecretStr | None:
    return url and SecretStr(checked_url(check_printable(url.get_secret_value())))


_Given = Annotated[
    SecretStr | None,
    # An empty secret counts as missing, as `${TOKEN:-}` produces it.
    BeforeValidator(lambda secret: None if secret == "" else secret),
    BeforeValidator(_trimmed),
]
Secret = Annotated[_Given, AfterValidator(_header_value)]
"""A secret that can be sent in a header."""
NotifyUrl = Annotated[_Given, AfterValidator(_notify_url)]
SigningSecret = Annotated[Secret, AfterValidator(_signing_secret)]
StoreUrl = Annotated[_Given, AfterValidator(_store_url)]


def _valid_store_size(size: int) -> int:
    if size != 0 and size < _MIN_STORE_BYTES:
        raise ValueError(f"use 0 for no limit, or at least {_MIN_STORE_BYTES} bytes")
    return size


def _pattern(pattern: str) -> str:
    """Return the pattern if a `Redactor` can use it."""
    try:
        takes_nothing = re.compile(pattern).search("") is not None
    except re.error as exc:
        raise ValueError(f"is not a valid regular expression: {exc}") from exc
    if takes_nothing:
        raise ValueError("matches the empty text; write a pattern that needs a character")
    return pattern


Word = Annotated[
    str,
    spelled_like(
        r"[a-z][a-z0-9_-]{0,31}",
        "must have 1 to 32 lower-case letters, digits, `_` or `-`, and begin with a letter",
    ),
]
Pattern = Annotated[str, AfterValidator(_pattern)]


def _path(path: Path) -> Path:
    """Return the path if it is UTF-8 without null characters."""
    try:
        named = str(path).encode()
    except UnicodeEncodeError as exc:
        raise ValueError("is not UTF-8") from exc
    if b"\0" in named:
        raise ValueError("contains a null character, which no path can have")
    return path


def _not_empty(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("is empty")
    return secret


Key = Annotated[
    SecretStr,
    BeforeValidator(_trimmed),
    AfterValidator(_header_value),
    AfterValidator(_not_empty),
]
TokenHash = Annotated[
    str,
    spelled_like(
        r"sha256:[0-9a-f]{64}",
        "must be `sha256:` and 64 hexadecimal digits, as `holdover keys hash` prints it",
    ),
]
KeyDigest = Annotated[
    str,
    spelled_like(
        CALLER_DIGEST.pattern,
        "must be 16 lower-case hexadecimal digits, as the log shows them and `holdover keys digest`"
        " prints them",
    ),
]
MAX_OWNER: Final = 100
"""Most characters of a caller's `owner`."""
Owner = Annotated[
    str,
    spelled_like(
        rf"[^\0-\x1f\x7f-\x9f\u2028\u2029]{{1,{MAX_OWNER}}}",
        f"must have 1 to {MAX_OWNER} characters on one line",
    ),
]
Name = Annotated[
    str,
    spelled_like(
        r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}",
        "must have 1 to 64 letters, digits, `.`, `_`, `@` or `-`, and begin with a letter or digit",
    ),
]
HostPattern = Annotated[
    str,
    spelled_like(
        r"[a-z0-9.*?_~\[\]:-]+",
        "must be a name or an address in lower case, without a scheme or a path",
    ),
]
OwnHeader = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]
OwnHeaders = Annotated[dict[OwnHeader, HeaderValue], one_spelling_each(_plain_header_name)]
BaseUrl = Annotated[str, AfterValidator(_http_url)]
"""A URL to which paths are added; it has no slash at its end."""
PathPrefix = Annotated[str, AfterValidator(lambda prefix: f"/{prefix.strip('/')}".rstrip("/"))]
"""A path before all others, such as `/legacy`, whichever of its slashes are written."""
ConsolePrefix = Annotated[PathPrefix, AfterValidator(_console_prefix)]
LocalPath = Annotated[Path, AfterValidator(_path)]
StoreSize = Annotated[int, AfterValidator(_valid_store_size)]
AdminToken = Annotated[Secret, AfterValidator(_admin_token)]
