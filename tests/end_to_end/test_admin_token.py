"""The admin token: it opens pages of ours, it goes nowhere else, and guessing gets nowhere."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from proxy.security.keyring import hash_token
from tests.end_to_end.raw import Recorder, recording, say, spelled
from tests.end_to_end.targets import LEAVES_THE_BASE, LIKE_BEDROCKS, LIKE_OURS, STAYS_BELOW_IT
from tests.harness import ADMIN, ADMIN_TOKEN, body, running_proxy
from tests.servers import fetch

BEARER: Final = f"authorization: Bearer {ADMIN_TOKEN}"
PAGE: Final = "/holdover/lessons"
SPELLINGS: Final = [
    (BEARER,),
    (f"authorization: bearer  {ADMIN_TOKEN} ",),
    (f"x-api-key: {ADMIN_TOKEN}",),
    (f"x-api-key: Bearer {ADMIN_TOKEN}",),
    (f"x-api-key: sk-own, {ADMIN_TOKEN}",),
    (f"authorization: {ADMIN_TOKEN}", "x-api-key: sk-own"),
    (f"authorization: Token {ADMIN_TOKEN}", "x-api-key: sk-own"),
    ("authorization: Bearer sk-own", BEARER),
    ("x-api-key: sk-own", BEARER),
    (f"api-key: {ADMIN_TOKEN}", "x-api-key: sk-own"),
]
KEYS: Final[dict[str, dict[str, Any]]] = {
    "the clients' own": {},
    "the server's": {"upstream_key": "sk-held"},
    "of a caller": {
        "callers": {
            "billing": {
                "token": f"sha256:{hash_token(ADMIN_TOKEN.encode())}",
                "upstream_key": "sk-held",
            }
        }
    },
}


@dataclass(frozen=True)
class Way:
    """A proxy with an admin token, and the upstream behind it."""

    url: str
    upstream: Recorder


@pytest.fixture(scope="module", params=KEYS.values(), ids=[*KEYS])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """With each kind of keys."""
    settings = {"admin_token": ADMIN_TOKEN} | request.param
    with recording() as upstream, running_proxy(upstream_url=upstream.url, **settings) as holdover:
        yield Way(holdover.url, upstream)


@pytest.mark.without_coverage
@pytest.mark.parametrize("lines", SPELLINGS)
@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", "/v1/complete"), ("GET", "/v1/models"), ("POST", "/v1/messages")],
)
def test_it_is_no_key_whatever_it_is_sent_as(
    way: Way, lines: tuple[str, ...], method: str, target: str
):
    before = len(way.upstream.heads)
    sent = json.dumps(body()).encode() if method == "POST" else b""

    status, headers, said = say(way.url, spelled(method, target, *lines, body=sent))

    told = json.loads(said)["error"]
    assert (status, told["type"]) == (401, "authentication_error")
    assert "It was not sent on" in told["message"]
    assert ADMIN_TOKEN not in told["message"]
    assert headers[b"cache-control"] == b"no-store"
    assert len(way.upstream.heads) == before


@pytest.mark.without_coverage
@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "target", [*LEAVES_THE_BASE, *STAYS_BELOW_IT, *LIKE_OURS, *LIKE_BEDROCKS, "/v1/complete"]
)
def test_it_goes_upstream_by_no_target(way: Way, target: str):
    before = len(way.upstream.heads)

    for method in ("GET", "POST", "TRACE"):
        for line in (BEARER, f"x-api-key: {ADMIN_TOKEN}"):
            status, _, _ = say(way.url, spelled(method, target, line))
            assert status in {400, 401, 403, 404, 405}
    assert len(way.upstream.heads) == before


def test_it_opens_its_pages_to_nobody_else(way: Way):
    statuses = [
        say(way.url, spelled("GET", PAGE, *lines))[0]
        for lines in [
            (BEARER,),
            (),
            ("authorization: Bearer guess",),
            (f"x-api-key: {ADMIN_TOKEN}",),
        ]
    ]

    assert statuses == [200, 401, 401, 401]


@pytest.mark.parametrize(
    ("method", "target", "status", "allowed"),
    [
        ("GET", PAGE, 200, None),
        ("HEAD", PAGE, 200, None),
        ("POST", PAGE, 405, b"get, head"),
        ("GET", "/holdover/explain", 405, b"post"),
        ("POST", "/holdover/explain", 400, None),
        ("GET", "/holdover/rollout", 200, None),
        ("GET", "/holdover", 404, None),
        ("DELETE", "/holdover/other", 404, None),
    ],
)
def test_nobody_keeps_a_page_that_it_opens(
    way: Way, method: str, target: str, status: int, allowed: bytes | None
):
    told, headers, _ = say(way.url, spelled(method, target, BEARER))

    assert (told, headers.get(b"allow")) == (status, allowed)
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"content-type"] == b"application/json"


def test_who_guesses_is_logged_counted_and_slowed_down_and_locks_nobody_out():
    with recording() as up, running_proxy(upstream_url=up.url, admin_token=ADMIN_TOKEN) as holdover:
        with capture_logs() as lines:
            told = [
                say(holdover.url, spelled("GET", PAGE, f"authorization: Bearer guess-{number}"))
                for number in range(15)
            ]
            missing = say(holdover.url, spelled("GET", PAGE))
            opened = say(holdover.url, spelled("GET", PAGE, BEARER))
            misplaced = say(holdover.url, spelled("GET", "/v1/models", BEARER))
        _, _, numbers = say(holdover.url, spelled("GET", "/metrics"))

    assert [status for status, _, _ in told] == [401] * 10 + [429] * 5
    assert json.loads(told[-1][2])["error"]["type"] == "rate_limit_error"
    assert 0 < int(told[-1][1][b"retry-after"]) <= 60
    assert (missing[0], opened[0], misplaced[0]) == (401, 200, 401)
    tries = [line for line in lines if line["event"].startswith("admin_token_")]
    assert tries == [
        *[{"event": "admin_token_refused", "log_level": "warning", "peer": "127.0.0.1"}] * 10,
        {"event": "admin_token_misplaced", "log_level": "warning", "peer": "127.0.0.1"},
    ]
    assert "guess-" not in str(lines)
    assert ADMIN_TOKEN not in str(lines)
    for reason, count in [("wrong", 10), ("slowed", 5), ("misplaced", 1)]:
        series = f'holdover_admin_token_refused_total{{reason="{reason}"}} {count}.0'
        assert series.encode() in numbers


def test_of_many_guesses_at_once_each_is_answered_and_its_connection_closed():
    async def guess(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        # Without `connection: close`: it is the server that ends it.
        writer.write(
            f"GET {PAGE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x\r\n\r\n".encode()
        )
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 429 " in answer:
            await reader.read()
        writer.close()
        return answer

    async def guesses(port: int) -> list[bytes]:
        return await asyncio.gather(*(guess(port) for _ in range(300)))

    with recording() as up, running_proxy(upstream_url=up.url, admin_token=ADMIN_TOKEN) as holdover:
        answers = asyncio.run(guesses(int(holdover.url.rpartition(":")[2])))

    assert [b" 429 " in answer for answer in answers].count(True) == 290


def test_an_empty_admin_token_opens_nothing():
    with running_proxy(admin_token="") as holdover:
        told = fetch("GET", f"{holdover.url}/holdover/lessons", headers={"authorization": "Bearer"})

    assert told.status_code == 404


@pytest.mark.parametrize("path", ["//holdover/lessons", "/holdover", "/deep/holdover/lessons"])
def test_the_admin_token_never_goes_upstream(path: str):
    with running_proxy(mount_prefix="/deep", admin_token=ADMIN_TOKEN) as holdover:
        told = fetch("GET", holdover.url + path, headers=ADMIN)

        assert holdover.received() == []
    assert told.status_code == (200 if path.startswith("/deep") else 404)


def test_a_client_that_goes_while_it_asks_to_explain_is_no_error():
    with running_proxy(admin_token=ADMIN_TOKEN) as holdover:
        host, port = holdover.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /holdover/explain HTTP/1.1\r\nhost: localhost\r\nauthorization: %b\r\n"
                b"content-length: 99\r\n\r\n{" % ADMIN["authorization"].encode()
            )

        assert holdover.complete().status_code == 200
