"""One caller: whether it is ready, what it must change, what it sends, and who owns it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, ParamSpec
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from proxy.config.build import serves_only_tokens
from proxy.config.digest_key import digest_key_file
from proxy.config.setting_types import MAX_OWNER
from proxy.config.settings import Settings
from proxy.config.toml_edit import ChangedMeanwhile
from proxy.console.access.forms import Form, version_in
from proxy.console.periods import PERIODS, period_named
from proxy.console.problems import Problem
from proxy.console.reports import report_settings_of
from proxy.console.site import CurrentSettings
from proxy.console.visit import Visit
from proxy.report.build import ReportInput, build_report
from proxy.report.callers import ReportSettings
from proxy.report.collect import collect_report_input
from proxy.report.formatting import short
from proxy.report.model import CallerReport, CurrentCall, Report
from proxy.report.outcomes import share
from proxy.report.replacement_call import call_of
from proxy.security.redaction import CALLER_DIGEST
from proxy.spelling import or_rather
from proxy.traffic import TrafficRecord
from proxy.traffic.store.aggregates import NOBODY, caller_names, exchanges_in, is_known_caller
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.queries import latest_of_caller
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_index.search import Span
from translators import LANGUAGES

P = ParamSpec("P")

_DEFAULT_PERIOD: Final = "30d"
_RECENT: Final = 20
_LONGEST_LINE: Final = 100_000
"""Characters of a line of code from which on it is cut, so that a call can be copied whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that the store knows of a caller."""

    report: Report
    caller: CallerReport | None
    """The report on the caller; None if it has sent nothing in the period."""
    calls: tuple[CurrentCall, ...]
    """The call that replaces its own, in its own language first."""
    recent: tuple[TrafficRecord, ...]


async def caller(visit: Visit) -> Response:
    """Show the page."""
    who = visit.path("who")
    period = period_named(visit.parameter("period"), otherwise=_DEFAULT_PERIOD)
    current = await visit.site.settings()
    settings = report_settings_of(current.settings, visit.now)
    if (name := settings.names.get(who)) is not None:
        return visit.redirect(_path_of(name), period=visit.parameter("period"))
    since_ms = visit.now_ms - period.length_ms
    is_listed = who in current.settings.callers
    found, problem = None, None
    try:
        found = await visit.site.query(_look, settings, who, since_ms, visit.now_ms)
        if found.caller is None and not is_listed and who != NOBODY:
            await visit.site.query(_require, current.settings, who)
    except StoreError as exc:
        if not is_listed:  # nothing else is known of it
            raise
        problem = f"{exc}."
    digest = None if is_listed or CALLER_DIGEST.fullmatch(who) is None else who
    return await visit.page(
        "caller.html",
        503 if problem else 200,
        store_problem=problem,
        who=who,
        known_as="without a key" if who == NOBODY and not is_listed else who,
        here=_path_of(who),
        period=period,
        periods=PERIODS.values(),
        report=found.report if found else None,
        one=found.caller if found else None,
        calls=found.calls if found else (),
        longest=_LONGEST_LINE,
        recent=found.recent if found else (),
        current=current,
        listed=current.settings.callers.get(who),
        digest=digest,
        hurdles=[*_hurdles(visit, current)] if digest else [],
        most_owner=MAX_OWNER,
        exchanges=None if who == NOBODY else visit.url("/exchanges", caller=who),
    )


async def name_it(visit: Visit, form: Form) -> Response:
    """Give a name to a digest."""
    digest, name = visit.path("who"), form.get("name", "").strip()
    if not name:
        raise Problem(400, "Write the name that the caller shall have.", title="Nothing changed")
    current = await visit.site.settings()
    if hurdle := next(_hurdles(visit, current), None):
        raise Problem(409, hurdle, title="Nothing changed")
    await _change(visit, visit.edit(version_in(form)).name_caller, name, digest, _owner_in(form))
    notice = f"{digest} is named {name} now, in the settings file and here; rules can name it."
    return visit.redirect(_path_of(name), notice)


async def own_it(visit: Visit, form: Form) -> Response:
    """Write down who owns a caller, or that nobody is known to."""
    who, owner = visit.path("who"), _owner_in(form)
    await _change(visit, visit.edit(version_in(form)).set_owner, who, owner)
    notice = f"The owner of {who} is {owner}." if owner else f"{who} has no owner now."
    return visit.redirect(_path_of(who), notice)


async def _change(visit: Visit, edit: Callable[P, None], *args: P.args, **given: P.kwargs) -> None:
    try:
        await visit.site.run(edit, *args, **given)
    except ChangedMeanwhile as exc:
        raise Problem(
            409,
            "Somebody has changed the settings file since you opened the page, so nothing was "
            "written. Open the page again, which shows what the file says now, and repeat it.",
            title="Nothing changed",
        ) from exc


def _owner_in(form: Form) -> str | None:
    return " ".join(form.get("owner", "").split()) or None


def _path_of(who: str) -> str:
    return f"/callers/{quote(who, safe='')}"


def _look(store: Store, settings: ReportSettings, who: str, since_ms: int, now_ms: int) -> Found:
    collected = collect_report_input(
        store, since_ms, now_ms + 1, who, settings.names, is_exact=True
    )
    report = build_report(collected, settings, now_ms)
    one = next(iter(report.callers), None)
    if one is None:
        return Found(report=report, caller=None, calls=(), recent=())
    with store.reading() as connection:
        whole = exchanges_in(connection, collected.period)
    one = msgspec.structs.replace(one, share=share(one.exchanges, whole))
    digests = [digest for digest, name in settings.names.items() if name == who]
    # It has sent nothing before and after, so that nothing else is read there.
    span = Span(milliseconds_of(one.first_seen), milliseconds_of(one.last_seen) + 1)
    return Found(
        report=report,
        caller=one,
        calls=tuple(_calls(collected, one, settings)),
        recent=tuple(latest_of_caller(store, who, digests, span, _RECENT)),
    )


def _calls(
    collected: ReportInput, one: CallerReport, settings: ReportSettings
) -> Iterator[CurrentCall]:
    example = next(iter(collected.examples.values())).request
    if one.call is None or example is None:
        return
    yield one.call
    for language in LANGUAGES:
        if language != one.call.language:
            call = call_of(
                example, one.call.share, settings.policy, settings.today, language=language
            )
            assert call is not None, "it could be planned for its own language"
            yield call


def _require(store: Store, settings: Settings, who: str) -> None:
    """Raise `Problem` if no caller is known by this name or digest."""
    with store.reading() as connection:
        if is_known_caller(connection, who):
            return
        known = {*settings.callers, *caller_names(connection)}
    raise Problem(
        404,
        f"No caller has the name or the digest {short(who, 60)}, in the settings or in what is "
        f"recorded{or_rather(who, known, otherwise='.')}",
        title="There is no such caller",
    )


def _hurdles(visit: Visit, current: CurrentSettings) -> Iterator[str]:
    """Yield sentences about what has to be done before a digest can have a name."""
    settings = current.settings
    if serves_only_tokens(settings):
        yield (
            "Only callers with a token are served here, because keys are held and one has a "
            "token. Add this caller with its `token`, as `holdover keys hash` prints it."
        )
    elif settings.digest_key is None:
        kept = digest_key_file(settings.state_dir)
        yield (
            "Names for digests need the key of the digests in the settings. Add the line "
            f'`digest_key = "..."` above all tables of `{visit.site.reader.path}`, with the text '
            f"that `{kept}` holds on the server, which leaves all digests as they are, and restart "
            "the server."
        )
