"""What a value looks like that stands where a secret could: generated, chosen, or none."""

from __future__ import annotations

import re
from typing import Final

_PLACEHOLDER: Final = re.compile(
    r"[xX]{5}|\*{3}|\.{3}|\u2026|\u2022{3}|#{5}|_{5}"
    r"|(?i:your|placeholder|change[-_ ]?me\b|redacted|(?:insert|replace|enter)[-_ ]"
    r"|[-_ ](?:goes[-_ ])?here\b)"
)
_CODE: Final = re.compile(
    r"\$[{(]|[$@:%!][A-Za-z_:]*-?%?\Z|%[(s]|[#&*{<\[(]|\{\{"
    r"|[$@]?[A-Za-z_][\w.:>-]*[(\[{]"
    r"|[A-Za-z_]+(?:(?:\.|->|::)[A-Za-z_]+)+\Z"
    r"|(?:https?:/)?/|~/|[A-Za-z]:\\"
)
"""A call, a member, a variable, a template, a path."""
_TEMPLATE: Final = re.compile(r"\[|[$%]\(|\$\{|\{\{|\{[\w.]*+\}")
_WORDS = "(?:[A-Z]?[a-z]++(?:[A-Z][a-z]{2,}+)*+|[A-Z]++)"
_ALGORITHM = (
    "(?i:sha|md|utf|aes|rsa|hs|rs|es|ps|base|oauth|hmac|bcrypt|pbkdf|v)"
    "[-_]?[0-9]{1,4}[a-z]{0,4}(?:[-_][A-Za-z0-9]{1,8}){0,3}"
)
_NAME: Final = re.compile(
    rf"{_WORDS}\d{{0,4}}(?:[-_.:/]{_WORDS}\d{{0,4}})*+[-_.:]?v?\d{{0,4}}(?:\.\d{{1,4}})*+"
    rf"|\d+(?:[.:-]\d+)*+[A-Za-z]{{0,8}}|{_ALGORITHM}"
)
"""Words, with numbers at their ends; a number with a unit; an algorithm or a version."""
_BACK_AND_FORTH: Final = re.compile(r"[a-z][A-Z]")


def is_placeholder(value: str) -> bool:
    """Whether a reader is meant to put something else in its place."""
    return _PLACEHOLDER.search(value) is not None


def is_code(value: str) -> bool:
    """Whether the value is elsewhere, and this says where."""
    return _CODE.match(value) is not None


def is_template(value: str) -> bool:
    """Whether something is put in its place later, or has been."""
    return _TEMPLATE.match(value) is not None


def is_generated(value: str, least: int) -> bool:
    """Whether nobody has thought this up: letters and digits, or both cases, as they come."""
    if len(value) < least or _NAME.fullmatch(value):
        return False
    if any(map(str.isdigit, value)):
        return any(map(str.isalpha, value))
    return len(value) >= 2 * least and len(_BACK_AND_FORTH.findall(value)) * 6 >= len(value)


def is_strong(value: str) -> bool:
    """Whether no sentence would go on like that: letters, and a digit or a sign among them."""
    if _NO_PASSWORD.fullmatch(value) or not any(map(str.isalpha, value)):
        return False
    return any(map(str.isdigit, value)) or _SIGN.search(value) is not None


def is_strange(value: str) -> bool:
    """Whether it is no word even where one would come next."""
    return len(value) >= _STRANGE and is_strong(value) and _UNSPOKEN.search(value) is not None


_STRANGE: Final = 6
_UNSPOKEN: Final = re.compile(r"[0-9!@#$%^&*]")
_SIGN: Final = re.compile(r"[^\w\s'\u2019./()-]|_")
_NO_PASSWORD: Final = re.compile(rf"{_ALGORITHM}|\d[\d.,-]*+[A-Za-z-]+")
"""An algorithm, a version; a number with its unit."""
