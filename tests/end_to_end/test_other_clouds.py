"""Clouds that speak the Messages API with a key are upstreams, each by its recipe in the docs."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.harness import PROMPT, ProxyUnderTest, running_proxy, text_of
from tests.servers import serving

PAGE: Final = Path(__file__).parents[2] / "deploy/README.md"
KEY: Final = "key-of-the-cloud"
RECIPES: Final = {
    urlsplit(recipe["upstream_url"]).netloc.partition(".")[0]: recipe
    for recipe in map(tomllib.loads, re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL))
    if "models" in recipe or "upstream_headers" in recipe
}
"""The recipes of the page, by the first word of their hosts."""


@dataclass
class Cloud:
    """What a cloud wants of a request: bedrock-vertex B0, B1, B5, B6."""

    path: str
    headers: Mapping[str, str]
    model: str
    refusal: Any = None
    """What it answers to a request that asks for nothing it has."""
    problems: list[str] = field(default_factory=list[str])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        said = json.loads(await request.body())
        await self._answer(request, said)(scope, receive, send)

    def _answer(self, request: Request, said: dict[str, Any]) -> ASGIApp:
        if request.url.path != self.path:
            self.problems.append(request.url.path)
        for name, value in self.headers.items():
            if request.headers.getlist(name) != [value]:
                self.problems.append(f"{name}: {request.headers.getlist(name)}")
        if said["model"] != self.model:
            return JSONResponse(self.refusal, 404)
        if not said.get("stream"):
            return JSONResponse(message(said["model"], "Hello."))
        return Response(b"".join(events(said["model"])), media_type="text/event-stream")


def message(model: str, text: str | None) -> dict[str, Any]:
    return {
        "id": "msg_bdrk_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": text and "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }


def events(model: str) -> Iterator[bytes]:
    block = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    delta = {"type": "text_delta", "text": "Hello."}
    for event in (
        {"type": "message_start", "message": message(model, None)},
        block,
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}},
    ):
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


VERSION: Final = {"anthropic-version": "2023-06-01"}
CLOUDS: Final = {
    "bedrock-runtime": Cloud(
        path="/anthropic/v1/messages",
        headers=VERSION | {"authorization": f"Bearer {KEY}"},
        model="us.anthropic.claude-haiku-4-5-20251001-v1:0",
        refusal={"message": "The provided model identifier is invalid."},
    ),
    "bedrock-mantle": Cloud(
        path="/anthropic/v1/messages",
        headers=VERSION | {"x-api-key": KEY},
        model="anthropic.claude-haiku-4-5",
        refusal={"message": "The provided model identifier is invalid."},
    ),
    "RESOURCE": Cloud(
        path="/anthropic/v1/messages",
        headers=VERSION | {"x-api-key": KEY},
        model="claude-haiku-4-5",
        refusal={"error": {"code": "DeploymentNotFound", "message": "No such deployment."}},
    ),
    "aws-external-anthropic": Cloud(
        path="/v1/messages",
        headers=VERSION | {"x-api-key": KEY, "anthropic-workspace-id": "WORKSPACE"},
        model="claude-haiku-4-5-20251001",
        refusal={"message": "No such model."},
    ),
}


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Iterator[tuple[ProxyUnderTest, Cloud]]:
    """A Holdover that follows a recipe of the page, but for the host, and the cloud."""
    recipe, cloud = dict(RECIPES[request.param]), CLOUDS[request.param]
    prefix = urlsplit(recipe.pop("upstream_url")).path
    models = {"claude-gone": "claude-gone"} | recipe.pop("models", {})
    settings = {"upstream_key": KEY, "models": models} | recipe
    with serving(cloud) as url, running_proxy(upstream_url=url + prefix, **settings) as holdover:
        yield holdover, cloud
    assert cloud.problems == []


def test_every_recipe_of_the_page_has_a_cloud():
    assert set(RECIPES) == set(CLOUDS)


def test_a_completion_is_answered_by_the_cloud(cloud: tuple[ProxyUnderTest, Cloud]):
    holdover, itself = cloud
    answer = holdover.complete(model="claude-instant-1")

    assert answer.json()["completion"] == " Hello."
    assert answer.headers["holdover-model"] == itself.model


def test_a_stream_of_the_cloud_is_translated(cloud: tuple[ProxyUnderTest, Cloud]):
    holdover, _ = cloud
    said = holdover.stream(model="claude-instant-1", headers=VERSION)

    assert text_of(said) == " Hello."


def test_its_model_has_the_capabilities_of_the_model_that_is_meant(
    cloud: tuple[ProxyUnderTest, Cloud],
):
    holdover, _ = cloud
    answer = holdover.complete(model="claude-instant-1", prompt=f"{PROMPT} Hello", temperature=0.5)

    assert "continue_prefill" not in answer.headers["holdover-adjustments"]


def test_its_reasons_reach_the_client(cloud: tuple[ProxyUnderTest, Cloud]):
    holdover, itself = cloud
    answer = holdover.complete(model="claude-gone")

    assert answer.status_code == 404
    reason = itself.refusal.get("message") or itself.refusal["error"]["message"]
    assert answer.json()["error"] == {"type": "not_found_error", "message": reason}
