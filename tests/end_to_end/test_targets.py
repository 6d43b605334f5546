"""What becomes of a target, however it is spelled: a page, upstream's, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.end_to_end.raw import Recorder, recording, say, spelled
from tests.end_to_end.targets import LEAVES_THE_BASE, LIKE_BEDROCKS, LIKE_OURS, STAYS_BELOW_IT
from tests.harness import KEY, body, running_proxy

pytestmark = pytest.mark.without_coverage

BASE: Final = b"/base/path"
KEY_LINE: Final = f"x-api-key: {KEY['x-api-key']}"


@dataclass(frozen=True)
class Way:
    """A proxy, and the upstream behind it."""

    url: str
    upstream: Recorder


@pytest.fixture(scope="module")
def way() -> Iterator[Way]:
    """To an upstream with a base path."""
    settings = {"allowed_hosts": ["other.example"]}
    with (
        recording() as upstream,
        running_proxy(upstream_url=upstream.url + BASE.decode(), **settings) as holdover,
    ):
        yield Way(holdover.url, upstream)


@pytest.fixture(scope="module")
def mounted() -> Iterator[Way]:
    """To an upstream with a base path, under a prefix."""
    settings = {"mount_prefix": "/my/app", "allowed_hosts": ["other.example"]}
    with (
        recording() as upstream,
        running_proxy(upstream_url=upstream.url + BASE.decode(), **settings) as holdover,
    ):
        yield Way(holdover.url, upstream)


def envelope(said: bytes) -> str:
    """The type of an error in the legacy envelope."""
    told = json.loads(said)
    assert set(told) == {"type", "error", "request_id"}
    assert told["type"] == "error"
    kind: str = told["error"]["type"]
    return kind


@pytest.mark.parametrize("target", LEAVES_THE_BASE)
def test_a_target_that_may_leave_the_base_path_goes_nowhere(way: Way, target: str):
    before = len(way.upstream.heads)

    for method in ("GET", "POST"):
        status, headers, said = say(way.url, spelled(method, target, KEY_LINE))

        assert (status, envelope(said)) == (400, "invalid_request_error")
        assert headers[b"cache-control"] == b"no-store"
    assert len(way.upstream.heads) == before


@pytest.mark.parametrize("target", STAYS_BELOW_IT)
def test_any_other_target_goes_up_as_it_is_spelled(way: Way, target: str):
    before = len(way.upstream.heads)

    status, _, said = say(way.url, spelled("GET", target, KEY_LINE))

    assert (status, said) == (200, b"ok")
    assert way.upstream.request_lines[before:] == [b"GET %b%b HTTP/1.1" % (BASE, target.encode())]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("target", LEAVES_THE_BASE + STAYS_BELOW_IT)
def test_a_mount_prefix_changes_nothing_of_that(way: Way, mounted: Way, target: str):
    outcomes = []
    for here, asked in [(way, target), (mounted, target), (mounted, f"/my/app{target}")]:
        before = len(here.upstream.heads)
        status, _, _ = say(here.url, spelled("GET", asked, KEY_LINE))
        outcomes.append((status, here.upstream.request_lines[before:]))

    if target.startswith("/"):
        assert outcomes[0] == outcomes[1] == outcomes[2]
    else:
        assert outcomes[0] == outcomes[1] == (400, [])


@pytest.mark.parametrize(
    "target", ["/my%2Fapp/v1/x", "/MY/app/v1/x", "/my;x/app/v1/x", "/my//app/v1"]
)
def test_what_is_no_prefix_goes_up_with_the_rest(mounted: Way, target: str):
    say(mounted.url, spelled("GET", target, KEY_LINE))

    assert mounted.upstream.request_lines[-1] == b"GET %b%b HTTP/1.1" % (BASE, target.encode())


def test_a_prefix_may_be_encoded_and_what_goes_up_is_what_follows_it(mounted: Way):
    say(mounted.url, spelled("GET", "/m%79/%61pp/v1/a%2Fb", KEY_LINE))

    assert mounted.upstream.request_lines[-1] == b"GET /base/path/v1/a%2Fb HTTP/1.1"


@pytest.mark.one_in(4)
@pytest.mark.parametrize("prefix", ["", "/my/app", "/MY/app", "/my%2Fapp"])
@pytest.mark.parametrize("target", LIKE_OURS)
def test_what_reads_like_a_page_of_ours_is_looked_for_here_alone(
    mounted: Way, prefix: str, target: str
):
    before = len(mounted.upstream.heads)

    for method in ("GET", "POST"):
        status, headers, said = say(mounted.url, spelled(method, prefix + target, KEY_LINE))

        assert (status, envelope(said)) == (404, "not_found_error")
        assert headers[b"cache-control"] == b"no-store"
    assert len(mounted.upstream.heads) == before


@pytest.mark.parametrize("target", ["/healthz", "/readyz", "/metrics"])
def test_a_page_of_ours_is_there_as_it_is_spelled_and_nobody_keeps_it(mounted: Way, target: str):
    for asked in (target, f"/my/app{target}", f"{target}?a=b"):
        for method in ("GET", "HEAD"):
            status, headers, _ = say(mounted.url, spelled(method, asked))

            assert (status, headers[b"cache-control"]) == (200, b"no-store")
            assert headers[b"x-content-type-options"] == b"nosniff"


def test_a_page_of_ours_says_which_methods_it_has(way: Way):
    status, headers, said = say(way.url, spelled("POST", "/readyz"))

    assert (status, envelope(said)) == (405, "invalid_request_error")
    assert headers[b"allow"] == b"get, head"


@pytest.mark.parametrize(
    "target",
    [
        *("/v1/complete", "//v1//complete", "/v1/v1/complete", "/v1/complete/", "/v1/%63omplete"),
        *("/v1%2Fcomplete", "/v1/%2563omplete", "/v1/Complete", "/v1\\complete", "/v1/complete;x"),
    ],
)
def test_what_reads_like_a_completion_is_translated(way: Way, target: str):
    say(way.url, spelled("POST", target, KEY_LINE, body=json.dumps(body()).encode()))

    assert way.upstream.request_lines[-1] == b"POST /base/path/v1/messages HTTP/1.1"


@pytest.mark.parametrize(
    "method",
    [
        "TRACE",
        "SEARCH",
        "MKCOL",
        "PURGE",
        "PROPFIND",
        "LOCK",
        "M-SEARCH",
        "QUERY",
        "LINK",
        "REPORT",
    ],
)
@pytest.mark.parametrize(
    "target",
    ["/", "/v1/complete", "/v1/messages", "/healthz", "/holdover/explain", "/v1/../x", "*"],
)
def test_a_method_of_nobody_here_is_refused_before_anything_else(
    way: Way, method: str, target: str
):
    before = len(way.upstream.heads)

    status, headers, said = say(way.url, spelled(method, target, KEY_LINE))

    assert (status, envelope(said)) == (405, "invalid_request_error")
    assert headers[b"allow"] == b"get, head, post, put, patch, delete, options"
    assert len(way.upstream.heads) == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_of_the_api_passes(way: Way, method: str):
    status, _, _ = say(way.url, spelled(method, "/v1/files/x", KEY_LINE))

    assert status == 200
    assert way.upstream.request_lines[-1] == f"{method} /base/path/v1/files/x HTTP/1.1".encode()


@pytest.mark.parametrize(
    "target", ["http://other.example/v1/x?y", "http://a:b@other.example:99/v1/x?y"]
)
def test_a_target_that_names_a_host_is_asked_of_ours(way: Way, target: str):
    status, _, _ = say(way.url, spelled("GET", target, KEY_LINE))

    assert status == 200
    assert way.upstream.request_lines[-1] == b"GET /base/path/v1/x?y HTTP/1.1"
    assert way.upstream.values(b"host") == [way.upstream.url.removeprefix("http://").encode()]


def test_a_target_that_names_a_host_which_is_not_served_is_refused(way: Way):
    before = len(way.upstream.heads)

    status, _, _ = say(way.url, spelled("GET", "http://evil.example/v1/x", KEY_LINE))

    assert status == 403
    assert len(way.upstream.heads) == before


@pytest.mark.parametrize("target", LIKE_BEDROCKS)
def test_a_call_to_bedrock_is_told_what_to_call_instead(way: Way, target: str):
    before = len(way.upstream.heads)
    signed = (
        "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261128/us-east-1/bedrock/"
        "aws4_request, SignedHeaders=host, Signature=00",
        "x-amz-security-token: session",
    )

    status, headers, said = say(way.url, spelled("POST", target, *signed, body=b'{"prompt":""}'))

    told = json.loads(said)
    assert (status, told["error"]["type"]) == (404, "not_found_error")
    assert "POST /v1/complete" in told["error"]["message"]
    assert told["message"] == told["error"]["message"]
    assert headers[b"x-amzn-errortype"] == b"resourcenotfoundexception"
    assert len(way.upstream.heads) == before
