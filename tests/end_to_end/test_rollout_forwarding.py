"""What a rule forwards: the client's own request up, the legacy upstream's own words down."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fleet import Fleet, marked, running_fleet
from tests.harness import KEY, body

pytestmark = pytest.mark.unmeasured

RULES = """
[[rollout]]
name = "as-it-comes"
action = "forward"
"""
BODY = (
    '{ "model":"claude-2.1",\n  "max_tokens_to_sample" : 50, "temperature":1.0,'
    '"prompt":"\\n\\nHuman: caf\\u00e9 \N{SNOWMAN}\\n\\nAssistant:"'
).encode()
WHOLE, STREAMED = BODY + b" }\n", BODY + b', "stream": true }'
V1, V2 = {"anthropic-version": ...}, {"anthropic-version": "2023-06-01"}
OF_ONE_CONNECTION = {"host", "connection"}
OF_THE_ORIGIN = {"strict-transport-security", "alt-svc", "nel", "report-to"}
_ID = re.compile(rb'(?<=id":")[^"]+')


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), RULES, workers=2) as running:
        yield running


def ask(fleet: Fleet, url: str, headers: dict[str, Any], content: bytes) -> httpx.Response:
    """Ask for an answer and read its bytes as they are on the wire; a broken one up to there."""
    sent = marked({"accept-encoding": "gzip", "user-agent": "Anthropic/Python 0.3.11"} | headers)
    url = f"{url}/v1/complete?a=%2Fb&c=d%20e&a=2"
    with fleet.client.stream("POST", url, content=content, headers=sent) as answer:
        pieces: list[bytes] = []
        try:
            pieces.extend(answer.iter_raw())
        except httpx.RemoteProtocolError:
            pieces.append(b"...and broken off")
    answer.extensions["raw"] = b"".join(pieces)
    return answer


def said(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and bytes, but for the numbers that each answer of a simulator has."""
    headers = dict(answer.headers)
    headers.pop("holdover-rule", None)
    for name in OF_THE_ORIGIN:  # said of a host that the client did not ask
        headers.pop(name, None)
    headers["request-id"] = str("request-id" in headers)
    content: bytes = answer.extensions["raw"]
    if headers.get("content-encoding") == "gzip":
        headers.pop("content-length", None)
        content = gzip.decompress(content)
    return answer.status_code, headers, _ID.sub(b"...", content)


@pytest.mark.one_in(10)
@pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("content", [WHOLE, STREAMED], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "manner",
    [
        {},
        {"simulate-gzip": "1"},
        {"simulate-text": '""'},
        {"simulate-stop-sequence": '"END"'},
        {"simulate-pings": "3", "simulate-comments": "1", "simulate-unknown-events": "1"},
        {"simulate-newline": "cr", "simulate-trailing-junk": "1"},
        {"simulate-write": "7"},
        {"simulate-error": "400"},
        {"simulate-error": "401"},
        {"simulate-error": "404"},
        {"simulate-error": "429", "simulate-retry-after": "7", "simulate-should-retry": "true"},
        {"simulate-error": "529"},
        {"simulate-error": "500", "simulate-error-shape": "html"},
        {"simulate-error": "502", "simulate-error-shape": "cloudflare"},
        {"simulate-error": "503", "simulate-error-shape": "empty"},
        {"simulate-error-after-events": "2"},
        {"simulate-status": "299"},
        {"simulate-content-type": "text/plain"},
        {"simulate-break-after-bytes": "90"},
    ],
    ids=lambda manner: ",".join(f"{name[9:]}={value}" for name, value in manner.items()) or "usual",
)
def test_the_client_gets_what_the_legacy_upstream_says(
    fleet: Fleet, version: dict[str, Any], content: bytes, manner: dict[str, str]
):
    through = ask(fleet, fleet.url, version | manner, content)
    direct = ask(fleet, fleet.legacy_url, version | manner, content)

    assert said(through) == said(direct)
    assert through.headers["holdover-rule"] == "as-it-comes"


@pytest.mark.parametrize("content", [WHOLE, STREAMED, b"", b"\xff{not json"])
def test_the_legacy_upstream_gets_what_the_client_sends(fleet: Fleet, content: bytes):
    headers = V1 | {
        "x-note": "caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(),
        "x-stainless-retry-count": "2",
        "anthropic-beta": "something-2023",
        "cookie": "session=1",
        "content-type": "application/json; charset=utf-8",
    }
    through = ask(fleet, fleet.url, headers, content)
    direct = ask(fleet, fleet.legacy_url, headers, content)

    who, heard = fleet.upstream_request(through)
    _, expected = fleet.upstream_request(direct)
    assert who == "legacy"
    assert (heard["method"], heard["path"], heard["query"]) == (
        *("POST", "/v1/complete"),
        "a=%2Fb&c=d%20e&a=2",
    )
    assert heard["raw"] == expected["raw"] == content.decode(errors="replace")
    assert headers_of(heard) == headers_of(expected)


def headers_of(received: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted(
        (name, value)
        for name, value in received["headers"]
        if name not in OF_ONE_CONNECTION | {"x-marker"}
    )


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_a_key_goes_up_in_the_header_it_came_in(fleet: Fleet, header: str):
    value = "sk-ant-api03-mine" if header == "x-api-key" else "Bearer sk-ant-api03-mine"
    answer = ask(fleet, fleet.url, {"x-api-key": ..., header: value}, WHOLE)

    heard = dict(fleet.upstream_request(answer)[1]["headers"])
    assert heard[header] == value
    assert {"x-api-key", "authorization"} & set(heard) == {header}


def test_a_stream_is_forwarded_piece_by_piece(fleet: Fleet):
    headers = marked({"simulate-delay-events": "30"})
    with fleet.client.stream(
        "POST",
        f"{fleet.url}/v1/complete",
        json=body(model="claude-2.1", stream=True),
        headers=headers,
    ) as answer:
        pieces = [piece for piece in answer.iter_raw() if piece]

    assert len(pieces) > 5
    assert all(piece.endswith(b"\r\n\r\n") for piece in pieces)


@pytest.mark.parametrize("path", ["/v1/v1/complete", "//v1/complete/", "/v1/complete"])
def test_however_a_client_spells_the_path_the_legacy_upstream_knows_it(fleet: Fleet, path: str):
    answer = fleet.client.post(fleet.url + path, content=WHOLE, headers=marked())

    assert answer.status_code == 200
    assert fleet.upstream_request(answer)[1]["path"] == "/v1/complete"


def test_an_error_of_the_legacy_upstream_is_blamed_on_who_is_to_blame(fleet: Fleet):
    blamed = {}
    for status in ("200", "400", "429", "500", "529"):
        manner = {} if status == "200" else {"simulate-error": status}
        answer = fleet.post(manner, model="claude-2.1")
        line = fleet.record(answer)
        blamed[str(line["status"])] = (line["blame"], line["error_type"])

    assert blamed == {
        "200": ("nobody", None),
        "400": ("client", "invalid_request_error"),
        "429": ("client", "rate_limit_error"),
        "500": ("upstream", "api_error"),
        "529": ("upstream", "overloaded_error"),
    }


def test_a_request_without_a_key_is_refused_here(fleet: Fleet):
    answer = fleet.post({"x-api-key": ...})

    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "x-api-key header is required"
    assert KEY["x-api-key"] not in answer.text
