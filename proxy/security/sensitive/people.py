"""Personal data: e-mail addresses, bank accounts, payment cards, social security numbers."""

from __future__ import annotations

import re
from typing import Final

from proxy.security.sensitive.kinds import Kind, Span, accept_secret
from proxy.security.sensitive.numbers import DASH, SPACE

_EMAIL: Final = (
    r"[@\uff20\ufe6b%&\\](?:(?<=[@\uff20\ufe6b])|(?<=%)(?:25){0,3}40|(?<=\\)\\{0,7}(?:u00|x)40"
    r"|(?<=&)(?:#0{0,4}64|#[xX]0{0,4}40|commat);)"
    r"(?!\dx[.])(?:[\w-]{1,63}+[.\uff0e]){1,8}(?:[^\W\d_]{2,63}+|xn--[\w-]{1,60}+)"
)
_REVERSED_LOCAL_PART: Final = re.compile(r'"[^"\n]{1,64}+"\\?|[\w.!#$%&\'*+?^`{|}~-]{0,127}\w')
"""Matches the reversed part of an e-mail address before its `@`."""


def _email(found: re.Match[str], free: int) -> Span | None:
    at = found.start()
    before = _REVERSED_LOCAL_PART.match(found.string[max(free, at - 128) : at][::-1])
    if before is None or before[0] == "tig":  # `git@host` in the address of a repository
        return None
    return at - before.end(), found.end()


MAIL: Final = (
    Kind(
        "e-mail",
        "email",
        _EMAIL,
        needs=("@", "%", "&", "\\", "\uff20", "\ufe6b"),
        confirm=_email,
        examples=(
            "a.b+c@example.co.uk",
            "jane%40example.com",
            "jane&#64;example.com",
            r"jane\u0040example.com",
            '"jane doe"@example.com',
        ),
        innocents=(
            "react@18.2.0",
            "actions/checkout@v4.1.1",
            "git@github.com:acme/app.git",
            "logo@2x.png",
            "a@b; @home.com; x@y",
        ),
    ),
)

_IBAN: Final = (
    r"[A-Z]{2}(?<![A-Za-z0-9][A-Z]{2})\d\d(?=(?P<rest>(?:[ \u00a0-]?[A-Za-z0-9]){11,29}))"
)
_ALNUM: Final = re.compile("[A-Za-z0-9]")
_IBAN_LENGTHS: Final = dict(
    re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27"
        " DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28"
        " IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24"
        " ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22"
        " RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24"
        " XK20 YE30",
    )
)
"""Length of an IBAN by country, from the registry of ISO 13616."""


def _iban(found: re.Match[str], _: int) -> Span | None:
    """Accept a number with its country's length and valid check digits (remainder 1 by 97)."""
    start, end, text = found.start(), found.end(), found.string
    length = int(_IBAN_LENGTHS.get(text[start : start + 2], 0))
    number = text[start:end]
    for character in found["rest"]:
        if len(number) == length:
            break
        number += character if character.isalnum() else ""
        end += 1
    if len(number) != length or _ALNUM.match(text, end):
        return None
    digits = "".join(str(int(character, 36)) for character in number[4:] + number[:4])
    return (start, end) if int(digits) % 97 == 1 else None


_SSN: Final = r"(?!000|666|9)\d{3}(?P<gap>[- ]?)(?!00)\d{2}(?P=gap)(?!0000)\d{4}(?![A-Za-z0-9_-])"

ACCOUNTS: Final = (
    Kind(
        "IBAN",
        "iban",
        _IBAN,
        in_digits=True,
        confirm=_iban,
        examples=(
            "DE89 3704 0044 0532 0130 00",
            "GB82WEST12345698765432",
            "NL91ABNA0417164300",
            "FR14 2004 1010 0505 0001 3M02 606",
        ),
        innocents=("GB82WEST12345698765431", "serial AB12 3456 7890 1234", "DE12 is a postcode"),
    ),
    Kind(
        "US social security",
        "ssn",
        r"-(?<=\d{3}-)(?<![A-Za-z0-9_-]\d{3}-)(?<!000-)(?<!666-)(?<!9\d\d-)(?!00)\d{2}-(?!0000)\d{4}"
        r"(?![A-Za-z0-9_-])",
        needs=("-",),
        confirm=lambda found, _: (found.start() - 3, found.end()),
        examples=("536-90-4399",),
        innocents=("000-12-3456", "1234-56-7890", "123-45-678", "2024-01-02-2024-01-03"),
    ),
    Kind(
        "US social security, so called",
        "ssn",
        rf"[^\d\n]{{0,24}}(?P<secret>{_SSN})",
        words=("ssn", "social security"),
        confirm=accept_secret,
        examples=("SSN: «457 55 5462»", "my social security number is «457555462»"),
    ),
)

_GAP: Final = rf"(?:[{SPACE}]?[{DASH}][{SPACE}]?|[{SPACE}]{{1,2}}|(?<=\d{{3}})\.(?=\d{{3}}))"
# Within a word, a card number is only at its start or end; letters among digits mean a digest.
_CARD: Final = (
    r"(?![017])\d(?<!\d\d)(?<!\d\.\d)(?<![0-9][A-Za-z]\d)(?<![0-9][A-Za-z]{2}\d)(?=(?P<number>"
    r"(?:\d{12,18}+(?![A-Za-z_])|(?<![A-Za-z_]\d)\d{12,18}+(?!\d))(?![A-Fa-f][0-9A-Fa-f])"
    rf"|\d{{3}}(?:{_GAP}\d{{4}}){{3}}(?:{_GAP}?\d{{1,3}}(?![A-Za-z0-9_])|(?![A-Za-z0-9_]))"
    rf"|\d{{3}}{_GAP}\d{{6}}{_GAP}\d{{4,5}}(?![A-Za-z0-9_])"
    rf"|\d{{3}}(?:{_GAP}\d{{3}}){{3}}(?![A-Za-z0-9_])))"
)
_CARD_IN_DIGITS: Final = (
    rf"(?![017])\d(?<!\d\d)(?<!\d[{SPACE}{DASH}]\d)(?P<number>(?:{_GAP}\d){{12,18}}+(?!{_GAP}?\d))"
)
_DIGITS: Final = re.compile(r"\d+")
_BETWEEN_DIGITS: Final = " -.\u00a0\u2007\u2009\u202f\u2010\u2011\u2012\u2013"
_CARD_NUMBER: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|3(?:0[0-5]|[689]\d)\d{11}|3[47]\d{13}"
    r"|(?:3[05-9]|5\d|2[2-7]|6\d|8[12])\d{14}|9792\d{12}|(?:5[06-9]|6\d)\d{15,17}"
)
"""Matches the issuers' prefixes with their lengths (ISO/IEC 7812)."""
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")
"""Maps a digit to the sum of the digits of its double, for the Luhn algorithm."""


def _card(found: re.Match[str], _: int) -> Span | None:
    """Accept all groups of digits, or all but the last, which may be the month of expiry."""
    text, start, end = found.string, found.start(), found.end("number")
    groups = _DIGITS.findall(text, start, end)
    if _is_card("".join(groups)):
        return start, end
    if _is_card("".join(groups[:-1])):
        last = len(groups[-1])
        return start, start + len(text[start : end - last].rstrip(_BETWEEN_DIGITS))
    return None


def _is_card(number: str) -> bool:
    """Return True for an issuer's prefix and length, with a valid check digit (Luhn)."""
    if not number.isascii():
        number = "".join(str(int(digit)) for digit in number)
    if not _CARD_NUMBER.fullmatch(number):
        return False
    digits = number[-1::-2] + number[-2::-2].translate(_DOUBLED)
    return (sum(digits.encode()) - ord("0") * len(digits)) % 10 == 0


CARDS: Final = (
    Kind(
        "card",
        "card",
        _CARD,
        in_digits=True,
        confirm=_card,
        examples=(
            "4111 1111 1111 1111",
            "378282246310005",
            "3782 822463 10005",
            "4111-1111-1111-1111",
            "4111.1111.1111.1111",
        ),
        innocents=(
            "4111 1111 1111 1112",
            "4111111111111112",
            "2134083071624291a960a1bd2f1c7c8a",
            "0.4111111111111111",
        ),
    ),
    Kind(
        "card, digit by digit",
        "card",
        _CARD_IN_DIGITS,
        in_digits=True,
        confirm=_card,
        examples=("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",),
        innocents=("5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5",),
    ),
)
