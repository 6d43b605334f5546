"""
Filters: an operator's choice of exchanges, and its translation into SQL conditions.

The conditions work on both engines. Both sides of a `LIKE` are compared in lower case,
because SQLite ignores case and PostgreSQL does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, String, and_, literal_column, or_, select

from proxy.outcome import Outcome
from proxy.spelling import or_rather
from proxy.traffic.store.schema import bodies, exchanges

_columns: Final = exchanges.c
_TEXTS: Final = [column for column in _columns if isinstance(column.type, String)]
_OUTCOMES: Final = {
    "ok": (Outcome.ANSWERED,),
    "error": tuple(outcome for outcome in Outcome if outcome.is_error),
    "refused": (Outcome.REFUSED, Outcome.MODEL_REFUSED),
    "gone": (Outcome.CLIENT_GONE,),
}
"""Words that a status filter accepts instead of a number; each outcome has exactly one."""


class InvalidFilter(ValueError):
    """Raised if a filter's value is not valid; the text says which values are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Conditions on exchanges, all of which must hold; None means no condition."""

    caller: str | None = None
    """A caller's name, or the start of its key's digest."""
    digests: frozenset[str] = frozenset()
    """Digests whose exchanges are the named caller's, too, where they were recorded without its
    name."""
    model: str | None = None
    """The asked, sent or answered model; `*` matches any text."""
    adjustment: str | None = None
    """A kind of adjustment that was made."""
    status: str | None = None
    """`400`, `4xx`, or the outcome: `ok`, `error`, `refused` or `gone`."""
    rule: str | None = None
    route: str | None = None
    feature: str | None = None
    sdk: str | None = None
    """An SDK, with or without its version; `*` matches any text."""
    since: int | None = None
    until: int | None = None
    """Milliseconds since the epoch; `since` is included, `until` is not."""
    text: str | None = None
    """Text in the record or the kept bodies; case and white space do not matter."""
    in_records_only: bool = False
    """Whether bodies are not searched for the text: it is known that none are kept."""


def conditions_of(wanted: Filter) -> list[ColumnElement[bool]]:
    """
    Return the conditions on rows of `exchanges`; raises `InvalidFilter`.

    The condition for `text` is a coarse prefilter; `contains_text` makes the decision.
    """
    return list(_conditions(wanted))


def may_be_digest(caller: str) -> bool:
    """Return True if this may be a caller's digest or the beginning of one."""
    return re.fullmatch("[0-9a-f]+", caller) is not None


def _conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield _columns.received_ms >= wanted.since
    if wanted.until is not None:
        yield _columns.received_ms < wanted.until
    for column, value in ((_columns.rule, wanted.rule), (_columns.route, wanted.route)):
        if value is not None:
            yield column == value
    if wanted.caller is not None:
        is_caller = [_columns.caller_name == wanted.caller]
        if wanted.digests:
            is_nameless = _columns.caller_name.is_(None)
            is_caller.append(and_(is_nameless, _columns.caller.in_(sorted(wanted.digests))))
        if may_be_digest(wanted.caller):
            is_caller.append(_columns.caller.startswith(wanted.caller))
        yield or_(*is_caller)
    if wanted.status is not None:
        yield _has_status(wanted.status)
    yield from _conditions_on_words(wanted)


def _conditions_on_words(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.model is not None:
        models = (_columns.asked_model, _columns.sent_model, _columns.answered_model)
        yield or_(*(_matches_pattern(model, wanted.model) for model in models))
    if wanted.sdk is not None:
        names = (wanted.sdk, f"{wanted.sdk} *")
        yield or_(*(_matches_pattern(_columns.sdk, name) for name in names))
    if wanted.feature is not None:
        yield _columns.features.icontains(_as_json(wanted.feature), autoescape=True)
    if wanted.adjustment is not None:
        # Values of clients cannot match: a quote within a JSON string has a backslash before it.
        kind = f'"kind":{_as_json(wanted.adjustment)}'
        yield _columns.adjustments.icontains(kind, autoescape=True)
    if wanted.text is not None:
        in_record = _may_contain_text(wanted.text)
        yield in_record if wanted.in_records_only else or_(in_record, has_contents)


def body_of_exchange(
    what: ColumnElement[Any], *conditions: ColumnElement[bool]
) -> Select[tuple[Any]]:
    """
    Select something of an exchange's bodies that were kept.

    They are looked up for each exchange: `OFFSET 0` keeps PostgreSQL from reading all bodies to
    join them.
    """
    is_its = bodies.c.exchange_id == _columns.id, bodies.c.received_ms == _columns.received_ms
    return select(what).where(*is_its, bodies.c.data.is_not(None), *conditions).offset(0)


has_contents: Final = body_of_exchange(literal_column("1")).exists()


def _has_status(given: str) -> ColumnElement[bool]:
    if (outcomes := _OUTCOMES.get(given)) is not None:
        return _columns.outcome.in_([outcome.value for outcome in outcomes])
    if re.fullmatch("[1-5]xx", given):
        least = int(given[0]) * 100
        return _columns.status.between(least, least + 99)
    if re.fullmatch("[1-5][0-9]{2}", given):
        return _columns.status == int(given)
    choices = "; write 400, 4xx, ok, error, refused or gone"
    raise InvalidFilter(
        f"{given!r} is not a valid status{or_rather(given, _OUTCOMES, otherwise=choices)}"
    )


def _matches_pattern(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    escaped = re.sub("[/%_]", r"/\g<0>", pattern)
    return column.ilike(escaped.replace("*", "%"), escape="/")


def _may_contain_text(text: str) -> ColumnElement[bool]:
    """
    Match rows that have the text's ASCII letters and digits in this order.

    Engines agree only on the lower case of ASCII letters, and JSON escapes many other
    characters, so this is a coarse prefilter.
    """
    words = re.findall("[A-Za-z0-9]+", text)
    return or_(*(column.ilike("%".join(["", *words, ""])) for column in _TEXTS))


def _as_json(text: str) -> str:
    return msgspec.json.encode(text).decode()
