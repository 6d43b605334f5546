"""Holdover's own pages under `/holdover/`; they exist only if an admin token is set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from proxy.config.reload import ConfigReloader
from proxy.cooperative import CooperativeRunner
from proxy.endpoints.admin_token import AdminToken, WrongTokenLimiter, peer_address
from proxy.endpoints.openapi import as_described, openapi_page
from proxy.endpoints.own_answers import METHODS, Page, error, refusal
from proxy.endpoints.page_types import Lessons, RuleInForce, RulesInForce, json_response
from proxy.endpoints.request_body import read_body
from proxy.errors import ClientGone, Failure, MissingKey, NotFound, TooManyTries
from proxy.explanation import as_explanation
from proxy.headers import first
from proxy.observability.metrics import Metrics
from proxy.rollout.rule_schema import BASIS_POINTS
from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.workers.guards import Guards
from translators import (
    LANGUAGES,
    InvalidCompletionRequest,
    as_code,
    decode_in_steps,
    dialect_of,
    parse_request_in_steps,
    plan_in_steps,
    write_json,
)

log = structlog.get_logger()

_MAX_BYTES: Final = 32 * 1024 * 1024
_MAX_BYTES_AS_CODE: Final = 128 * 1024
"""Code is written in one go: in some milliseconds for so long a request, whatever is in it."""
_TOO_LONG_FOR_CODE: Final = (
    f"code: it is written here for requests of up to {_MAX_BYTES_AS_CODE} bytes. For longer ones "
    "run `holdover explain --code`."
)
_NEEDS_TOKEN: Final = MissingKey("This page needs the admin token.")
_SLOWED: Final = TooManyTries("Too many wrong admin tokens; wait before you try the next one.")
_NOT_FOUND: Final = NotFound("Not found")


def admin_routes(token: AdminToken, pages: Mapping[str, Page], metrics: Metrics) -> list[Route]:
    """Return routes to all pages, guarded by the token; none if there is no token."""
    if not token.exists:
        return []
    guard = _Guard(token, metrics)
    everything = {**pages, "/holdover": _not_found, "/holdover/{rest:path}": _not_found}
    return [Route(path, guard(page), methods=METHODS) for path, page in everything.items()]


def admin_pages(
    reloader: ConfigReloader, guards: Guards, lessons: LearnedCapabilities
) -> Mapping[str, Page]:
    """Return the pages for operators by their path."""
    return {
        path: as_described(path, page)
        for path, page in (
            ("/holdover/explain", _Explain(reloader, lessons)),
            ("/holdover/lessons", _Listing(lessons)),
            ("/holdover/rollout", _Rules(reloader, guards)),
            ("/holdover/openapi.json", openapi_page),
        )
    }


class _Guard:
    """Lets in requests with the admin token; counts and logs wrong ones."""

    def __init__(self, token: AdminToken, metrics: Metrics) -> None:
        self._token = token
        self._metrics = metrics
        self._wrong = WrongTokenLimiter()

    def __call__(self, page: Page) -> Page:
        async def guarded(request: Request) -> Response:
            headers = request.headers.raw
            if self._token.opens(headers):
                return await page(request)
            if first(headers, b"authorization") is None:
                return refusal(_NEEDS_TOKEN)
            peer = peer_address(request.scope)
            seconds = self._wrong.add(peer)
            if seconds is not None:
                self._metrics.admin_token_refused("slowed")
                return refusal(_SLOWED, {"retry-after": str(seconds), "connection": "close"})
            self._metrics.admin_token_refused("wrong")
            log.warning("admin_token_refused", peer=peer)
            return refusal(_NEEDS_TOKEN)

        return guarded


@dataclass(frozen=True, slots=True)
class _Explain:
    """`POST /holdover/explain[?code=LANGUAGE]`: show what a legacy request becomes."""

    reloader: ConfigReloader
    lessons: LearnedCapabilities
    turns: CooperativeRunner = field(default_factory=CooperativeRunner)

    async def __call__(self, request: Request) -> Response:
        language = request.query_params.get("code")
        if language is not None and language not in LANGUAGES:
            message = f"code: choose one of {', '.join(LANGUAGES)}"
            return error(400, "invalid_request_error", message)
        try:
            body = await read_body(
                request.scope, request.receive, max_bytes=_MAX_BYTES, timeout_seconds=60
            )
            if language is not None and len(body) > _MAX_BYTES_AS_CODE:
                return error(413, "request_too_large", _TOO_LONG_FOR_CODE)
            decoded = await self.turns.run(decode_in_steps(body))
            planning = plan_in_steps(
                await self.turns.run(parse_request_in_steps(decoded)),
                dialect_of(request.headers.get("anthropic-version")),
                replace(
                    self.reloader.config.rollout.otherwise.policy, lessons=self.lessons.current()
                ),
                today=datetime.now(UTC).date().isoformat(),
                betas=request.headers.get("anthropic-beta"),
            )
            plan = await self.turns.run(planning)
        except ClientGone:
            return Response(status_code=400)  # the client is gone and reads no answer
        except Failure as exc:
            return refusal(exc)
        except InvalidCompletionRequest as exc:
            return error(exc.status_hint, exc.error_type, str(exc))
        if language is not None:
            return PlainTextResponse(as_code(plan, language))
        pieces = await self.turns.run(write_json(as_explanation(plan)))
        return Response(b"".join(pieces), media_type="application/json")


@dataclass(frozen=True, slots=True)
class _Listing:
    """`GET /holdover/lessons`: list what upstream's errors have taught."""

    lessons: LearnedCapabilities

    async def __call__(self, _: Request) -> Response:
        return json_response(Lessons(self.lessons.listing()))


@dataclass(frozen=True, slots=True)
class _Rules:
    """`GET /holdover/rollout`: list the rules in force, in order."""

    reloader: ConfigReloader
    guards: Guards

    async def __call__(self, _: Request) -> Response:
        rollout = self.reloader.config.rollout
        return json_response(
            RulesInForce(
                version=self.reloader.version.digest,
                override=rollout.override.action if rollout.override else None,
                rules=[
                    RuleInForce(
                        name=rule.name,
                        action=rule.route.action,
                        share=rule.share * 100 / BASIS_POINTS,
                        by=rule.by,
                        tripped=rule.name in self.guards.tripped,
                    )
                    for rule in rollout.rules
                ],
            )
        )


async def _not_found(_: Request) -> Response:
    return refusal(_NOT_FOUND)
