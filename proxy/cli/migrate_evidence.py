"""For `holdover migrate --since`: match calls that are left by hand with recorded requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.cli.load_config import settings_or_exit
from proxy.cli.traffic.open_store import open_traffic_store
from proxy.migrate import Finding, Verdict
from proxy.migrate.files import FileResult
from proxy.migrate.matching import NamedCall, RecordedRequest, Search
from proxy.migrate.reports import place_of
from proxy.security.redaction import Redactor
from proxy.terminal import counting, exit_with_error
from proxy.time_options import InvalidTime, since

if TYPE_CHECKING:
    from proxy.traffic.store.aggregates import ExampleKey
    from proxy.traffic.store.asked import AskedRow
    from proxy.traffic.store.store import Store

_SPAN: Final = re.compile(r"(\d+)([smhdw])")
_UNITS: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}


@dataclass(frozen=True, slots=True)
class Period:
    """The time whose requests are counted, from a millisecond since the epoch on."""

    since: int
    words: str


def period_or_exit(text: str) -> Period:
    """Return the time that `--since` names; exit with 2 if it names none."""
    try:
        begin = since(text, datetime.now(UTC))
    except InvalidTime as exc:
        exit_with_error(str(exc))
    if (span := _SPAN.fullmatch(text)) is None:
        return Period(begin, f"since {text}")
    number, unit = int(span[1]), _UNITS[span[2]]
    return Period(begin, f"in the last {unit if number == 1 else f'{number} {unit}s'}")


def with_evidence(
    results: Sequence[FileResult],
    period: Period,
    config: Path | None,
    secrets: Path | None,
    *,
    demo: bool,
) -> list[FileResult]:
    """Return the results with what was recorded; exit with 2 if the store cannot be read."""
    from proxy.config.build import names_of_digests  # noqa: PLC0415 - it takes a while

    calls = {id(finding): call for result in results for finding, call in _calls_of(result)}
    by_hand = [
        calls[id(finding)]
        for result in results
        for finding in result.findings
        if finding.verdict is Verdict.BY_HAND and id(finding) in calls
    ]
    settings = settings_or_exit(config, secrets)
    names = names_of_digests(settings)
    # What is literal in the source was hidden in contents, too, if it is an address, for example.
    hide = Redactor(settings.redact).text
    search = Search(by_hand, calls.values(), period=period.words, hide=hide)
    with open_traffic_store(config, secrets, demo=demo) as store:
        if search.has_calls:
            _read(store, period, search, names)
    return [
        replace(
            result,
            findings=tuple(
                replace(each, evidence=search.evidence_of(calls[id(each)]))
                if each.verdict is Verdict.BY_HAND and id(each) in calls
                else each
                for each in result.findings
            ),
        )
        for result in results
    ]


def _calls_of(result: FileResult) -> Iterator[tuple[Finding, NamedCall]]:
    for finding in result.findings:
        if finding.traits is not None:
            yield finding, NamedCall(place_of(result.path, finding), finding.traits)


def _read(store: Store, period: Period, search: Search, names: Mapping[str, str]) -> None:
    from proxy.traffic.store.asked import asked_since, requests_of  # noqa: PLC0415 - SQLAlchemy

    kept: dict[str, ExampleKey] = {}
    with counting("exchanges") as count:
        for row in asked_since(store, period.since):
            count()
            if search.add(_request_of(row, names)):
                kept[row.id] = row.key
    for request_id, body in requests_of(store, list(kept.values())):
        search.add_contents(request_id, body)


def _request_of(row: AskedRow, names: Mapping[str, str]) -> RecordedRequest:
    return RecordedRequest(
        id=row.id,
        asked=(
            ("model", row.asked_model),
            ("max_tokens_to_sample", row.max_tokens),
            ("temperature", row.temperature),
            ("top_p", row.top_p),
            ("top_k", row.top_k),
            ("stop_sequences", row.stops or 0),
            ("stream", row.streamed),
        ),
        caller=row.caller_name or names.get(row.caller or "") or row.caller or "no key",
        features=row.feature_names,
        turns=row.turns,
        has_contents=row.has_request,
    )
