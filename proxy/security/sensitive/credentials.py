"""Credentials with a form of their own: private keys, tokens, and those in URLs and headers."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Final

from proxy.security.sensitive.kinds import Kind, Span, accept_secret, inspected_part
from proxy.security.sensitive.values import is_code, is_generated, is_placeholder

_W: Final = "[A-Za-z0-9_-]"
_BREAK: Final = r"[\s\\\"'+,>|]"
"""Characters between the lines of a key in a file, in JSON, or joined by source code."""
_RUN: Final = "[A-Za-z0-9+/=]{12,}+"
_LINES: Final = rf"{_RUN}(?:{_BREAK}{{1,12}}+{_RUN})*+"
_PEM_END: Final = (
    rf"(?:{_BREAK}{{0,12}}[A-Za-z0-9+/=]{{0,12}}{_BREAK}{{0,12}}[A-Za-z0-9+/=]{{0,12}}"
    rf"{_BREAK}{{0,12}}-----END [A-Z0-9 ]{{1,40}}-----)?"
)
_BASE64: Final = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
_JWT: Final = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"


PRIVATE_KEYS_AND_TOKENS: Final = (
    Kind(
        "private key",
        "key",
        rf"(?<=-----BEGIN )(?:[A-Z0-9]{{1,12}} ){{0,4}}PRIVATE KEY(?: BLOCK)?-----{_BREAK}{{0,12}}+"
        rf"(?:[A-Z][A-Za-z-]{{2,20}}: [^\n\\]{{0,100}}{_BREAK}{{1,12}}+){{0,5}}{_LINES}{_PEM_END}",
        words=("begin ",),
        confirm=lambda found, _: (found.start() - len("-----"), found.end()),
        examples=(
            "-----BEGIN "
            + "PRIVATE KEY-----\n"
            + _BASE64
            + "\n"
            + _BASE64
            + "\nabc=\n-----END PRIVATE KEY-----",
            "-----BEGIN "
            + "RSA PRIVATE KEY-----\\n"
            + _BASE64
            + "\\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN " + "OPENSSH PRIVATE KEY-----\r\n" + _BASE64,
            "-----BEGIN "
            + "PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n"
            + _BASE64
            + "\n=aB3d\n-----END PGP PRIVATE KEY BLOCK-----",
        ),
        innocents=(
            "from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----",
            "-----BEGIN CERTIFICATE-----\n" + _BASE64 + "\n-----END CERTIFICATE-----",
        ),
    ),
    Kind(
        "PuTTY key",
        "key",
        rf"\d{{1,4}}{_BREAK}{{1,8}}+(?P<secret>{_LINES})",
        words=("private-lines: ",),
        confirm=accept_secret,
        examples=(f"Private-Lines: 2\n«{_BASE64}\n{_BASE64}»",),
    ),
    Kind(
        "JSON web token",
        "key",
        rf"(?<=eyJ)(?:(?<!{_W}eyJ)|(?<=%[0-9A-Fa-f]{{2}}eyJ))"
        rf"{_W}{{8,}}+\.\.?{_W}{{8,}}+(?:\.{_W}++){{0,3}}",
        words=("eyj",),
        confirm=accept_secret,
        examples=(_JWT, "«" + _JWT.rpartition(".")[0] + "»."),
        innocents=("eyJhbGciOiJIUzI1NiJ9", "eyJ.eyJ.eyJ"),
    ),
)


def _url_password(found: re.Match[str], _: int) -> Span | None:
    value = found["secret"]
    if is_placeholder(value) or is_code(value) or value.lower() in _EXAMPLE_PASSWORDS:
        return None
    return found.span("secret")


_EXAMPLE_PASSWORDS: Final = frozenset(
    {"password", "pass", "passwd", "pwd", "pw", "secret", "token"}
)
IN_URLS: Final = (
    Kind(
        "key in a URL",
        "key",
        rf"(?P<secret>(?=[A-Za-z_-]{{0,40}}\d){_W}{{20,}}+(?::[^\s/@\"'<>\\]{{0,256}})?)@(?=[\w.\[-])",
        words=("://",),
        confirm=accept_secret,
        examples=(
            "https://«0f1e2d3c4b5a69788796a5b4c3d2e1f0»@o4504.ingest.sentry.io/4505",
            "https://«0f1e2d3c4b5a69788796a5b4c3d2e1f0:x-oauth-basic»@github.com/acme/app",
        ),
        innocents=("https://jane@host/", "https://the-user-of-this-host@host"),
    ),
    Kind(
        "password in a URL",
        "password",
        r"[^\s/@:\"'<>\\]{0,128}+:(?P<secret>[^\s/\"'<>\\]{1,256})@(?=[\w.\[-])",
        words=("://",),
        confirm=_url_password,
        examples=(
            "postgres://app:«s3cr3t»@db.internal:5432/app",
            "redis://:«p4ssw0rd»@cache",
            "amqp://guest:«letmein»@mq",
            "postgres://app:«p?ss:w0rd»@db",
        ),
        innocents=(
            "postgres://user:password@host/app",
            "https://example.com:8443/a@b",
            "postgres://app:${DB}@db",
        ),
    ),
    Kind(
        "quoted password in a URL",
        "password",
        r"[^\s/@:\"'<>\\]{0,128}+:\\{0,3}[\"'](?P<secret>[^\s/\"'<>\\]{1,256})\\{0,3}[\"']@(?=[\w.\[-])",
        words=("://",),
        confirm=_url_password,
        examples=(
            'postgres://app:"«p?ss:w0rd»"@db',
            "postgres://app:'«letmein»'@db",
            '{"url": "postgres://app:\\"«p?ss:w0rd»\\"@db"}',
        ),
        innocents=('"https://example.com:8443"@b', "postgres://app:'password'@db"),
    ),
    Kind(
        "webhook",
        "key",
        r"(?:hooks\.slack\.com/(?:services|workflows|triggers)"
        r"|(?:[a-z]{1,8}\.)?discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks"
        r"|(?:[\w-]{1,40}\.)?(?:webhook|outlook)\.office\.com/webhook(?:b2)?"
        r"|hooks\.zapier\.com/hooks/catch)/(?P<secret>[A-Za-z0-9@_/-]{16,}+)",
        words=("://",),
        confirm=accept_secret,
        examples=(
            "https://hooks.slack.com/services/«T0AB12CD3/B0EF45GH6/aB3dE5fG7hJ9kL1mN2pQ4rS6»",
            "https://discord.com/api/webhooks/«123456789012345678/aB3dE5fG7hJ9kL1mN2pQ4rS6tU8v»",
            "https://acme.webhook.office.com/webhookb2/«0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0@1»",
            "https://hooks.zapier.com/hooks/catch/«1234567/aB3dE5fG7h»",
        ),
        innocents=("https://hooks.slack.com/services/", "https://discord.com/developers/docs"),
    ),
)


_SCHEMES: Final = (
    "(?i:bearer|basic|token|key|api[-_]?key|apitoken|negotiate|ssws|geniekey|digest|hmac|splunk)"
)
_MIN_TOKEN_LENGTH: Final = 32
_WORDS: Final = re.compile(r"[^\W\d_]++(?:[-'.][^\W\d_]++)*+[.:]?|(?:realm|error|scope)=?")


def _bearer(found: re.Match[str], _: int) -> Span | None:
    """Reject words, as in "the bearer of this letter"."""
    value = inspected_part(found, "word")
    if is_placeholder(value) or is_code(value) or value.startswith("realm="):
        return None
    is_one = value.endswith("=") or len(value) >= _MIN_TOKEN_LENGTH or is_generated(value, 8)
    return (found.start(), found.end() - found["word"].endswith(".")) if is_one else None


def _basic(found: re.Match[str], _: int) -> Span | None:
    """Accept base64 of a name, a colon and a password."""
    try:
        decoded = b64decode(found["secret"] + "==").decode()
    except (NotBase64, ValueError):
        return None
    return found.span() if ":" in decoded and decoded.isprintable() else None


def _authorization(found: re.Match[str], _: int) -> Span | None:
    """Accept anything but words after a scheme, and only random values without a scheme."""
    value, (start, end) = inspected_part(found, "word"), found.span("word")
    if is_placeholder(value) or is_code(value) or _WORDS.fullmatch(value):
        return None
    if found["scheme"]:
        start = found.start("scheme")
    elif not is_generated(value, 8):
        return None
    return start, end - found["word"].endswith(".")


HEADERS: Final = (
    Kind(
        "authorization",
        "key",
        r"[\"']?\]?\s{0,4}[:=]\s{0,4}\\{0,3}[\"']?"
        rf"(?P<scheme>{_SCHEMES}[ \t]{{1,4}})?(?P<word>[^\s\"'`,;<>()\\]{{8,}}+)",
        words=("authorization",),
        confirm=_authorization,
        examples=(
            "Authorization: «Bearer abc.def-ghi=»",
            '"authorization": "«Basic YWRtaW46aHVudGVyMjI=»"',
            "authorization: «0f1e2d3c4b5a»",
        ),
        innocents=(
            "Authorization: required",
            "Authorization: AWS4-HMAC-SHA256",
            "Authorization: Bearer <token>",
            "Authorization: Bearer realm",
            "Authorization: ${TOKEN}",
        ),
    ),
    Kind(
        "bearer",
        "key",
        r"(?:[ \t]|%20){1,8}+(?P<word>[\w.~+/%-]{8,}+=*+)",
        words=("bearer",),
        confirm=_bearer,
        examples=("Bearer abc.def-ghi=", "bearer 0f1e2d3c4b5a", "Bearer%20abc.def-ghi="),
        innocents=(
            "the bearer of this letter",
            "bearer certificates",
            "Bearer authentication",
            "Bearer realm=example",
            "Bearer YOUR_ACCESS_TOKEN_2",
        ),
    ),
    Kind(
        "basic",
        "key",
        r"[ \t]{1,4}(?P<secret>[A-Za-z0-9+/]{8,1024}+=*+)",
        words=("basic",),
        confirm=_basic,
        examples=("Basic YWRtaW46aHVudGVyMjI=",),
        innocents=("Basic authentication", "basic understanding"),
    ),
)
