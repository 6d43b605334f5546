"""`holdover log`: print recorded exchanges, newest last, and follow new ones."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from proxy.cli.load_config import settings_or_exit
from proxy.cli.traffic.known_names import suggestions
from proxy.cli.traffic.open_store import open_traffic_store
from proxy.cli.traffic.progress import shown
from proxy.terminal import exit_with_error, print_to_stderr
from proxy.terminal_text import json_line
from proxy.time_options import InvalidTime
from proxy.traffic import TrafficRecord
from proxy.traffic.store.filter_options import (
    MAX_UNINDEXED_CONTENTS,
    filter_of,
    reads_too_much,
    with_names,
)
from proxy.traffic.store.filters import Filter, InvalidFilter
from proxy.traffic.store.queries import (
    FoundExchange,
    has_contents_of,
    list_exchanges,
    unindexed_contents,
)
from proxy.traffic.store.tail import Tail

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store

Show: TypeAlias = Callable[[TrafficRecord], None]

_WORTH_A_BAR: Final = 2_000
_POLL_MILLISECONDS: Final = 500


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
    if filters.caller is not None:
        from proxy.config.build import names_of_digests  # noqa: PLC0415 - it takes a while

        filters = with_names(filters, names_of_digests(settings_or_exit(config, secrets)))
    with open_traffic_store(config, secrets, demo=demo) as store, stop_at_closed_pipe():
        require_bounded_search(store, filters)
        if filters.text is not None and not has_contents_of(store, filters):
            print_to_stderr(
                "holdover: no contents were kept for these exchanges (see the setting `capture`), "
                "so only their records are searched for the text"
            )
            # Who follows may see some that are kept from now on.
            filters = replace(filters, in_records_only=not follow)
        show = _show_function(as_json=as_json)
        if follow:
            _follow(Tail(store, filters), limit, show)
            return
        is_empty = True
        for found in _found(store, filters, limit):
            show(found.record)
            is_empty = False
        if is_empty:
            meant = ", ".join(suggestions(store, config, secrets, filters))
            nearest = f"; did you mean `{meant}`?" if meant else ""
            print_to_stderr(f"holdover: no such exchange is recorded{nearest}")


def require_bounded_search(
    store: Store, filters: Filter, most: int = MAX_UNINDEXED_CONTENTS
) -> None:
    """Exit with 2 if a text would be searched in too many bodies, and no time says how many."""
    if filters.text is None or filters.since is not None:
        return
    if reads_too_much(store, filters, most):
        exit_with_error(
            f"--text: more than {most:,} exchanges would have their bodies read, one by one: say"
            " since when with --since, or let the setting `traffic_text_index` keep an index"
        )


@contextmanager
def stop_at_closed_pipe() -> Iterator[None]:
    """Stop printing without an error once the reader closes the pipe, as `| head` does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise the interpreter would try to flush the rest of the buffer when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _found(store: Store, filters: Filter, limit: int) -> Iterable[FoundExchange]:
    """Yield what is found; on a terminal, a bar shows how many bodies have been searched."""
    is_in_the_way = not limit and sys.stdout.isatty()  # of lines that are shown as they are found
    total = 0
    if sys.stderr.isatty() and not is_in_the_way:
        total = unindexed_contents(store, filters, at_most=sys.maxsize)
    if total < _WORTH_A_BAR:
        yield from list_exchanges(store, filters, limit)
        return
    done = 0
    with shown("exchanges", "searched", done=0, total=total) as show:

        def observe(read: int) -> None:
            nonlocal done
            done += read
            show(done, total)

        found = list_exchanges(store, filters, limit, observe)
        if not limit:
            yield from found
    if limit:
        yield from found


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
    except KeyboardInterrupt:  # pragma: no cover - one that comes in a tracer ends the tracing
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
