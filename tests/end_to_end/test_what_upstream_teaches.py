"""Upstream says that a model is gone, or that a user id is personal: the next request knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.harness import ADMIN, ADMIN_TOKEN, KEY, PROMPT, ProxyUnderTest, running_proxy
from tests.servers import fetch

PERSONAL = "metadata.user_id: user_id appears to contain an email address. Please send a uuid"


class Particular:
    """An upstream without some models for some keys, which refuses addresses as user ids."""

    def __init__(self, **gone: set[str]) -> None:
        self._gone = gone
        self.gone_for_all: set[str] = set()
        self.refusals: dict[str, str] = {}
        """Texts of the 400s that a key gets."""
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        said = json.loads(await request.body())
        self.asked.append(said)
        await self._answer(said, request.headers["x-api-key"])(scope, receive, send)

    def _answer(self, said: dict[str, Any], key: str) -> ASGIApp:
        model = said["model"]
        if key in self.refusals:
            return refused(400, "invalid_request_error", self.refusals[key])
        if model in self._gone.get(key, self.gone_for_all):
            return refused(404, "not_found_error", f"model: {model}")
        if "@" in said.get("metadata", {}).get("user_id", ""):
            return refused(400, "invalid_request_error", PERSONAL)
        return JSONResponse(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": model,
                "content": [{"type": "text", "text": "Hi"}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
        )

    def models(self) -> list[str]:
        """The models that were asked for since the last look."""
        models = [said["model"] for said in self.asked]
        self.asked.clear()
        return models


def refused(status: int, kind: str, message: str) -> JSONResponse:
    return JSONResponse(
        {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"},
        status,
    )


@contextmanager
def behind(upstream: Particular, **settings: Any) -> Iterator[ProxyUnderTest]:
    with running_proxy(upstream, admin_token=ADMIN_TOKEN, **settings) as holdover:
        yield holdover


def test_the_successor_of_a_model_that_is_gone_answers_and_later_at_once():
    upstream = Particular(**{KEY["x-api-key"]: {"claude-sonnet-4-6"}})
    with behind(upstream) as holdover:
        first = holdover.complete(model="claude-sonnet-4-6")
        assert upstream.models() == ["claude-sonnet-4-6", "claude-sonnet-5-5"]
        second = holdover.complete(model="claude-sonnet-4-6")
        assert upstream.models() == ["claude-sonnet-5-5"]
        learnt = fetch("GET", f"{holdover.url}/holdover/lessons", headers=ADMIN).json()["lessons"]

    assert (first.status_code, second.status_code) == (200, 200)
    assert "replace_gone_model" in first.headers["holdover-adjustments"]
    assert second.headers["holdover-adjustments"] == first.headers["holdover-adjustments"]
    assert [(one["model"], one["learnt"]) for one in learnt] == [
        ("claude-sonnet-4-6", "available=no")
    ]


def test_a_model_may_be_closed_to_one_key_and_open_to_another():
    upstream = Particular(theirs={"claude-opus-4-8"})
    with behind(upstream) as holdover:
        for _ in range(2):
            closed = holdover.complete(model="claude-opus-4-8", headers={"x-api-key": "theirs"})
            assert closed.headers["holdover-model"] == "claude-opus-5-5"
        upstream.models()
        assert holdover.complete(model="claude-opus-4-8").status_code == 200
        assert upstream.models() == ["claude-opus-4-8"]


def test_successors_are_followed_until_one_is_there():
    gone = {"claude-haiku-4-5-20251001", "claude-haiku-5-5"}
    upstream = Particular(**{KEY["x-api-key"]: gone})
    with behind(upstream) as holdover:
        answer = holdover.complete(model="claude-instant-1")
        assert upstream.models() == [
            *("claude-haiku-4-5-20251001", "claude-haiku-5-5", "claude-sonnet-5-5")
        ]

    assert answer.status_code == 200
    assert answer.headers["holdover-model"] == "claude-sonnet-5-5"


def test_where_no_successor_is_there_the_client_is_told():
    everything = {"claude-opus-5-5", "claude-sonnet-5-5"}
    upstream = Particular(**{KEY["x-api-key"]: everything})
    with behind(upstream) as holdover:
        answer = holdover.complete(model="claude-opus-5-5")
        assert upstream.models() == ["claude-opus-5-5", "claude-sonnet-5-5", "claude-opus-5-5"]
        assert holdover.complete(model="claude-opus-5-5").status_code == 404
        assert upstream.models() == ["claude-opus-5-5"]

    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize("model", ["claude-nowhere", "us.anthropic.claude-sonnet-4-6"])
def test_a_name_of_which_no_successor_is_known_is_asked_once(model: str):
    upstream = Particular(**{KEY["x-api-key"]: {model}})
    with behind(upstream) as holdover:
        assert holdover.complete(model=model).status_code == 404
        assert upstream.models() == [model]


def test_a_user_id_that_upstream_refuses_as_personal_becomes_a_digest():
    upstream = Particular()
    with behind(upstream, digest_key="of these tests") as holdover:
        answers = [
            holdover.complete(metadata={"user_id": user_id})
            for user_id in ("ann@example.com", "ann@example.com", "bob@example.com", "u-1")
        ]
        sent = [said["metadata"]["user_id"] for said in upstream.asked]

    assert [answer.status_code for answer in answers] == [200] * 4
    ann, bob = sent[1], sent[4]
    assert sent == ["ann@example.com", ann, ann, "bob@example.com", bob, "u-1"]
    assert "@" not in ann + bob
    assert ann != bob
    assert [answer.headers.get("holdover-adjustments") for answer in answers] == [
        *("replace_user_id", "replace_user_id", "replace_user_id", None)
    ]


def test_a_user_id_that_is_too_long_becomes_a_digest_before_upstream_has_seen_it():
    upstream = Particular()
    with behind(upstream, digest_key="of these tests") as holdover:
        answers = [
            holdover.complete(metadata={"user_id": user_id})
            for user_id in ("a" * 513, "a" * 513, "b" * 513, "b" * 512)
        ]
        sent = [said["metadata"]["user_id"] for said in upstream.asked]

    first, again, other, short = sent
    assert [answer.status_code for answer in answers] == [200] * 4
    assert first == again != other
    assert max(len(first), len(other)) < 100
    assert short == "b" * 512
    assert [answer.headers.get("holdover-adjustments") for answer in answers] == [
        *("replace_user_id", "replace_user_id", "replace_user_id", None)
    ]


def test_what_one_keys_errors_quote_binds_no_other_key():
    words = "BadRequestError: This model does not support assistant message prefill."
    upstream = Particular()
    upstream.refusals["theirs"] = words
    with behind(upstream) as holdover:
        model, prompt = "claude-haiku-4-5", f"{PROMPT} Well"
        holdover.complete(headers={"x-api-key": "theirs"}, model=model, prompt=prompt)
        answer = holdover.complete(model=model, prompt=prompt)

    assert "holdover-adjustments" not in answer.headers


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_more_keys_than_a_table_of_models_are_remembered():
    upstream = Particular()
    upstream.gone_for_all = {"claude-haiku-4-5-20251001"}
    with behind(upstream) as holdover:
        for _ in range(2):
            upstream.models()
            for number in range(300):
                key = {"x-api-key": f"sk-{number}"}
                assert holdover.complete(model="claude-instant-1", headers=key).status_code == 200

    assert upstream.models() == ["claude-haiku-5-5"] * 300
