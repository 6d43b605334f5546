"""What people reported elsewhere about legacy clients and almost-right upstreams, tried here.

Where each was found, and what came of it at first try: tests/corpus/REPORTS.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.harness import KEY, PROMPT, V2, ProxyUnderTest, body, frames, running_proxy, text_of
from tests.servers import fetch

Answer = Callable[[dict[str, Any]], ASGIApp]


def upstream(answer: Answer) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        said = json.loads(await Request(scope, receive).body())
        await answer(said)(scope, receive, send)

    return app


def message(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    } | fields


def events(*texts: str, end: bool = True, space: str = " ", reason: str = "end_turn") -> bytes:
    head = message("", content=[], stop_reason=None)
    start = {"type": "content_block_start", "index": 0}
    said: list[dict[str, Any]] = [
        {"type": "message_start", "message": head},
        start | {"content_block": {"type": "text", "text": ""}},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }
            for text in texts
        ),
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}},
    ]
    said += [{"type": "message_stop"}] if end else []
    return b"".join(
        f"event:{space}{event['type']}\ndata:{space}{json.dumps(event)}\n\n".encode()
        for event in said
    )


def streaming(data: bytes) -> Answer:
    return lambda _: Response(data, media_type="text/event-stream")


def asked(answer: Answer, **fields: Any) -> httpx.Response:
    with running_proxy(upstream(answer)) as holdover:
        return holdover.complete(**fields)


def streamed(answer: Answer, **fields: Any) -> str:
    with running_proxy(upstream(answer)) as holdover:
        said = holdover.stream(headers=V2, **fields)
    assert frames(said)[-1][1]["stop_reason"], "it did not end well"
    return text_of(said)


def test_events_without_a_space_after_the_colon_are_read():
    assert streamed(streaming(events("Hello", " there", space=""))) == " Hello there"


def test_a_stream_without_its_last_event_is_whole():
    assert streamed(streaming(events("Hello", end=False))) == " Hello"


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_a_stream_where_a_whole_answer_was_asked_for_becomes_one(kind: str):
    said = events("Hello", " there EN", "D and more")
    answer = asked(lambda _: Response(said, media_type=kind), stop_sequences=["END"])

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json()["completion"], answer.json()["stop"]) == (" Hello there ", "END")


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (events("Hello").partition(b"event: message_delta")[0], 502, "ended the stream too soon"),
        (
            events("Hello").partition(b"event: message_delta")[0]
            + b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
            b'"message":"Overloaded"}}\n\n',
            *(529, "Overloaded"),
        ),
        (
            events("Hello").partition(b"event: message_delta")[0]
            + b'data: {"error":{"message":"Out of credits","type":"None","code":"402"}}\n\n',
            *(500, "Out of credits"),
        ),
        (b"data: [DONE]\n\n", 502, "ended the stream too soon"),
    ],
    ids=["broken off", "an error", "an error of a gateway", "no message"],
)
def test_a_stream_that_fails_where_a_whole_answer_was_asked_for_is_an_error(
    said: bytes, status: int, reason: str
):
    answer = asked(streaming(said))

    assert answer.status_code == status
    assert reason in answer.json()["error"]["message"]


def test_a_refusal_that_is_framed_as_an_event_is_learnt_from():
    refused = b'data: {"error":{"message":"`temperature` is deprecated for this model."}}\n\n'

    def refuse_temperature(said: dict[str, Any]) -> ASGIApp:
        if "temperature" in said:
            return Response(refused, 400, media_type="text/event-stream")
        return JSONResponse(message("Hi"))

    assert asked(refuse_temperature, model="m", temperature=0.5).json()["completion"] == " Hi"
    answer = asked(lambda _: Response(refused, 400, media_type="text/event-stream"))
    assert answer.json()["error"]["message"] == "`temperature` is deprecated for this model."


def test_an_upstream_that_ignores_stop_sequences_is_cut_here():
    said = streaming(events("ABC", "DEF E", "ND and more"))

    assert streamed(said, stop_sequences=["END"]) == " ABCDEF "


def test_an_upstream_that_cuts_but_says_end_turn_is_a_natural_end():
    answer = asked(lambda _: JSONResponse(message("ABC")), stop_sequences=["END"])

    assert answer.json()["completion"] == " ABC"
    assert answer.json()["stop_reason"] == "stop_sequence"


def test_done_in_a_text_ends_nothing():
    assert streamed(streaming(events("data: [DONE]", "\n\nand on"))) == " data: [DONE]\n\nand on"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        *(("model_context_window_exceeded", "max_tokens"), ("max_tokens", "max_tokens")),
        *(("pause_turn", "stop_sequence"), ("refusal", "stop_sequence")),
        *(("a_reason_of_next_year", "stop_sequence"),),
    ],
)
def test_every_stop_reason_is_one_of_the_two_that_old_clients_know(reason: str, told: str):
    answer = asked(lambda _: JSONResponse(message("Hi", stop_reason=reason)))

    assert answer.json()["stop_reason"] == told
    assert answer.headers["holdover-stop-reason"] == reason


def test_the_reason_inside_a_gateway_s_error_reaches_the_client():
    reason = "The maximum tokens you requested exceeds the model limit of 4096."
    answer = asked(lambda _: JSONResponse({"message": reason}, 400))

    assert answer.json()["error"] == {"type": "invalid_request_error", "message": reason}


def test_a_request_without_max_tokens_is_told_what_is_missing(holdover: ProxyUnderTest):
    answer = holdover.complete(max_tokens_to_sample=...)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "max_tokens_to_sample: field required"


def test_a_prompt_that_ends_in_white_space_after_its_prefill_is_accepted(
    holdover: ProxyUnderTest,
):
    answer = holdover.complete(prompt=f"{PROMPT} Sure: \n")

    assert answer.status_code == 200
    assert holdover.last_received()["body"]["messages"][-1]["content"] == "Sure:"


@pytest.mark.parametrize(
    "name",
    [
        *("claude-instant-v1", "claude-instant-v1-100k", "claude-instant-v1.0"),
        *("claude-instant-v1.1", "claude-instant-v1.1-100k", "claude-v1", "claude-v1-100k"),
        *("claude-v1.0", "claude-v1.2", "claude-v1.3", "claude-v1.3-100k"),
    ],
)
def test_every_name_of_a_chat_program_s_menu_is_answered(holdover: ProxyUnderTest, name: str):
    assert holdover.complete(model=name).status_code == 200


def test_a_whole_answer_to_a_stream_that_was_asked_for_is_streamed():
    assert streamed(lambda _: JSONResponse(message("Hello"))) == " Hello"


def test_a_body_with_a_byte_order_mark_is_read(holdover: ProxyUnderTest):
    content = b"\xef\xbb\xbf" + json.dumps(body()).encode()
    answer = fetch("POST", f"{holdover.url}/v1/complete", content=content, headers=KEY | V2)

    assert answer.status_code == 200
