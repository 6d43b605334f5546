"""Explain a legacy request: what it becomes, by which rule, and the call that replaces it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

import msgspec
from starlette.responses import Response

from proxy.config.build import build_runtime_config, digester_of, policy_of
from proxy.config.settings import Settings
from proxy.console.access.forms import Form
from proxy.console.pasted_text import Mistake, mistake_in
from proxy.console.visit import Visit
from proxy.exchange.gone_message import gone_message
from proxy.explanation import answer_lines, as_explanation, opening_of, sent_lines
from proxy.report.phrases import LANGUAGES
from proxy.rollout import (
    Decision,
    DecisionReason,
    Question,
    decide,
    verdict_in_words,
    verdicts,
)
from proxy.rollout.rule_schema import BASIS_POINTS
from proxy.security.redaction import CALLER_DIGEST
from proxy.spelling import or_rather
from translators import (
    InvalidCompletionRequest,
    Plan,
    as_code,
    decode_completion_request,
    dialect_of,
    encode_request,
    plan_request,
)

MAX_BYTES: Final = 1024 * 1024
_MAX_SHOWN: Final = 200_000
"""Limit on the characters of a request whose code is shown."""
_MAX_LINES: Final = 60
_MAX_NAMES: Final = 500
VERSIONS: Final[Mapping[str, str]] = {
    "2023-06-01": "2023-06-01",
    "2023-01-01": "2023-01-01",
    "": "no such header",
}
_REASONS: Final[Mapping[DecisionReason, str]] = {
    DecisionReason.DEFAULT: "no rule decides about it",
    DecisionReason.RULE: "the rule {} decides",
    DecisionReason.OVERRIDE: "the kill switch decides about every request",
    DecisionReason.SUNSET: "the sunset of the rule {} has come",
    DecisionReason.BROWN_OUT: "a brown-out of the rule {} is going on",
}
_FATES: Final[Mapping[str, str]] = {
    "translate": "It is translated",
    "forward": "It is forwarded to the legacy API unchanged",
    "refuse": "It is refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The fields of the form."""

    request: str = ""
    version: str = "2023-06-01"
    caller: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrong:
    """What is wrong with the form, by field."""

    request: Mistake | None = None
    caller: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    """Something to copy."""

    name: str
    title: str
    text: str | None
    """None if it is too long to be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What a request becomes."""

    opening: str
    unknown_model: str | None
    fate: str
    why: str
    is_by_default: bool
    gone: str | None
    """What the client is told, if the request is refused."""
    verdicts: list[str]
    sent: list[str]
    has_more: bool
    """True if what is sent has more lines than are shown."""
    adjustments: object
    version: str
    answer: list[str]
    codes: list[_Code] = field(default_factory=list)


async def explain(visit: Visit) -> Response:
    """Show the form."""
    return await _page(visit, Asked())


async def explain_request(visit: Visit, form: Form) -> Response:
    """Show what the request in the form becomes; nothing is sent anywhere."""
    asked = Asked(
        request=form.get("request", ""),
        version=form.get("version", "").strip(),
        caller=form.get("caller", "").strip(),
    )
    if len(asked.request.encode(errors="replace")) > MAX_BYTES:
        mistake = Mistake(what=f"This is longer than {MAX_BYTES:,} bytes: leave out some text.")
        return await _page(visit, asked, _Wrong(request=mistake), status=413)
    server = await visit.site.server.ask()
    tripped = frozenset(server.readiness.tripped if server.readiness else ())
    settings = (await visit.site.settings()).settings
    result = await visit.site.run(_explained, asked, settings, visit.now, tripped)
    if isinstance(result, _Wrong):
        return await _page(visit, asked, result, status=400)
    return await _page(visit, asked, explained=result)


async def _page(
    visit: Visit,
    asked: Asked,
    wrong: _Wrong | None = None,
    *,
    explained: Explained | None = None,
    status: int = 200,
) -> Response:
    settings = (await visit.site.settings()).settings
    return await visit.page(
        "explain.html",
        status=status,
        asked=asked,
        wrong=wrong or _Wrong(),
        explained=explained,
        versions=VERSIONS,
        callers=sorted(settings.callers)[:_MAX_NAMES],
    )


def _explained(
    asked: Asked, settings: Settings, now: datetime, tripped: frozenset[str]
) -> Explained | _Wrong:
    caller, callers = asked.caller, settings.callers
    if caller and caller not in callers and not CALLER_DIGEST.fullmatch(caller):
        near = or_rather(caller, callers)  # no rule could match such a name
        return _Wrong(caller=f"No caller in `[callers]` is named {caller[:60]!r}{near}.")
    try:
        decoded = decode_completion_request(asked.request.encode(errors="replace"))
    except InvalidCompletionRequest as exc:
        return _Wrong(request=mistake_in(asked.request) or _refused(exc))
    config = build_runtime_config(settings, digester_of(settings))
    version = asked.version or None
    bucket = secrets.randbelow(BASIS_POINTS)
    question = Question(
        caller=config.keyring.named(caller or None),
        headers=[(b"anthropic-version", version.encode("latin-1", "replace"))] if version else [],
        request=decoded.request,
        now=now,
        roll=lambda: bucket,
    )
    decision = decide(config.rollout, question, tripped)
    policy = decision.route.policy if decision.action == "translate" else policy_of(settings)
    today = now.date().isoformat()
    try:
        plan = plan_request(decoded, dialect_of(version), policy, today=today)
    except InvalidCompletionRequest as exc:
        return _Wrong(request=_refused(exc))
    sent = list(islice(sent_lines(plan), _MAX_LINES + 1))
    model, catalogue = plan.sent_model, policy.catalogue
    is_known = catalogue.find_in_any_spelling(model) is not None
    return Explained(
        opening=opening_of(plan),
        unknown_model=None if is_known else f"{model!r}{or_rather(model, catalogue.names)}",
        fate=_FATES[decision.action],
        why=_why(decision),
        is_by_default=decision.why is DecisionReason.DEFAULT,
        gone=gone_message(decision, decoded.request, config.rollout.catalogue, today)
        if decision.action == "refuse"
        else None,
        verdicts=[verdict_in_words(each) for each in verdicts(config.rollout, question, tripped)],
        sent=sent[:_MAX_LINES],
        has_more=len(sent) > _MAX_LINES,
        adjustments=as_explanation(plan)["adjustments"],
        version=plan.dialect.version,
        answer=list(islice(answer_lines(plan), _MAX_LINES)),
        codes=_codes(plan, is_long=len(asked.request) > _MAX_SHOWN),
    )


def _refused(exc: InvalidCompletionRequest) -> Mistake:
    return Mistake(what=f"Holdover answers this request with an error: {exc}")


def _why(decision: Decision) -> str:
    return _REASONS[decision.why].format(decision.rule.name if decision.rule else "")


def _codes(plan: Plan, *, is_long: bool) -> list[_Code]:
    texts = {"request": "The Messages request", **LANGUAGES}
    if is_long:  # writing it takes seconds, and nobody would read it
        return [_Code(name=name, title=title, text=None) for name, title in texts.items()]
    request = msgspec.json.format(encode_request(plan.request)).decode()
    return [
        _Code(name=name, title=title, text=as_code(plan, name) if name in LANGUAGES else request)
        for name, title in texts.items()
    ]
