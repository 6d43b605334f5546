"""
What is wrong with settings, in words of ours instead of pydantic's.

`describe_problem` takes an error of pydantic and returns the place that it is about and a
sentence. Which type of error gets which words is a table; a type that is not in it gets
`_ANY_OTHER`, so that no wording of pydantic's reaches a user, whatever its version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, TypeAlias, get_args, get_origin

from pydantic import BaseModel, Tag

from proxy.config.toml_source import Place
from proxy.spelling import nearest, or_rather

Context: TypeAlias = Mapping[str, Any]

_MAPPING_KEY: Final = "[key]"
"""Last step of a place at which the name of an entry is wrong, not its value."""
_ANY_OTHER: Final = "has a value that it cannot have"
_QUOTED: Final = re.compile(r"'([^']*)'")
_WHOLE: Final = "must be a whole number"
_NUMBER: Final = "must be a number"
_TEXT: Final = "must be a text"
_TABLE: Final = "must be a table"
_LIST: Final = "must be a list"
_DAY: Final = "must be a date such as 2027-01-31"
_MOMENT: Final = "must be a date, or a time with its offset such as 2027-01-31T09:00:00Z"
_URL: Final = "must be a URL such as https://api.anthropic.com"
_SWITCH: Final = "must be `true` or `false`"

SENTENCES: Final[Mapping[str, str | Callable[[Context], str]]] = {
    "missing": "is missing",
    "string_type": _TEXT,
    "string_too_short": lambda given: f"must have {given['min_length']} or more characters",
    "string_pattern_mismatch": "is not written as it has to be",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "greater_than": lambda given: f"must be more than {_plain(given['gt'])}",
    "greater_than_equal": lambda given: f"must be at least {_plain(given['ge'])}",
    "less_than": lambda given: f"must be less than {_plain(given['lt'])}",
    "less_than_equal": lambda given: f"must be at most {_plain(given['le'])}",
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "literal_error": lambda given: _one_of(given["expected"]),
    "enum": lambda given: _one_of(given["expected"]),
    "model_type": _TABLE,
    "dict_type": _TABLE,
    "tuple_type": _LIST,
    "frozen_set_type": _LIST,
    "date_type": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": f"{_DAY}, without a time",
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "path_type": "must be the path of a file or directory",
    "url_parsing": _URL,
    "url_scheme": "must begin with http:// or https://",
    "value_error": lambda given: str(given["error"]),
}
"""Words by type of error; those of `value_error` are ours already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in the settings."""

    place: Place
    """Place that the sentence is about; `()` for the settings as a whole."""
    sentence: str
    written_at: Place = ()
    """Place of the line at fault, if that is not `place`."""

    @property
    def where(self) -> Place:
        """Return the place of the line at fault."""
        return self.written_at or self.place


def describe_problem(error: Mapping[str, Any], top: type[BaseModel]) -> Problem:
    """Return what an error of pydantic about settings of type `top` means to their author."""
    loc: Place = error["loc"]
    place, shape = _walk(loc, top)
    if error["type"] == "extra_forbidden":
        name = str(loc[-1])
        around, inside = _walk(loc[:-1], top)
        sentence = f"unknown setting `{name}`"
        if around and name in top.model_fields and not nearest(name, _names_in(inside), alike=0.85):
            sentence += ": it belongs at the top of the file, above all tables"
        else:
            sentence += or_rather(name, _names_in(inside))
        return Problem(place=around, sentence=sentence, written_at=(*around, name))
    sentence = words_for(error["type"], error.get("ctx") or {})
    if error["type"] in {"literal_error", "enum"} and isinstance(given := error["input"], str):
        sentence += or_rather(given, _QUOTED.findall(error["ctx"]["expected"]))
    if sentence == _LIST and isinstance(error["input"], dict) and _names_in(shape):
        table = ".".join(step for step in place if isinstance(step, str))
        sentence += f" of tables: write `[[{table}]]`"
    if loc and loc[-1] == _MAPPING_KEY:
        sentence = f"the name {sentence}"
    return Problem(place=place, sentence=sentence)


def words_for(kind: str, context: Context) -> str:
    """Return our words for a type of error of pydantic's."""
    words = SENTENCES.get(kind, _ANY_OTHER)
    return words if isinstance(words, str) else words(context)


def _walk(loc: Place, top: type[BaseModel]) -> tuple[Place, object]:
    """Return the place as it is written, without steps that pydantic invents, and its type."""
    place: Place = ()
    shape: object = top
    for step in loc:
        if step == _MAPPING_KEY:
            continue
        inner, is_written = _step(shape, step)
        place, shape = ((*place, step) if is_written else place), inner
    return place, shape


def _step(shape: object, step: str | int) -> tuple[object, bool]:
    """Return the type of what a step leads to, and whether the author has written that step."""
    arguments = get_args(shape)
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        field = shape.model_fields.get(str(step))
        return (field.annotation if field else None), True
    if get_origin(shape) is dict:
        return arguments[1], True
    if get_origin(shape) in {tuple, frozenset}:
        return arguments[0], True
    for argument in arguments:
        if any(isinstance(note, Tag) and note.tag == step for note in get_args(argument)[1:]):
            return argument, False  # a member of a union, which pydantic names in the place
    options = (_step(argument, step) for argument in arguments if argument is not NoneType)
    return next((found for found in options if found[0] is not None), (None, True))


def _names_in(shape: object) -> tuple[str, ...]:
    """Return the names of the settings in a table, or in the tables of a list."""
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return tuple(shape.model_fields)
    return tuple(name for argument in get_args(shape) for name in _names_in(argument))


def _one_of(expected: str) -> str:
    choices = sorted(_QUOTED.findall(expected))
    listed = ", ".join(f"`{choice}`" for choice in choices)
    return f"must be {listed}" if len(choices) == 1 else f"must be one of {listed}"


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
