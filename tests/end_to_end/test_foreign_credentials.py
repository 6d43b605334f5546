"""Of what a client sends, what may reach an upstream: on forwarded paths and on both legs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.end_to_end.raw import Recorder, recording, say, spelled
from tests.harness import body, running_proxy

HELD: Final = "sk-held-by-the-server"
RULES: Final = [
    {"name": "old", "match": {"header": {"x-leg": "legacy"}}, "action": "forward"},
    {"name": "new", "action": "translate"},
]
SIGNATURE: Final = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261128/us-east-1/bedrock/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0123456789abcdef"
)
SIGNED: Final = (
    f"authorization: {SIGNATURE}",
    "x-amz-security-token: session-secret",
    "x-amz-date: 20261128T000000Z",
    "x-amz-content-sha256: 00",
    "X-Amz-Signature: 0123456789abcdef",
)
OTHERS: Final = [
    ("authorization: Basic YTpzZWNyZXQ=",),
    ("authorization: basic YTpzZWNyZXQ=",),
    ("authorization: Digest username=secret",),
    ("authorization: Negotiate secret",),
    ("authorization: secret",),
    ("authorization: Bearer\tsecret",),
    ("authorization: Bearer of, Basic secret",),
    ("authorization: BearerX secret",),
    ("authorization: GoogleLogin auth=secret",),
    ("proxy-authorization: Basic YTpzZWNyZXQ=", "authorization: Basic YTpzZWNyZXQ="),
    SIGNED,
]
SECRETS: Final = (b"secret", b"YTpzZWNyZXQ=", b"AKIDEXAMPLE", b"0123456789abcdef", b"x-amz-")


@dataclass(frozen=True)
class Ways:
    """All ways through one proxy, and the upstream at the end of each."""

    url: str
    upstream: Recorder

    def go(self, way: str, *lines: str) -> tuple[int, bytes | None]:
        """Go one of them; the status, and the head that came out at the end."""
        before = len(self.upstream.heads)
        if way == "path":
            request = spelled("GET", "/v1/models", *lines)
        else:
            sent = json.dumps(body()).encode()
            request = spelled("POST", "/v1/complete", f"x-leg: {way}", *lines, body=sent)
        status, _, _ = say(self.url, request)
        heads = self.upstream.heads[before:]
        assert len(heads) < 2
        return status, heads[0] if heads else None


WAYS = pytest.mark.parametrize("way", ["path", "messages", "legacy"])


@pytest.fixture(scope="module")
def passing() -> Iterator[Ways]:
    """Clients' keys pass through."""
    with (
        recording() as up,
        running_proxy(upstream_url=up.url, legacy_url=up.url, rollout=RULES) as holdover,
    ):
        yield Ways(holdover.url, up)


@pytest.fixture(scope="module")
def holding() -> Iterator[Ways]:
    """The server's key is used for everybody."""
    with (
        recording() as up,
        running_proxy(
            upstream_url=up.url, legacy_url=up.url, rollout=RULES, upstream_key=HELD
        ) as holdover,
    ):
        yield Ways(holdover.url, up)


@WAYS
@pytest.mark.parametrize("lines", OTHERS)
def test_a_credential_that_upstream_may_not_see_is_refused_where_it_is_the_only_one(
    passing: Ways, way: str, lines: tuple[str, ...]
):
    assert passing.go(way, *lines) == (401, None)


@pytest.mark.without_coverage
@WAYS
@pytest.mark.parametrize("lines", OTHERS)
@pytest.mark.parametrize("key", ["x-api-key: sk-own", "authorization: bearer sk-own"])
def test_a_credential_that_upstream_may_not_see_ends_here_beside_one_that_it_may(
    passing: Ways, way: str, lines: tuple[str, ...], key: str
):
    _, head = passing.go(way, key, *lines)

    assert head is not None
    assert b"sk-own" in head
    assert [secret for secret in SECRETS if secret in head.lower()] == []


@pytest.mark.parametrize("way", ["path", "messages"])
@pytest.mark.parametrize("lines", [*OTHERS, ("api-key: secret", "x-goog-api-key: secret")])
def test_a_key_of_the_servers_goes_up_alone(holding: Ways, way: str, lines: tuple[str, ...]):
    _, head = holding.go(way, *lines)

    assert head is not None
    assert HELD.encode() in head
    assert [secret for secret in SECRETS if secret in head.lower()] == []


def test_a_refused_credential_is_told_what_to_send_instead(passing: Ways):
    status, headers, said = say(passing.url, spelled("GET", "/v1/models", *SIGNED))

    told = json.loads(said)["error"]
    assert (status, told["type"]) == (401, "authentication_error")
    assert "Send an API key as x-api-key" in told["message"]
    assert "AKIDEXAMPLE" not in told["message"]
    assert headers[b"cache-control"] == b"no-store"


def test_a_forwarded_request_without_any_credential_is_upstreams_to_judge(passing: Ways):
    status, head = passing.go("path", "x-amz-cf-id: added-by-a-cdn")

    assert status == 200
    assert head is not None
    assert b"x-amz-" not in head.lower()


def test_keys_of_other_clouds_pass_on_forwarded_paths_where_keys_are_the_clients(passing: Ways):
    _, head = passing.go("path", "x-api-key: sk-own", "api-key: sk-own")

    assert head is not None
    assert head.lower().count(b"sk-own") == 2


@WAYS
def test_no_header_says_another_target_than_the_one_that_was_checked(passing: Ways, way: str):
    others = ("x-original-url: /admin", "X-Rewrite-URL: /admin", "x-http-method-override: TRACE")

    _, head = passing.go(way, "x-api-key: sk-own", *others, "x-http-method: TRACE", "x-kept: 1")

    assert head is not None
    assert (b"/admin" in head, b"TRACE" in head, b"x-kept: 1" in head.lower()) == (
        False,
        False,
        True,
    )


@WAYS
def test_names_of_ours_end_here(passing: Ways, way: str):
    _, head = passing.go(way, "x-api-key: sk-own", "holdover-rule: x", "Holdover-Anything: y")

    assert head is not None
    assert b"holdover-" not in head.lower()


@pytest.mark.parametrize("way", ["path", "legacy"])
def test_an_upstream_speaks_neither_for_us_nor_for_our_host(way: str):
    said = (
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nHoldover-Rule: forged\r\nholdover-model: x\r\n"
        b"Strict-Transport-Security: max-age=9; includeSubDomains\r\nalt-svc: h3=':443'\r\n"
        b"clear-site-data: '*'\r\nreport-to: {}\r\nnel: {}\r\nreporting-endpoints: a='b'\r\n"
        b"x-kept: 1\r\n\r\n{}"
    )
    with (
        recording() as up,
        running_proxy(upstream_url=up.url, legacy_url=up.url, rollout=RULES) as holdover,
    ):
        up.answer = said
        if way == "path":
            request = spelled("GET", "/v1/models", "x-api-key: k")
        else:
            sent = json.dumps(body()).encode()
            request = spelled("POST", "/v1/complete", "x-leg: legacy", "x-api-key: k", body=sent)
        status, headers, _ = say(holdover.url, request)

    ours = {b"holdover-rule": b"old"} if way == "legacy" else {}
    assert status == 200
    assert headers == {b"content-length": b"2", b"x-kept": b"1", b"connection": b"close"} | ours
