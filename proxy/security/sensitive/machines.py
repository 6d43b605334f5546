"""IPv4 and IPv6 addresses, as opposed to versions and section numbers with as many dots."""

from __future__ import annotations

import re
from itertools import product
from string import hexdigits
from typing import Final

from proxy.security.hosts import ip_address_of
from proxy.security.sensitive.kinds import Kind, Span

_IPV6: Final = r":(?<!::)[0-9A-Fa-f:]{1,60}+(?:(?:\.\d{1,3}){3})?+(?![A-Za-z0-9_:])"
_COLONS: Final = 6
_DIGIT: Final = re.compile("[0-9]")
_WORD_CHARACTER: Final = re.compile("[A-Za-z0-9_.]")
_GROUP: Final = re.compile("[0-9A-Fa-f]{3}|[.]")
"""Matches three hex digits or a dot; slices of lists, such as `1::2`, have neither."""
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf"\.(?<=[0-9]\.){_OCTET}(?:\.{_OCTET}){{2}}(?!\d|\.\d)"
_REVERSED_FIRST_OCTET: Final = re.compile(
    r"(?:[0-5]52|[0-9][0-4]2|[0-9]{2}1|[0-9][1-9]|[1-9])(?![A-Za-z0-9_]|\.\d)"
)
"""Matches a reversed first number, 1 to 255: no host has an address that begins with zero."""
_COMPARISON: Final = re.compile(r"(?:[=~<>^!]=\s?|\w[<>]|\^|\xa7\s?)\Z")
_PRODUCT: Final = re.compile(r"[^\W\d_]/\Z")
_FILE_SUFFIX: Final = re.compile(r"\.(?:tar|zip|whl|jar|deb|rpm|tgz|gz|v\d)|-(?!\d)\w")
_VERSION_WORD: Final = re.compile(
    "v|ver|versions?|releases?|builds?|rev|revisions?|sections?|sect?|chapters?|clauses?|articles?"
    "|paragraphs?|appendix|annex|figures?|fig|tables?|firmware|drivers?|(?:up|down)graded?"
    "|updated?|bumped|assembly|oid|numbered|items?|steps?|rules?|part|requires?"
    "|(?:file|product|assembly)version"
)
_ADDRESS_WORD: Final = re.compile(
    "at|on|hosts?|servers?|ips?|ipv|addr|address(?:es)?|clients?|via|ping|connect[a-z]*|nodes?"
    "|peers?|listen[a-z]*|gateway|dns|ssh|https?|remote"
)
_WORDS: Final = re.compile(r"[a-z]+")
_MIN_LENGTH: Final = len("1.2.3.4")


def _ipv6(found: re.Match[str], free: int) -> Span | None:
    """Find the address: digits and colons may also be a time, or a label before an address."""
    text, (colon, end) = found.string, found.span()
    if "::" not in found[0] and found[0].count(":") < _COLONS:
        return None
    if not _DIGIT.search(text, max(free, colon - 4), end):  # a qualified name in C++
        return None
    start = colon
    while start > max(free, colon - 4) and text[start - 1] in hexdigits:
        start -= 1
    before = text[start - 1 : start]
    if before == ":":  # within a longer sequence of groups
        return None
    starts = [colon + 1] if _WORD_CHARACTER.match(before) else [start, colon + 1]
    ends = [end, end - 1] if text[end - 1] == ":" else [end]
    for first, last in product(starts, ends):
        part = text[first:last]
        if (_GROUP.search(part) or part == "::1") and ip_address_of(part) is not None:
            return first, last
    return None


def _ipv4(found: re.Match[str], free: int) -> Span | None:
    text, end = found.string, found.end()
    first = _REVERSED_FIRST_OCTET.match(text[max(free, found.start() - 5) : found.start()][::-1])
    if first is None:
        return None
    start = found.start() - first.end()
    before = text[max(free, start - 40) : start].rpartition("\n")[2]
    is_version = _is_version(text[start:end], before, text[end : end + 4])
    return None if is_version else (start, end)


def _is_version(number: str, before: str, after: str) -> bool:
    """Return True if a comparison, a file name, a product or a word marks a version."""
    if _COMPARISON.search(before) or _FILE_SUFFIX.match(after):
        return True
    if number.endswith(".0.0") and _PRODUCT.search(before):
        return True
    for word in reversed(_WORDS.findall(before.lower())):
        if _ADDRESS_WORD.fullmatch(word):
            return False
        if _VERSION_WORD.fullmatch(word):
            return True
    return len(number) == _MIN_LENGTH and not after.startswith((":", "/"))


MACHINES: Final = (
    Kind(
        "IPv6",
        "ip",
        _IPV6,
        needs=(":",),
        confirm=_ipv6,
        examples=("::1", "2001:db8::1", "2001:db8:0:0:0:0:0:1", "fe80::1:2:3:4"),
        innocents=(
            "12:30:45",
            "aa:bb:cc:dd:ee:ff",
            "std::vector<int>",
            "a::b::c",
            "f(a::b)",
            "row[1::2]",
        ),
    ),
    Kind(
        "IPv4",
        "ip",
        _IPV4,
        needs=(".",),
        confirm=_ipv4,
        examples=("10.0.0.1", "203.0.113.77", "ping «10.2.3.4»", "host «1.2.3.4»"),
        innocents=(
            "version 10.2.3.4",
            "v1.2.3.4",
            "Chrome/120.0.0.0",
            "section 3.2.1.4",
            "pip install a==6.15.1.0",
            "types-requests<2.31.0.7",
            "nginx-1.25.3.10.tar.gz",
            "1.2.3.4.5",
            "999.10.10.10",
            "0.0.0.0",  # noqa: S104 - any
        ),
    ),
)
