"""Long requests and long answers, of shapes that take time: they arrive as short ones do."""

import json
from collections.abc import Iterator
from typing import Any, Protocol

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from proxy.app import create_app
from proxy.config.sources import load_settings
from tests.faulty_upstreams import STREAM, WHOLE, says, treacherous
from tests.harness import KEY, V2, body, frames, text_of
from tests.servers import fetch, serving


class Ask(Protocol):
    """Ask for a completion, and say what upstream was asked for it."""

    def __call__(self, asked: dict[str, Any], *, ascii_only: bool = True) -> dict[str, Any]: ...


SIZE = 200_000
UNITS = {
    "words": "one and ",
    "newlines": "\n",
    "quotes": '"\\',
    "emoji": "😀",
    "letters": "é\u2028",
    "controls": "\x01",
}
TEXTS = {name: unit * (SIZE // len(unit)) + "." for name, unit in UNITS.items()}


async def repeating(_: Scope, receive: Receive, send: Send) -> None:
    """An upstream that says what it was asked, all of it, as the text of a message."""
    body = b""
    while (piece := await receive())["type"] == "http.request":
        body += piece["body"]
        if not piece["more_body"]:
            break
    answer = json.dumps(message(body.decode())).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture(scope="module")
def told() -> Iterator[Ask]:
    """What upstream is asked for a legacy request."""
    with (
        serving(repeating) as upstream_url,
        serving(create_app(load_settings(upstream_url=upstream_url))) as url,
    ):

        def ask(asked: dict[str, Any], *, ascii_only: bool = True) -> dict[str, Any]:
            content = json.dumps(asked, ensure_ascii=ascii_only).encode()
            answer = fetch("POST", f"{url}/v1/complete", content=content, headers=KEY | V2)
            heard: dict[str, Any] = json.loads(answer.json()["completion"])
            return heard | {"adjustments": answer.headers.get("holdover-adjustments")}

        yield ask


@pytest.mark.one_in(4)
@pytest.mark.parametrize("ascii_only", [False, True], ids=["as it is", "escaped"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_long_prompt_goes_up_as_it_is(told: Ask, name: str, ascii_only: bool):
    text = TEXTS[name]
    prompt = f"Be brief.{text}\n\nHuman: a{text}\n\nAssistant: b{text}"

    heard = told(body(prompt=prompt), ascii_only=ascii_only)

    assert heard["system"] == f"Be brief.{text}"
    assert heard["messages"] == [
        {"role": "user", "content": f"a{text}"},
        {"role": "assistant", "content": f"b{text}"},
    ]


def test_many_turns_go_up_one_by_one(told: Ask):
    said = [f"{number} " + "a\n😀" * (number % 100) + "." for number in range(5001)]
    names = ("Human", "Assistant")
    turns = (f"\n\n{names[number % 2]}: {text}" for number, text in enumerate(said))

    heard = told(body(prompt="".join(turns) + "\n\nAssistant:"))

    assert [one["content"] for one in heard["messages"]] == said


def test_halves_of_pairs_are_mended_in_a_long_prompt(told: Ask):
    heard = told(body(prompt="\n\nHuman: a" + "\ud83d" * SIZE + "\n\nAssistant:"))

    assert heard["adjustments"] == "replace_lone_surrogate"
    assert heard["messages"][0]["content"] == "a" + "\ufffd" * SIZE


def message(text: str) -> dict[str, object]:
    content = [{"type": "text", "text": text}]
    return {"id": "msg_1", "content": content, "stop_reason": "end_turn", "usage": {}}


def event(kind: str, **fields: object) -> bytes:
    return b"data: " + json.dumps({"type": kind} | fields).encode() + b"\n\n"


def streamed(*texts: str) -> bytes:
    deltas = (
        event("content_block_delta", delta={"type": "text_delta", "text": text}) for text in texts
    )
    ended = event("message_delta", delta={"stop_reason": "end_turn"}), event("message_stop")
    return b"".join((event("message_start", message={"id": "msg_1"}), *deltas, *ended))


@pytest.fixture(scope="module")
def verbose() -> Iterator[str]:
    """A proxy whose upstream says what the header `x-harm` names."""
    acts = {
        f"whole {name}": says(WHOLE, b"\r\n", json.dumps(message(text)).encode())
        for name, text in TEXTS.items()
    } | {
        f"streamed {name}": says(STREAM, b"\r\n", streamed("b", text, "c"))
        for name, text in TEXTS.items()
    }
    with treacherous(acts) as upstream:
        settings = load_settings(upstream_url=upstream.url)
        with serving(create_app(settings)) as url:
            yield url


def asked_of(url: str, what: str, **more: object) -> httpx.Response:
    headers = KEY | V2 | {"x-harm": what}
    if more.pop("old", False):
        del headers["anthropic-version"]
    return fetch("POST", f"{url}/v1/complete", json=body(**more), headers=headers)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_long_answer_comes_down_as_it_is(verbose: str, name: str, old: bool):
    answer = asked_of(verbose, f"whole {name}", old=old)

    text = TEXTS[name]
    assert answer.json()["completion"].removeprefix(" ") == text
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("form", ["streamed", "whole"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_long_answer_is_streamed_as_it_is(verbose: str, name: str, form: str):
    new = asked_of(verbose, f"{form} {name}", stream=True)
    old = asked_of(verbose, f"{form} {name}", stream=True, old=True)

    said = f"b{TEXTS[name]}c" if form == "streamed" else TEXTS[name]
    assert text_of(new.content).removeprefix(" ") == said
    *_, (_, last), (_, done) = frames(old.content)
    assert last["completion"].removeprefix(" ") == said
    assert done == "[DONE]"
