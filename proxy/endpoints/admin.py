"""Holdover's own pages under `/holdover/`; without an admin token they do not exist."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from proxy.endpoints.body import read_body
from proxy.explanation import as_explanation
from proxy.failures import ClientGone, Failure
from proxy.guards import Guards
from proxy.lessons import LessonStore
from proxy.live import Live
from proxy.rules import BASIS_POINTS
from translators import (
    LANGUAGES,
    InvalidCompletionRequest,
    as_code,
    decode_completion_request,
    dialect_of,
    encode_error,
    plan_request,
)

_MOST_BYTES = 32 * 1024 * 1024
_Page = Callable[[Request], Awaitable[Response]]


def admin_routes(
    token: SecretStr | None, live: Live, guards: Guards, lessons: LessonStore
) -> list[Route]:
    """All pages, behind the token; without one, every path under `/holdover/` is a 404."""
    if token is None:
        return [Route(path, _nothing, methods=_ANY) for path in _EVERYWHERE]
    guard = _Guard(token.get_secret_value().encode())
    pages: Mapping[str, tuple[str, _Page]] = {
        "/holdover/explain": ("POST", _Explain(live, lessons)),
        "/holdover/lessons": ("GET", _Listing(lessons)),
        "/holdover/rollout": ("GET", _Rules(live, guards)),
    }
    return [
        *(Route(path, guard(page), methods=[method]) for path, (method, page) in pages.items()),
        *(Route(path, guard(_nothing), methods=_ANY) for path in _EVERYWHERE),
    ]


# However it is spelled, what is meant for us never goes upstream: it may carry the admin token.
_EVERYWHERE = ("/holdover", "/holdover/{rest:path}", "//{slashes:path}holdover/{rest:path}")
_ANY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True)
class _Guard:
    token: bytes

    def __call__(self, page: _Page) -> _Page:
        async def guarded(request: Request) -> Response:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            is_admin = hmac.compare_digest(given.strip().encode(), self.token)
            if scheme.lower() != "bearer" or not is_admin:
                return _error(401, "authentication_error", "This page needs the admin token.")
            return await page(request)

        return guarded


@dataclass(frozen=True, slots=True)
class _Explain:
    """`POST /holdover/explain[?code=LANGUAGE]`: what a legacy request becomes; nothing is sent."""

    live: Live
    lessons: LessonStore

    async def __call__(self, request: Request) -> Response:
        language = request.query_params.get("code")
        if language is not None and language not in LANGUAGES:
            message = f"code: there are {', '.join(LANGUAGES)}"
            return _error(400, "invalid_request_error", message)
        headers = list(request.headers.raw)
        try:
            body = await read_body(
                request.receive, headers, max_bytes=_MOST_BYTES, timeout_seconds=60
            )
            plan = plan_request(
                decode_completion_request(body),
                dialect_of(request.headers.get("anthropic-version")),
                replace(self.live.regime.rollout.otherwise.policy, lessons=self.lessons.current()),
                today=datetime.now(UTC).date().isoformat(),
                betas=request.headers.get("anthropic-beta"),
            )
        except ClientGone:
            return Response(status_code=400)  # nobody reads it
        except Failure as exc:
            return _error(exc.status, exc.error_type, str(exc))
        except InvalidCompletionRequest as exc:
            return _error(exc.status_hint, exc.error_type, str(exc))
        return _json(as_explanation(plan)) if language is None else _code(as_code(plan, language))


@dataclass(frozen=True, slots=True)
class _Listing:
    """`GET /holdover/lessons`: what upstream has taught."""

    lessons: LessonStore

    async def __call__(self, _: Request) -> Response:
        return _json({"lessons": self.lessons.listing()})


@dataclass(frozen=True, slots=True)
class _Rules:
    """`GET /holdover/rollout`: the rules that are followed now, in order."""

    live: Live
    guards: Guards

    async def __call__(self, _: Request) -> Response:
        rollout = self.live.regime.rollout
        return _json(
            {
                "version": self.live.version.digest,
                "override": rollout.override.action if rollout.override else None,
                "rules": [
                    {
                        "name": rule.name,
                        "action": rule.leg.action,
                        "share": rule.share * 100 / BASIS_POINTS,
                        "by": rule.by,
                        "tripped": rule.name in self.guards.tripped,
                    }
                    for rule in rollout.rules
                ],
            }
        )


async def _nothing(_: Request) -> Response:
    return _error(404, "not_found_error", "Not found")


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _code(code: str) -> Response:
    return PlainTextResponse(code)


def _error(status: int, kind: str, message: str) -> Response:
    return Response(encode_error(kind, message, None), status, media_type="application/json")
