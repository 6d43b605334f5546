import gzip
import json

import httpx
import pytest

from proxy.simulator.catalogue.betas import KNOWN_BETAS
from tests.proxy.simulator.harness import HEADERS, ask, question, refusal
from tests.servers import fetch

KEY = {"x-api-key": "sk-ant-api03-right"}
VERSION = {"anthropic-version": "2023-06-01"}


def post(url: str, content: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return fetch("POST", f"{url}/v1/messages", content=content, headers={**HEADERS, **named})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (VERSION, "x-api-key header is required"),
        (VERSION | {"x-api-key": ""}, "x-api-key header is required"),
        (VERSION | {"authorization": "Basic abc"}, "x-api-key header is required"),
        (VERSION | {"x-api-key": "sk-invalid"}, "invalid x-api-key"),
        (VERSION | {"authorization": "Bearer invalid"}, "Invalid bearer token"),
        (VERSION | {"x-api-key": "invalid", "authorization": "Bearer ok"}, "invalid x-api-key"),
    ],
)
def test_a_missing_or_wrong_key_is_refused(url, headers, expected):
    response = ask(url, headers=headers)

    assert refusal(response) == (401, expected)
    assert response.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize(
    "headers",
    [
        VERSION | {"authorization": "Bearer sk-ant-api03-right"},
        VERSION | KEY | {"authorization": "Bearer invalid"},
    ],
)
def test_a_bearer_token_is_accepted_and_ignored_next_to_a_key(url, headers):
    assert ask(url, headers=headers).status_code == 200


def test_a_version_is_required(url):
    assert refusal(ask(url, headers=KEY)) == (400, "anthropic-version: header is required")


def test_only_published_versions_are_valid(url):
    response = ask(url, headers=KEY | {"anthropic-version": "2023-10-01"})

    assert refusal(response) == (400, 'anthropic-version: "2023-10-01" is not a valid version')


def test_a_version_header_sent_twice_is_invalid(url):
    twice = [*KEY.items(), *VERSION.items(), *VERSION.items()]
    response = fetch("POST", f"{url}/v1/messages", json=question(), headers=twice)

    expected = 'anthropic-version: "2023-06-01, 2023-06-01" is not a valid version'
    assert refusal(response) == (400, expected)


@pytest.mark.parametrize("version", ["2023-01-01", "2023-06-01", "2026-10-21"])
def test_every_published_version_is_accepted(url, version):
    assert ask(url, headers=KEY | {"anthropic-version": version}).status_code == 200


def test_an_unknown_beta_is_refused_by_name(url):
    known = "context-1m-2025-08-07"
    response = ask(url, headers=HEADERS | {"anthropic-beta": f"{known}, nonsense,more"})

    expected = "Unexpected value(s) `nonsense`, `more` for the `anthropic-beta` header."
    assert refusal(response) == (400, expected)


def test_known_betas_are_accepted(url):
    assert len(KNOWN_BETAS) == 60 + 3  # those of the newest SDK, and of older ones
    headers = HEADERS | {"anthropic-beta": ",".join(KNOWN_BETAS)}

    assert ask(url, headers=headers).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": NaN}', b'"\xff"', b"[" * 5_000])
def test_a_body_that_is_not_json_is_refused(url, body):
    status, message = refusal(post(url, body))

    assert status == 400
    assert message.startswith("The request body is not valid JSON: ")


@pytest.mark.parametrize("half", ["\\ud83d", "\\ud83d\\u0041", "\\ude00"])
def test_a_lone_surrogate_is_not_valid_json(url, half):
    status, message = refusal(post(url, f'{{"model": "{half}"}}'.encode()))

    assert status == 400
    assert message == (
        "The request body is not valid JSON: no low surrogate in string: line 1 column 12 (char 11)"
    )


def test_a_body_that_is_not_an_object_is_refused(url):
    assert refusal(post(url, b"[]")) == (400, "Input should be a valid dictionary")


def test_a_gzip_body_is_decompressed(url):
    body = gzip.compress(json.dumps(question()).encode())

    assert post(url, body, content_encoding="gzip").status_code == 200
    assert post(url, json.dumps(question()).encode(), content_encoding="identity").is_success


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (b"{}", "br", 400, "request_body_encoding_unsupported"),
        (b"{}", "gzip", 400, "request_body_encoding_invalid"),
        (gzip.compress(b" " * 32_000_001), "gzip", 413, "request_body_too_large_after_decoding"),
    ],
)
def test_a_body_that_cannot_be_decompressed_has_an_error_code(url, body, encoding, status, code):
    response = post(url, body, content_encoding=encoding)

    assert refusal(response)[0] == status
    assert response.json()["error"]["details"] == {"error_code": code}


def test_a_body_over_the_limit_is_refused_by_the_edge(url):
    response = post(url, b" " * 40_000_000)

    assert response.status_code == 413
    assert response.json() == {
        "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}
    }
    assert "request-id" not in response.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/messages"), ("PUT", "/v1/complete"), ("POST", "/v1/models/x")],
)
def test_another_method_is_not_allowed(url, method, path):
    response = fetch(method, url + path, headers=HEADERS)

    assert refusal(response) == (405, "Method Not Allowed")


@pytest.mark.parametrize("path", ["/", "//v1/messages", "/v1/nonsense", "/simulator/nonsense"])
def test_other_paths_are_not_found(url, path):
    assert refusal(ask(url, path=path)) == (404, "Not Found")
