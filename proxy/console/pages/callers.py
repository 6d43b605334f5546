"""All callers of a period: who is ready, who is not, and whom to ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from proxy.console.periods import PERIODS, period_named
from proxy.console.problems import Problem
from proxy.console.reports import report_settings_of
from proxy.console.visit import Visit
from proxy.report.callers import Callers
from proxy.report.collect import collect_callers
from proxy.report.formatting import one_or_many, short
from proxy.report.model import Standing
from proxy.report.phrases import caller_name
from proxy.spelling import or_rather
from proxy.traffic.store.errors import StoreError

_ROWS: Final = 100
_NUMBER: Final = re.compile("[0-9]{1,9}", re.ASCII)
_SECONDS: Final = 10
"""Seconds for which all who look are shown the same."""
_DEFAULT_PERIOD: Final = "30d"


@dataclass(frozen=True, slots=True)
class Column:
    """A column that the table can be sorted by."""

    label: str
    value: Callable[[Standing], str | float | None]
    """Returns the value by which rows are sorted; rows that have none come last."""
    is_number: bool = False

    @property
    def first(self) -> str:
        """The sign of the direction in which a column is sorted at first: numbers from the top."""
        return "-" if self.is_number else ""

    @property
    def ends(self) -> tuple[str, str]:
        """Words for the directions up and down."""
        return ("lowest first", "highest first") if self.is_number else ("A to Z", "Z to A")


def _text(text: str | None) -> str | None:
    return None if text is None else text.casefold()


COLUMNS: Final[Mapping[str, Column]] = {
    "caller": Column("caller", lambda one: caller_name(one).casefold()),
    "requests": Column("requests", lambda one: one.exchanges, is_number=True),
    "readiness": Column("readiness", lambda one: one.readiness, is_number=True),
    "errors": Column("errors", lambda one: one.error_share, is_number=True),
    "client": Column("client", lambda one: _text(one.client)),
    "model": Column("model", lambda one: _text(one.model)),
    "owner": Column("owner", lambda one: _text(one.owner)),
    "seen": Column("last seen", lambda one: one.last_seen, is_number=True),
}
_DEFAULT_SORT: Final = "-requests"


@dataclass(frozen=True, slots=True)
class Header:
    """The head of a column, with the address that sorts by it."""

    name: str
    label: str
    is_number: bool
    url: str
    sorted: str | None
    """Value of `aria-sort`."""


async def callers(visit: Visit) -> Response:
    """Show the table."""
    period = period_named(visit.parameter("period"), otherwise=_DEFAULT_PERIOD)
    wanted, sort = visit.parameter("q"), visit.parameter("sort") or _DEFAULT_SORT
    if sort.removeprefix("-") not in COLUMNS:
        known = f"; write one of {', '.join(COLUMNS)}"
        raise Problem(400, f"sort: there is no such column{or_rather(sort, COLUMNS, known)}.")
    current = await visit.site.settings()
    settings = report_settings_of(current.settings, visit.now)
    since_ms = visit.now_ms - period.length_ms

    async def look() -> Callers:
        return await visit.site.query(collect_callers, since_ms, visit.now_ms + 1, settings)

    key = ("callers", period.name, current.version)
    try:
        everybody = await visit.site.remembered.get(key, _SECONDS, look)
    except StoreError as exc:
        listed = sorted(current.settings.callers.items())
        return await visit.page(
            "callers_blind.html",
            503,
            store_problem=f"{exc}.",
            listed=[(name, each.owner) for name, each in listed[:_ROWS]],
            more=len(listed) - _ROWS,
        )
    found = await visit.site.run(_matching, everybody.standings, wanted, sort)
    page, pages = _page(visit.parameter("page"), len(found))

    def link(**changed: str | None) -> str:
        kept = {"period": visit.parameter("period"), "q": wanted, "sort": visit.parameter("sort")}
        return visit.url("/callers", **(kept | changed))

    return await visit.page(
        "callers.html",
        period=period,
        periods=PERIODS.values(),
        everybody=everybody,
        ready=sum(one.is_ready for one in everybody.standings),
        wanted=wanted,
        found=len(found),
        meant=_meant(wanted, everybody) if wanted and not found else "",
        rows=found[(page - 1) * _ROWS : page * _ROWS],
        headers=[_header(name, column, sort, link) for name, column in COLUMNS.items()],
        sorts=_sorts(sort),
        sort=sort,
        page=page,
        pages=pages,
        before=link(page=str(page - 1)) if page > 1 else None,
        after=link(page=str(page + 1)) if page < pages else None,
        everything=visit.url("/callers", period=visit.parameter("period")),
    )


def _matching(standings: Iterable[Standing], wanted: str | None, sort: str) -> list[Standing]:
    """Return the callers that are searched for; those without a value in the column come last."""
    value = COLUMNS[sort.removeprefix("-")].value
    found = [one for one in standings if wanted is None or _has(one, wanted.casefold())]
    known = [(key, one) for one in found if (key := value(one)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=sort.startswith("-"))
    return [one for _, one in known] + [one for one in found if value(one) is None]


def _has(one: Standing, wanted: str) -> bool:
    texts = (one.name, one.digest, one.client, one.model, one.owner)
    return any(text is not None and wanted in text.casefold() for text in texts)


def _meant(wanted: str, everybody: Callers) -> str:
    return or_rather(wanted, (one.name for one in everybody.standings if one.name))


def _page(given: str | None, rows: int) -> tuple[int, int]:
    """Return the number of the page that is shown, and of all pages; raises `Problem`."""
    pages = max(1, -(-rows // _ROWS))
    if given is None:
        return 1, pages
    if _NUMBER.fullmatch(given) is None or not 1 <= int(given) <= pages:
        raise Problem(
            404, f"There is no page {short(given, 20)}: there {_are(pages)}, from 1 to {pages}."
        )
    return int(given), pages


def _are(pages: int) -> str:
    return f"{'is' if pages == 1 else 'are'} {one_or_many(pages, 'page')}"


def _header(name: str, column: Column, sort: str, link: Callable[..., str]) -> Header:
    is_sorted = sort.removeprefix("-") == name
    is_down = sort.startswith("-")
    following = ("" if is_down else "-") if is_sorted else column.first
    return Header(
        name,
        column.label,
        column.is_number and name != "seen",
        link(sort=f"{following}{name}"),
        ("descending" if is_down else "ascending") if is_sorted else None,
    )


def _sorts(sort: str) -> Sequence[tuple[str, str]]:
    """Return the ways to sort, for who sees no heads of columns: each column's first, and this."""
    firsts = [f"{column.first}{name}" for name, column in COLUMNS.items()]
    return [
        (each, f"{column.label}, {column.ends[each.startswith('-')]}")
        for each in dict.fromkeys([*firsts, sort])
        for column in [COLUMNS[each.removeprefix("-")]]
    ]
