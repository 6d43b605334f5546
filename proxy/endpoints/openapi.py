"""
The OpenAPI document of what Holdover itself answers, from the one table of its pages.

The routes take their methods from the same table, so a page that is not in it cannot be served.
What is forwarded is not described here: it belongs to upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, Literal, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from proxy.endpoints.own_answers import Page, restrict_methods
from proxy.endpoints.page_types import (
    Alive,
    CompletionOf2023January,
    CompletionOf2023June,
    Error,
    Lessons,
    Readiness,
    RulesInForce,
)
from translators import LANGUAGES, CompletionRequest

Json: TypeAlias = dict[str, Any]

_KEY: Final = "key"
_ADMIN_TOKEN: Final = "admin_token"  # noqa: S105 - the name of a scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method that a path is served for, and the answers to it."""

    method: Literal["GET", "POST"]
    summary: str
    answers: Mapping[str, tuple[Any, ...]]
    """The types that a good answer may have, by media type; `str` for a text."""
    needs: str | None = None
    """The name of a security scheme."""
    parameters: tuple[Json, ...] = ()
    may_be_unready: bool = False
    """True if the same answer can have status 503."""


_VERSION_HEADER: Final[Json] = {
    "name": "anthropic-version",
    "in": "header",
    "description": "2023-06-01, or 2023-01-01, which is meant if there is none.",
    "schema": {"type": "string", "enum": ["2023-01-01", "2023-06-01"]},
}

SURFACE: Final[Mapping[str, Operation]] = {
    "/v1/complete": Operation(
        method="POST",
        summary="Complete a prompt of the legacy Text Completions API.",
        answers={
            "application/json": (CompletionOf2023June, CompletionOf2023January),
            "text/event-stream": (str,),
        },
        needs=_KEY,
        parameters=(_VERSION_HEADER,),
    ),
    "/healthz": Operation(
        method="GET",
        summary="Say that the process is alive, and how late its event loop is.",
        answers={"application/json": (Alive,)},
    ),
    "/readyz": Operation(
        method="GET",
        summary="Say whether to send requests here, and what is wrong.",
        answers={"application/json": (Readiness,)},
        may_be_unready=True,
    ),
    "/metrics": Operation(
        method="GET",
        summary="Numbers for Prometheus, of all workers.",
        answers={"text/plain": (str,)},
    ),
    "/holdover/explain": Operation(
        method="POST",
        summary="Say what a legacy request becomes; nothing is sent.",
        answers={"application/json": (dict[str, Any],), "text/plain": (str,)},
        needs=_ADMIN_TOKEN,
        parameters=(
            _VERSION_HEADER,
            {
                "name": "code",
                "in": "query",
                "description": "Answer with the call of a current SDK in this language.",
                "schema": {"type": "string", "enum": list(LANGUAGES)},
            },
        ),
    ),
    "/holdover/lessons": Operation(
        method="GET",
        summary="List what refusals have taught about models.",
        answers={"application/json": (Lessons,)},
        needs=_ADMIN_TOKEN,
    ),
    "/holdover/rollout": Operation(
        method="GET",
        summary="List the rules that are followed.",
        answers={"application/json": (RulesInForce,)},
        needs=_ADMIN_TOKEN,
    ),
    "/holdover/openapi.json": Operation(
        method="GET",
        summary="This document.",
        answers={"application/json": (dict[str, Any],)},
        needs=_ADMIN_TOKEN,
    ),
}


def as_described(path: str, page: Page) -> Page:
    """Return a page that takes the methods which the document names for it, and HEAD for GET."""
    method = SURFACE[path].method
    return restrict_methods(page, *(("GET", "HEAD") if method == "GET" else (method,)))


async def openapi_page(_: Request) -> Response:
    """Answer with the document."""
    return Response(msgspec.json.encode(openapi_document()), media_type="application/json")


def openapi_document() -> Json:
    """Return the document, in version 3.1 of the specification."""
    answers = [
        kind for each in SURFACE.values() for kinds in each.answers.values() for kind in kinds
    ]
    types = [CompletionRequest, Error, *answers]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    # Fields that the legacy API did not have are left out, as an adjustment.
    components["CompletionRequest"]["additionalProperties"] = True
    schema_of = dict(zip(types, schemas, strict=True))
    paths = {
        path: {each.method.lower(): _operation(each, schema_of)} for path, each in SURFACE.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdover", "version": version("holdover")},
        "servers": [{"url": ".."}],  # seen from where the document is, whatever `mount_prefix` says
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                _KEY: {"type": "apiKey", "in": "header", "name": "x-api-key"},
                _ADMIN_TOKEN: {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(each: Operation, schema_of: Mapping[Any, Json]) -> Json:
    good = {
        media: {"schema": {"anyOf": [schema_of[kind] for kind in kinds]}}
        for media, kinds in each.answers.items()
    }
    answers: Json = {
        "200": {"description": "As asked for.", "content": good},
        "default": {
            "description": "An error.",
            "content": {"application/json": {"schema": schema_of[Error]}},
        },
    }
    if each.may_be_unready:
        answers["503"] = {"description": "Not ready.", "content": good}
    said: Json = {
        "summary": each.summary,
        "security": [{each.needs: []}] if each.needs else [],
        "parameters": list(each.parameters),
        "responses": answers,
    }
    if each.method == "POST":
        body = {"application/json": {"schema": schema_of[CompletionRequest]}}
        said["requestBody"] = {"required": True, "content": body}
    return said
