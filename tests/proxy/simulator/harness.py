"""Builders of valid requests, and readers of the simulator's responses."""

from __future__ import annotations

import json
import ssl
from typing import Any

import httpx

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # spares every client loading certificates

HEADERS = {"x-api-key": "sk-ant-api03-right", "anthropic-version": "2023-06-01"}


def question(text: str = "Hello there", **changes: Any) -> dict[str, Any]:
    """Return a valid request body; a change to None removes the field."""
    body = {
        "model": "claude-haiku-4-5",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": text}],
    } | changes
    return {name: value for name, value in body.items() if value is not None}


def turns(*texts: str) -> list[dict[str, str]]:
    """Return messages with alternating roles, starting with the user."""
    return [
        {"role": "assistant" if index % 2 else "user", "content": text}
        for index, text in enumerate(texts)
    ]


def ask(
    url: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    *,
    path: str = "/v1/messages",
    **simulate: str,
) -> httpx.Response:
    """Post a request; `pings="2"` becomes the header `simulate-pings: 2`."""
    simulated = {f"simulate-{name.replace('_', '-')}": value for name, value in simulate.items()}
    sent = HEADERS if headers is None else headers
    with httpx.Client(verify=_NO_TLS) as client:
        return client.post(url + path, json=body or question(), headers={**sent, **simulated})


def stream(url: str, body: dict[str, Any] | None = None, **simulate: Any) -> httpx.Response:
    return ask(url, {**(body or question()), "stream": True}, **simulate)


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Return the status and message of an error response, after checking its shape."""
    error = response.json()
    assert list(error) == ["type", "error", "request_id"]
    assert error["type"] == "error"
    assert error["request_id"] == response.headers["request-id"]
    return response.status_code, error["error"]["message"]


def text_of(response: httpx.Response) -> str:
    return "".join(block.get("text", "") for block in response.json()["content"])


def events(response: httpx.Response) -> list[tuple[str, Any]]:
    """Return the name and decoded data of each event."""
    assert response.content.endswith(b"\n\n")
    frames = response.content.decode().removesuffix("\n\n").split("\n\n")
    lines = [frame.split("\n") for frame in frames]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in lines
    ]


def deltas(response: httpx.Response) -> list[str]:
    return [
        data["delta"]["text"]
        for name, data in events(response)
        if name == "content_block_delta" and data["delta"]["type"] == "text_delta"
    ]
