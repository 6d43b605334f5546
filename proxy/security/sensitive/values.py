"""Tests of a value where a secret could be: generated, chosen by a person, or no secret."""

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
"""Matches calls, members, variables, templates and paths."""
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
"""Matches words with numbers at their ends, numbers with a unit, algorithms and versions."""
_CASE_CHANGE: Final = re.compile(r"[a-z][A-Z]")


def is_placeholder(value: str) -> bool:
    """Return True if readers are meant to replace the value by their own."""
    return _PLACEHOLDER.search(value) is not None


def is_code(value: str) -> bool:
    """Return True if the text is code or a path that refers to a value elsewhere."""
    return _CODE.match(value) is not None


def is_template(value: str) -> bool:
    """Return True for a template, or for a word such as `[key]` that replaced a secret."""
    return _TEMPLATE.match(value) is not None


def is_generated(value: str, least: int) -> bool:
    """
    Return True if a value of at least `least` characters looks random.

    It mixes letters and digits, or changes often between lower and upper case.
    """
    if len(value) < least or _NAME.fullmatch(value):
        return False
    if any(map(str.isdigit, value)):
        return any(map(str.isalpha, value))
    return len(value) >= 2 * least and len(_CASE_CHANGE.findall(value)) * 6 >= len(value)


def is_strong(value: str) -> bool:
    """Return True if a value has letters with digits or signs, unlike a word of a sentence."""
    if _NO_PASSWORD.fullmatch(value) or not any(map(str.isalpha, value)):
        return False
    return any(map(str.isdigit, value)) or _SIGN.search(value) is not None


def is_strange(value: str) -> bool:
    """Return True if a value cannot be the next word of a sentence."""
    return (
        len(value) >= _MIN_STRANGE_LENGTH
        and is_strong(value)
        and _UNSPOKEN.search(value) is not None
    )


_MIN_STRANGE_LENGTH: Final = 6
_UNSPOKEN: Final = re.compile(r"[0-9!@#$%^&*]")
_SIGN: Final = re.compile(r"[^\w\s'\u2019./()-]|_")
_NO_PASSWORD: Final = re.compile(rf"{_ALGORITHM}|\d[\d.,-]*+[A-Za-z-]+")
"""Matches algorithms, versions, and numbers with a unit."""
