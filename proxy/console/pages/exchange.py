"""Everything recorded about one exchange, with its bodies side by side."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from markupsafe import Markup
from starlette.responses import Response

from proxy.comparison.word_diff import MAX_WORDS, DiffPiece, are_too_long, mark_differences
from proxy.config.settings import ENV_PREFIX, Settings, store_url_of
from proxy.console.answers import MOST_WORK, BothAnswers, both_answers
from proxy.console.pages.explain import MAX_BYTES as MAX_EXPLAINED
from proxy.console.problems import Problem
from proxy.console.site import Site
from proxy.console.visit import Visit
from proxy.explanation import timing_in_words
from proxy.outcome import Outcome
from proxy.report.formatting import duration, number
from proxy.report.phrases import OUTCOMES
from proxy.terminal_text import escape_for_terminal
from proxy.traffic import GROUPS, SHADOW_PARTS, Body, ShadowRecord, TrafficRecord
from proxy.traffic.content import decompress
from proxy.traffic.store.queries import bodies_of, find_by_id, shadows_of
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_search import decode_body

_MAX_LISTED: Final = 20
_MAX_CHARACTERS: Final = 50_000
"""Limit on what is shown of a body."""
_CHARACTERS_BEFORE: Final = 4
"""Characters that are shown before each value within another one, or more."""
_MAX_DEPTH: Final = 100
"""Values within each other from which on a body is shown as the text that it is."""
_MOMENTS: Final[Mapping[str, str]] = {
    "upstream_ms": "the upstream began to answer",
    "first_token_ms": "its first text was there",
    "first_byte_ms": "the client's first byte was sent",
    "total_ms": "the end",
}
_HEADINGS: Final[Mapping[str, str]] = {"exchange": "Names and time", "who": "Who asked"}
_PAIRS: Final[Mapping[str, tuple[str, str]]] = {
    "Request": ("legacy_in", "messages_out"),
    "Answer": ("messages_back", "legacy_back"),
}
_TITLES: Final[Mapping[str, str]] = {
    "legacy_in": "What the client sent",
    "messages_out": "What was sent to the upstream",
    "messages_back": "What the upstream answered",
    "legacy_back": "What the client got",
}
_MARKS: Final = ("lacks", "gains")
"""Classes of what the second body lacks, and of what the first one lacks."""
_MARK: Final = Markup('<mark class="{css}">{text}</mark>')


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An exchange with all that was kept of it."""

    record: TrafficRecord
    shadows: list[ShadowRecord]
    contents: dict[str, Any]
    """Decoded bodies by part; parts of which only the digest is kept are missing."""
    request: str | None
    """Text of the client's request; None if that is not kept."""
    pairs: list[_ShownPair]
    answers: dict[str, BothAnswers]
    """The client's answer beside that of each leg that could be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShownBody:
    """A body as the page shows it."""

    title: str
    kept: Body
    text: Markup | None
    """Text of the body; None if only its digest is kept."""
    is_cut: bool
    timing: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShownPair:
    """Two bodies to compare, or one of them."""

    title: str
    bodies: tuple[_ShownBody, ...]
    has_marks: bool
    is_too_long: bool
    """True if the texts are too long to mark what differs."""


async def exchange(visit: Visit) -> Response:
    """Show the exchange with an id, ours or the upstream's, or those whose ids begin with it."""
    name = visit.path("id")
    records = await visit.site.query(find_by_id, name, _MAX_LISTED)
    if not records:
        days = (await visit.site.settings()).settings.traffic_days
        raise Problem(404, _gone(name, days), title="There is no such exchange")
    if len(records) > 1:
        return await visit.page("several.html", name=name, records=records, most=_MAX_LISTED)
    if records[0].id != name:
        return visit.redirect(f"/exchanges/{records[0].id}")
    found = await visit.site.query(_all_of, records[0])
    settings = (await visit.site.settings()).settings
    record, request = found.record, found.request
    moments = _moments(record)
    is_replayable = (
        record.outcome is Outcome.ANSWERED
        and {
            "legacy_in",
            "legacy_back",
        }
        <= found.contents.keys()
    )
    return await visit.page(
        "exchange.html",
        record=record,
        groups=list(_groups(record)),
        moments=moments,
        bar=[(f"t-{name}", moment) for name, _, moment in moments],
        pairs=found.pairs,
        shadows=[(shadow, list(_compared(shadow))) for shadow in found.shadows],
        answers=found.answers,
        similarities=_similarities(found.shadows),
        request=request,
        is_explainable=request is not None and len(request.encode()) <= MAX_EXPLAINED,
        replay=replay_command(visit.site, settings, record) if is_replayable else None,
        words=MAX_WORDS,
    )


def _gone(name: str, days: int) -> str:
    kept = f"Records are kept for {days} days" if days else "Records are kept until space runs out"
    return (
        f"No recorded exchange has the id {escape_for_terminal(name[:100])}, or one that begins "
        f"like it. {kept} (see `traffic_days`); a new one is here a second after its end."
    )


def _all_of(store: Store, record: TrafficRecord) -> _Found:
    bodies = {body.part: body for body in bodies_of(store, record)}
    contents = {
        part: decode_body(body.data) for part, body in bodies.items() if body.data is not None
    }
    legacy = bodies.get("legacy_in")
    shadows = shadows_of(store, record.id)
    most_work = MOST_WORK // len(SHADOW_PARTS)
    return _Found(
        record=record,
        request=None if legacy is None or legacy.data is None else _text_of(legacy.data),
        shadows=shadows,
        contents=contents,
        pairs=[
            _pair(title, [bodies[part] for part in parts if part in bodies], contents)
            for title, parts in _PAIRS.items()
            if any(part in bodies for part in parts)
        ],
        answers={
            leg: both_answers(
                contents.get("legacy_back"), contents.get(part), leg, most_work=most_work
            )
            for leg, part in SHADOW_PARTS.items()
            if any(each.leg == leg and each.comparison is not None for each in shadows)
        },
    )


def _pair(title: str, bodies: list[Body], contents: Mapping[str, Any]) -> _ShownPair:
    values = [_beginning_of(body, contents) for body in bodies]
    one, other = (*values, None)[: len(_MARKS)]
    pieces = mark_differences(one, other)
    shown = [
        _shown(body, some, css) for body, some, css in zip(bodies, pieces, _MARKS, strict=False)
    ]
    return _ShownPair(
        title=title,
        bodies=tuple(shown),
        has_marks=any(piece.is_marked for some in pieces for piece in some),
        is_too_long=len(bodies) == len(_MARKS) and are_too_long(one, other),
    )


def _text_of(data: bytes) -> str:
    return decompress(data).decode(errors="replace")


def _beginning_of(body: Body, contents: Mapping[str, Any]) -> Any:
    """Return hardly more of a body than is shown of it, so that none takes long."""
    try:
        return Clipping().clip(contents.get(body.part))
    except RecursionError:  # as text, like a body that cannot even be decoded
        return "" if body.data is None else _text_of(body.data)[: _MAX_CHARACTERS + 1]


@dataclass(slots=True)
class Clipping:
    """Takes values over until enough characters are there to be shown."""

    left: int = _MAX_CHARACTERS + 1

    def clip(self, value: Any, depth: int = 0) -> Any:
        """Return the beginning of a value; raises `RecursionError` if it is nested too deeply."""
        if depth > _MAX_DEPTH:
            raise RecursionError
        if depth:
            self.left -= _CHARACTERS_BEFORE
        match value:
            case str():
                text = value[: max(self.left, 0)]
                self.left -= len(text)
                return text
            case dict():
                # In the order in which they are shown.
                return {name: self.clip(value[name], depth + 1) for name in self._first(value)}
            case list():
                return [self.clip(inner, depth + 1) for inner in value if self.left > 0]
            case _:
                return value

    def _first(self, fields: Mapping[str, Any]) -> Iterator[str]:
        for name in sorted(fields, key=lambda name: name == "messages"):
            if self.left <= 0:
                return
            self.left -= len(name)
            yield name


def _shown(body: Body, pieces: Iterable[DiffPiece], css: str) -> _ShownBody:
    left = _MAX_CHARACTERS
    shown: list[Markup] = []
    for piece in pieces:
        text = piece.text[:left]
        shown.append(_MARK.format(css=css, text=text) if piece.is_marked else Markup.escape(text))
        left -= len(piece.text)
        if left < 0:
            break
    return _ShownBody(
        title=_TITLES[body.part],
        kept=body,
        text=None if body.data is None else Markup("").join(shown),
        is_cut=left < 0,
        timing=None if body.timing is None else timing_in_words(decode_body(body.timing)),
    )


def _groups(record: TrafficRecord) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield headings, each with the names and values of those fields that are known."""
    fields = record.as_fields()
    for group, names in GROUPS.items():
        known = [
            (_label(name), _value(name, fields[name]))
            for name in names
            if fields[name] is not None and fields[name] != ()
        ]
        if known:
            yield _HEADINGS.get(group, group.capitalize()), known


def _label(name: str) -> str:
    return name.removesuffix("_ms").removesuffix("_bytes").replace("_", " ")


def _value(name: str, value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() if name.endswith("_ms"):
            return duration(value)
        case int() if name.endswith("_bytes"):
            return f"{number(value)} bytes"
        case int() | float():
            return f"{value:,.12g}"
        case tuple() | list():
            return ", ".join(str(each).replace("_", " ") for each in value)
        case _ if name == "outcome":
            return OUTCOMES[str(value)]
        case _:
            return str(value)


def _moments(record: TrafficRecord) -> list[tuple[str, str, float]]:
    """Return what happened when: a name, a phrase, and milliseconds from the beginning."""
    known = ((name, words, getattr(record, name)) for name, words in _MOMENTS.items())
    return [
        (name.removesuffix("_ms").replace("_", "-"), words, moment)
        for name, words, moment in known
        if moment is not None
    ]


def _compared(shadow: ShadowRecord) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a comparison; of a pair, the client's comes first."""
    for name, value in (shadow.comparison or {}).items():
        if isinstance(value, list):
            yield _label(name), " / ".join(map(_one_of_pair, value))
        elif name != "similarity":
            yield _label(name), _value(name, value)


def _one_of_pair(value: object) -> str:
    match value:
        case None | []:
            return "none"
        case float() | int():
            return f"{value:,.0f}"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _similarities(shadows: Iterable[ShadowRecord]) -> dict[str, float]:
    """Return the similarity of each leg that could be compared."""
    found = {shadow.leg: (shadow.comparison or {}).get("similarity") for shadow in shadows}
    return {leg: value for leg, value in found.items() if isinstance(value, (int, float))}


def replay_command(site: Site, settings: Settings, record: TrafficRecord) -> str:
    """Return the command that asks this exchange again; it selects by time and caller."""
    begin = datetime.fromisoformat(record.received)
    end = begin + timedelta(milliseconds=1)
    options = [
        *("--since", begin.isoformat(timespec="milliseconds")),
        *("--until", end.isoformat(timespec="milliseconds")),
    ]
    if caller := record.caller_name or record.caller:
        options += ["--caller", caller]
    is_demo = site.store.url == store_url_of(settings, settings.state_dir / "demo", demo=True)
    if is_demo:
        options += ["--demo"]
    if site.reader.path is not None:
        options += ["--config", str(site.reader.path)]
    command = shlex.join(["holdover", "replay", *options])
    if is_demo or settings.traffic_url is not None:
        return command
    # The shell may have another one, which wins over the file's.
    variable = f"{ENV_PREFIX}STATE_DIR"
    return f"{variable}={shlex.quote(str(settings.state_dir.absolute()))} {command}"
