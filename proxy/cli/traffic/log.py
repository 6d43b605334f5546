"""`holdover log`: print recorded exchanges, newest last, and follow new ones."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias, get_args

from proxy.cli.traffic.known_names import suggestions
from proxy.cli.traffic.open_store import open_traffic_store
from proxy.cli.traffic.time_options import InvalidTime, since, until
from proxy.rollout.rule_schema import Action
from proxy.spelling import or_rather
from proxy.terminal import exit_with_error, print_to_stderr
from proxy.terminal_text import json_line
from proxy.traffic import TrafficRecord
from proxy.traffic.store.filters import Filter, InvalidFilter, conditions_of
from proxy.traffic.store.queries import has_contents_of, list_exchanges
from proxy.traffic.store.tail import Tail
from translators import FEATURES, AdjustmentKind

Show: TypeAlias = Callable[[TrafficRecord], None]

_POLL_MILLISECONDS: Final = 500
_ADJUSTMENTS: Final = tuple(kind.value for kind in AdjustmentKind)
_ROUTES: Final = get_args(Action)


def run_log(  # noqa: PLR0913 - an option each
    config: Path | None,
    secrets: Path | None,
    options: Mapping[str, str | None],
    *,
    demo: bool,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Print the exchanges that the filters select; exit with 2 if a filter is not valid."""
    try:
        filters = filter_of(options, datetime.now(UTC))
    except (InvalidFilter, InvalidTime) as exc:
        exit_with_error(str(exc))
    with open_traffic_store(config, secrets, demo=demo) as store, stop_at_closed_pipe():
        if filters.text is not None and not has_contents_of(store, filters):
            print_to_stderr(
                "holdover: no contents were kept for these exchanges (see the setting `capture`), "
                "so only their records are searched for the text"
            )
        show = _show_function(as_json=as_json)
        if follow:
            _follow(Tail(store, filters), limit, show)
            return
        is_empty = True
        for found in list_exchanges(store, filters, limit):
            show(found.record)
            is_empty = False
        if is_empty:
            meant = ", ".join(suggestions(store, config, secrets, filters))
            nearest = f"; did you mean `{meant}`?" if meant else ""
            print_to_stderr(f"holdover: no such exchange is recorded{nearest}")


def filter_of(options: Mapping[str, str | None], now: datetime) -> Filter:
    """Build the filter from command-line options; raise `InvalidFilter` or `InvalidTime`."""
    # Bytes of the command line that are not UTF-8 cannot be in a store, and no database takes them.
    given = {
        name: value.encode(errors="replace").decode() for name, value in options.items() if value
    }
    begin, end = given.pop("since", None), given.pop("until", None)
    filters = Filter(
        since=since(begin, now) if begin else None, until=until(end, now) if end else None, **given
    )
    for what, name, known in (
        ("a kind of adjustment", filters.adjustment, _ADJUSTMENTS),
        ("a feature of the legacy API", filters.feature, FEATURES),
        ("a route", filters.route, _ROUTES),
    ):
        if name is not None and name not in known:
            choices = f"; use one of {', '.join(known)}"
            raise InvalidFilter(f"{name!r} is not {what}{or_rather(name, known, choices)}")
    conditions_of(filters)  # raises InvalidFilter
    return filters


@contextmanager
def stop_at_closed_pipe() -> Iterator[None]:
    """Stop printing without an error once the reader closes the pipe, as `| head` does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise the interpreter would try to flush the rest of the buffer when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _follow(tail: Tail, limit: int, show: Show) -> None:
    reader = select.poll()
    reader.register(sys.stdout, 0)  # reports errors only: that the reader has closed the pipe
    try:
        for found in tail.earlier(limit):
            show(found.record)
        sys.stdout.flush()
        while not reader.poll(_POLL_MILLISECONDS):
            for found in tail.poll():
                show(found.record)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _show_function(*, as_json: bool) -> Show:
    if as_json:
        return lambda record: _write(json_line(record.as_fields()))
    from rich.console import Console  # noqa: PLC0415 - no program that reads JSON needs it

    from proxy.cli.traffic.log_table import PlainTable, TerminalTable  # noqa: PLC0415

    if (console := Console()).is_terminal:
        return TerminalTable(console).show
    table = PlainTable()
    return lambda record: _write(*table.lines(record))


def _write(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
