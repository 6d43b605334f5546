import pytest

from proxy.errors import MissingKey
from proxy.headers import end_to_end, joined, passed_down, retry_after
from proxy.security.credentials import Credential, find_credential
from proxy.traffic import detect_sdk


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([(b"x-api-key", b" k ")], Credential(b"x-api-key", b"k", b"k")),
        (
            [(b"authorization", b"Bearer t")],
            Credential(b"authorization", b"Bearer t", b"t"),
        ),
        (
            [(b"x-api-key", b""), (b"authorization", b"BEARER t")],
            Credential(b"authorization", b"Bearer t", b"t"),
        ),
        (
            [(b"authorization", b"Bearer t"), (b"x-api-key", b"k")],
            Credential(b"x-api-key", b"k", b"k"),
        ),
    ],
)
def test_exactly_one_credential_is_found(headers, found):
    assert find_credential(headers) == found


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-api-key", b" ")],
        [(b"authorization", b"Basic dTpw")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer t, Basic dTpw")],
        [(b"authorization", b"Bearer\tt")],
        [(b"authorization", b"AWS4-HMAC-SHA256 Credential=AKID, SignedHeaders=host, Signature=0")],
    ],
)
def test_no_credential_is_a_missing_key(headers):
    with pytest.raises(MissingKey, match="x-api-key header is required"):
        find_credential(headers)


def test_a_repeated_header_reads_as_one_joined_by_commas():
    headers = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]

    assert (joined(headers, b"a"), joined(headers, b"c")) == ("1, 3", None)


def test_what_belongs_to_one_connection_never_passes():
    headers = [
        (b"connection", b"close, X-Mine"),
        (b"x-mine", b"1"),
        (b"keep-alive", b"5"),
        (b"te", b"trailers"),
        (b"x-yours", b"2"),
    ]

    assert end_to_end(headers) == [(b"x-yours", b"2")]


def test_only_what_the_api_says_to_its_caller_comes_down():
    headers = [
        (b"request-id", b"req_1"),
        (b"retry-after", b"1"),
        (b"anthropic-ratelimit-requests-limit", b"5"),
        (b"set-cookie", b"a=b"),
        (b"content-encoding", b"gzip"),
        (b"cf-ray", b"x"),
    ]

    assert [name for name, _ in passed_down(headers)] == [
        *(b"request-id", b"retry-after", b"anthropic-ratelimit-requests-limit")
    ]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"retry-after", b"7")], 7),
        ([(b"retry-after", b"0.5")], 0.5),
        ([(b"retry-after", b"7"), (b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"7"), (b"retry-after-ms", b"soon")], 7),
        ([(b"retry-after", b"Mon, 23 Nov 2026 09:00:00 GMT")], None),
        ([(b"retry-after", b"-1")], None),
        ([(b"retry-after", b"inf")], None),
        ([(b"retry-after", b"nan")], None),
        ([(b"retry-after", b"")], None),
        ([], None),
    ],
)
def test_how_long_upstream_wants_to_be_left_alone(headers, seconds):
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("headers", "sdk"),
    [
        ([(b"client", b"anthropic-python/0.2.2")], "python 0.2.2"),
        ([(b"anthropic-sdk", b"anthropic-typescript/0.4.4")], "typescript 0.4.4"),
        (
            [(b"x-stainless-lang", b"js"), (b"x-stainless-package-version", b"0.20.9")],
            "js 0.20.9",
        ),
        ([(b"client", b"sourcegraph/1.0")], None),
        ([(b"x-stainless-lang", b"js")], None),
        ([], None),
    ],
)
def test_an_sdk_is_known_by_its_own_headers(headers, sdk):
    assert detect_sdk(headers) == sdk


@pytest.mark.parametrize("name", [b"x-accel-redirect", b"x-sendfile", b"x_sendfile", b"holdover_a"])
def test_upstream_gives_no_orders_to_the_server_in_front_of_us(name):
    assert end_to_end([(name, b"/etc/passwd"), (b"etag", b"1")]) == [(b"etag", b"1")]


def test_what_is_of_one_connection_is_named_there_in_any_spelling():
    assert end_to_end([(b"connection", b"X_One, two"), (b"x-one", b"1"), (b"two", b"2")]) == []
