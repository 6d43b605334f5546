"""What came by, newest last, and what comes."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from rich.console import Console

from proxy.cli.log_table import PlainTable, TerminalTable
from proxy.cli.open_store import open_evidence
from proxy.cli.time_options import InvalidMoment, since, until
from proxy.terminal import stop, tell
from proxy.terminal_text import json_line
from proxy.traffic import TrafficRecord
from proxy.traffic.store.filters import Filter, InvalidFilter, conditions_of
from proxy.traffic.store.queries import Tail, has_contents_of, list_exchanges
from proxy.traffic.store.store import Store
from translators import AdjustmentKind

Show: TypeAlias = Callable[[TrafficRecord], None]

_POLL_MILLISECONDS: Final = 500


def run_log(  # noqa: PLR0913 - an option each
    config: Path | None,
    secrets: Path | None,
    words: Mapping[str, str | None],
    *,
    demo: bool,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Print the exchanges that meet the filters; status 2 if there can be no such filters."""
    try:
        wanted = filter_of(words, datetime.now(UTC))
    except (InvalidFilter, InvalidMoment) as exc:
        stop(str(exc))
    with open_evidence(config, secrets, demo=demo) as store, as_long_as_somebody_reads():
        _print(store, wanted, limit, follow=follow, show=_shower(as_json=as_json))


def filter_of(words: Mapping[str, str | None], now: datetime) -> Filter:
    """What the options say; raises `InvalidFilter` and `InvalidMoment`."""
    # What is no UTF-8 on the command line is nowhere in a store, and no engine takes it.
    given = {name: word.encode(errors="replace").decode() for name, word in words.items() if word}
    begin, end = given.pop("since", None), given.pop("until", None)
    wanted = Filter(
        since=since(begin, now) if begin else None, until=until(end, now) if end else None, **given
    )
    kinds = [kind.value for kind in AdjustmentKind]
    if wanted.adjustment is not None and wanted.adjustment not in kinds:
        raise InvalidFilter(f"{wanted.adjustment!r} is no adjustment; there are {', '.join(kinds)}")
    conditions_of(wanted)
    return wanted


@contextmanager
def as_long_as_somebody_reads() -> Iterator[None]:
    """End without a word when the pipe that is printed to is closed: `| head` has had enough."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer would be tried again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print(store: Store, wanted: Filter, limit: int, *, follow: bool, show: Show) -> None:
    if wanted.text is not None and not has_contents_of(store, wanted):
        tell(
            "holdover: of these exchanges no contents were kept (see the setting `capture`); "
            "the text is looked for in the records alone"
        )
    if follow:
        _follow(Tail(store, wanted), limit, show)
        return
    is_empty = True
    for found in list_exchanges(store, wanted, limit):
        show(found.record)
        is_empty = False
    if is_empty:
        tell("holdover: no such exchange is recorded")


def _follow(tail: Tail, limit: int, show: Show) -> None:
    reader = select.poll()
    reader.register(sys.stdout, 0)  # no event but that nobody reads any more
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


def _shower(*, as_json: bool) -> Show:
    if as_json:
        return lambda record: _write(json_line(record.as_fields()))
    if (console := Console()).is_terminal:
        return TerminalTable(console).show
    table = PlainTable()
    return lambda record: _write(*table.lines(record))


def _write(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
