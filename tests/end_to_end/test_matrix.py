"""
Every live model, every awkward request, every way to be answered: no 400 from upstream.

What is adjusted in each case is kept in `matrix.txt`, for a reviewer to read;
`UPDATE_MATRIX=1` writes it anew.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import KEY, PROMPT, V1, V2, ProxyUnderTest, body, frames, running_proxy
from tests.servers import fetch
from translators import KNOWN_MODELS

SNAPSHOT = Path(__file__).parent / "matrix.txt"
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
"""The simulator and the proxy go by it, so what has retired since the snapshot is left out."""

REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "system": {"prompt": "Be kind." + PROMPT},
    "multi-turn": {"prompt": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:"},
    "prefill": {"prompt": PROMPT + " I am"},
    "prefill, trailing space": {"prompt": PROMPT + " I am:\n"},
    "all sampling fields": {"temperature": 0.4, "top_p": 0.7, "top_k": 5},
    "no-effect sampling": {"temperature": 1, "top_p": -1, "top_k": -1},
    "whitespace stop": {"stop_sequences": ["\n", "END"]},
    "tiny budget": {"max_tokens_to_sample": 1},
    "huge budget": {"max_tokens_to_sample": 1_000_000},
}
MODELS = [model.id for model in KNOWN_MODELS.models if not model.is_retired(TODAY)]


def said_by_stream(data: bytes, version: dict[str, str]) -> tuple[str, str, str | None]:
    """Text, stop reason and stop of a stream, in either dialect."""
    events = [event for _, event in frames(data) if isinstance(event, dict) and "stop" in event]
    texts = [event["completion"] for event in events]
    return ("".join(texts) if version else texts[-1]), events[-1]["stop_reason"], events[-1]["stop"]


def said_by_whole(answer: httpx.Response) -> tuple[str, str, str | None]:
    completion = answer.json()
    return completion["completion"], completion["stop_reason"], completion["stop"]


@pytest.fixture
def fresh() -> Iterator[ProxyUnderTest]:
    """A proxy that has learnt nothing yet."""
    with running_proxy() as holdover:
        yield holdover


@pytest.mark.without_coverage
@pytest.mark.one_in(3)
@pytest.mark.parametrize("model", MODELS)
def test_no_request_that_the_legacy_api_took_is_refused(fresh: ProxyUnderTest, model: str):
    for name, fields in REQUESTS.items():
        answers = []
        for version in (V1, V2):
            for stream in (False, True):
                answer = fresh.client.post(
                    f"{fresh.url}/v1/complete",
                    json=body(model=model, stream=stream, **fields),
                    headers=KEY | version,
                )
                assert answer.status_code == 200, (name, version, stream, answer.text)
                said = said_by_stream(answer.content, version) if stream else said_by_whole(answer)
                answers.append((*said, answer.headers.get("holdover-adjustments", "")))

        # The first of four may have had to learn what the table does not say.
        assert answers == [answers[0]] * 4, name
        assert answers[0][0], f"{name}: no text"


def test_what_is_adjusted_is_what_a_reviewer_has_read(fresh: ProxyUnderTest):
    found: dict[str, str] = {}
    for model in MODELS:
        lines = [model]
        for name, fields in REQUESTS.items():
            answer = fresh.complete(model=model, **fields)
            sent = fresh.last_received()["body"]
            kept = {key: sent[key] for key in sent if key not in {"model", "messages", "system"}}
            lines += [
                f"  {name}",
                f"    adjusted: {answer.headers.get('holdover-adjustments', 'nothing')}",
                f"    sent:     {json.dumps(kept)}",
                f"              {[message['role'] for message in sent['messages']]}",
            ]
        found[model] = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_MATRIX"):
        SNAPSHOT.write_text("".join(found.values()))

    sections = re.split(r"^(?=\S)", SNAPSHOT.read_text(), flags=re.MULTILINE)[1:]
    read = {each.partition("\n")[0]: each for each in sections}
    assert found == {model: read[model] for model in MODELS}


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": [{"role": "assistant", "content": "I am"}]},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ""}]},
        {"temperature": 0.5},
        {"stop_sequences": ["\n"]},
        {"max_tokens": 1_000_000},
        {"max_tokens_to_sample": 5},
        {"system": " "},
        {"model": "claude-2"},
    ],
    ids=str,
)
def test_the_simulator_refuses_what_a_wrong_translation_would_send(
    holdover: ProxyUnderTest, wrong: dict[str, Any]
):
    right = {
        "model": "claude-opus-4-8",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    url = f"{holdover.upstream_url}/v1/messages"

    assert fetch("POST", url, json=right, headers=KEY | V2).status_code == 200
    assert fetch("POST", url, json=right | wrong, headers=KEY | V2).status_code in {400, 404}
