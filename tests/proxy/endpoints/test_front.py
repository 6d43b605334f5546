import json
from typing import Any

import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from proxy.app import create_app
from proxy.config.sources import load_settings

pytestmark = pytest.mark.anyio


async def answer_to(**asked: Any) -> tuple[Message, Any]:
    """What is said to a request that a server hands over like this, before any of it is read."""
    said: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("It was read.")

    async def send(message: Message) -> None:
        said.append(message)

    default: Any = {
        "type": "http",
        "method": "GET",
        "query_string": b"",
        "headers": [],
        "client": None,
    }
    raw_path = asked.get("raw_path", b"/v1/complete")
    scope = default | {"raw_path": raw_path, "path": raw_path.decode("latin-1")} | asked
    await create_app(load_settings(upstream_url="http://127.0.0.1:1"))(scope, receive, send)
    start, end = said
    return start, json.loads(end["body"])


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "method", ["CONNECT", "TRACE", "PRI", "get", "Post", "GET ", "", "DEBUG", "TRACK", "X" * 5000]
)
@pytest.mark.parametrize("raw_path", [b"/v1/complete", b"/healthz", b"other.example:443", b"*"])
async def test_no_method_but_those_of_the_api_is_answered(method: str, raw_path: bytes):
    start, told = await answer_to(method=method, raw_path=raw_path)

    assert start["status"] == 405
    assert dict(start["headers"])[b"allow"] == b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert told["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("query", [b"a=\0", b"a=\r\nx: y", b"\x7f", b"a\tb"])
async def test_a_query_has_no_control_characters(query: bytes):
    start, told = await answer_to(method="POST", query_string=query)

    assert start["status"] == 400
    assert told["error"]["message"] == "query: percent-encode control characters"


@pytest.mark.parametrize("raw_path", [b"other.example:443", b"", b"\\v1\\complete", b"/v1/\xff"])
async def test_a_path_that_no_parser_would_let_through_is_refused_too(raw_path: bytes):
    start, _ = await answer_to(method="POST", raw_path=raw_path)

    assert start["status"] == 400


async def test_a_refused_request_is_in_the_log_and_takes_no_more_than_a_line_of_it():
    with capture_logs() as lines:
        await answer_to(method="X" * 5000, raw_path=b"/sk-ant-api03-secretsecret " + b"y " * 5000)

    [line] = lines
    assert (line["event"], line["method"], line["status"]) == ("refused", "X" * 32, 405)
    assert line["path"].startswith("/[key] y y y")
    assert len(line["path"]) == 1024
