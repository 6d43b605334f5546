import gzip
import json

import pytest

from tests.proxy.simulator.harness import ask, deltas, events, question, refusal, stream
from tests.servers import fetch_streamed

OVERLOADED = {"details": None, "type": "overloaded_error", "message": "Overloaded"}


@pytest.mark.parametrize(
    ("status", "error_type", "message"),
    [
        ("400", "invalid_request_error", "Output blocked by content filtering policy"),
        ("401", "authentication_error", "API key is invalid."),
        (
            "403",
            "permission_error",
            "This account is not authorized to use the API. Please check with Anthropic support if "
            "you think this is in error.",
        ),
        ("404", "not_found_error", "The requested resource could not be found."),
        (
            "429",
            "rate_limit_error",
            "This request would exceed your account's rate limit. Please try again later.",
        ),
        ("500", "api_error", "Internal server error"),
        ("504", "timeout_error", "request timed out while processing"),
        ("529", "overloaded_error", "Overloaded"),
        ("599", "api_error", "Internal server error"),
    ],
)
@pytest.mark.parametrize("ask_for", [ask, stream])
def test_an_error_has_the_type_and_text_of_its_status(url, ask_for, status, error_type, message):
    response = ask_for(url, error=status)

    assert refusal(response) == (int(status), message)
    assert response.json()["error"]["type"] == error_type


def test_every_field_of_an_error_can_be_set(url):
    response = ask(
        url,
        error="429",
        error_type="new_error",
        error_message='"caf\\u00e9"',
        error_code="enforced_spend_limit_reached",
        retry_after="7",
        should_retry="false",
    )

    assert response.json()["error"] == {
        "type": "new_error",
        "message": "café",
        "details": {"error_code": "enforced_spend_limit_reached"},
    }
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-should-retry"] == "false"


def test_only_a_529_sends_x_should_retry_by_default(url):
    assert ask(url, error="529").headers["x-should-retry"] == "true"
    assert "x-should-retry" not in ask(url, error="500").headers
    assert ask(url, should_retry="true").headers["x-should-retry"] == "true"


@pytest.mark.parametrize(
    ("status", "error_type", "message"),
    [
        ("403", "forbidden", "Request not allowed"),
        ("413", "request_too_large", "Request exceeds the maximum size"),
    ],
)
def test_errors_of_cloudflare_have_their_own_shape(url, status, error_type, message):
    text = json.dumps(message)
    response = ask(url, error=status, error_shape="cloudflare", error_message=text)

    assert response.json() == {"error": {"type": error_type, "message": message}}
    assert "request-id" not in response.headers


def test_an_error_can_be_html(url):
    response = ask(url, error="502", error_shape="html")

    assert response.status_code == 502
    assert response.headers["content-type"] == "text/html; charset=UTF-8"
    assert response.text.startswith("<html>")


def test_an_error_can_have_no_body(url):
    response = ask(url, error="503", error_shape="empty")

    assert (response.status_code, response.content) == (503, b"")


def test_an_error_can_have_no_request_id(url):
    response = ask(url, error="401", error_shape="null-request-id")

    assert response.json()["request_id"] is None
    assert "request-id" not in response.headers


def test_an_error_can_be_sent_with_status_200(url):
    response = ask(url, error="529", status="200")

    assert response.status_code == 200
    assert response.json()["error"]["type"] == "overloaded_error"


def test_a_stream_can_be_sent_with_any_status(url):
    assert stream(url, status="206").status_code == 206


def test_a_content_type_can_be_wrong(url):
    assert ask(url, content_type="text/plain").headers["content-type"] == "text/plain"
    assert stream(url, content_type="text/plain").headers["content-type"] == "text/plain"


def test_a_body_can_be_truncated(url):
    response = ask(url, truncate_body="10")

    assert response.content == b'{"id":"msg'
    assert response.headers["content-length"] == "10"


def test_an_error_can_be_the_first_event(url):
    response = stream(url, error="529", error_after_events="0")

    assert response.status_code == 200
    [(name, data)] = events(response)
    assert name == "error"
    assert list(data) == ["type", "error", "request_id"]
    assert data["error"] == OVERLOADED
    assert data["request_id"] == response.headers["request-id"]


def test_an_error_can_follow_some_text(url):
    response = stream(url, deltas='["a", "b", "c"]', error_after_deltas="2", error_code="x")

    assert deltas(response) == ["a", "b"]
    name, data = events(response)[-1]
    assert name == "error"
    assert data["error"] == OVERLOADED | {"details": {"error_code": "x"}}


def test_an_error_placed_after_the_last_delta_is_the_last_event(url):
    names = [name for name, _ in events(stream(url, error_after_deltas="99"))]

    assert names[-2:] == ["message_stop", "error"]


def test_a_whole_answer_with_an_error_in_the_stream_is_an_error_response(url):
    assert refusal(ask(url, error_after_deltas="2")) == (529, "Overloaded")


def test_a_stream_can_end_without_message_stop(url):
    names = [name for name, _ in events(stream(url, end_after_events="2"))]

    assert names == ["message_start", "content_block_start"]


def test_junk_can_follow_the_last_event(url):
    assert stream(url, trailing_junk="1").content.endswith(b"event: data\ndata: [DONE]\n\n")


@pytest.mark.parametrize(("name", "newline"), [("lf", b"\n"), ("crlf", b"\r\n"), ("cr", b"\r")])
def test_lines_can_end_in_any_way(url, name, newline):
    content = stream(url, newline=name).content

    assert content.startswith(b"event: message_start" + newline + b"data: {")
    assert content.endswith(newline * 2)
    assert content.replace(newline, b"").translate(None, b"\r\n") == content.replace(newline, b"")


def test_comments_can_be_sent_between_events(url):
    content = stream(url, comments="1", end_after_events="4").content

    assert content.count(b": keep-alive\n\n") == content.count(b"event: ") == 4


def test_a_stream_can_contain_invalid_utf8(url):
    assert b'"text":"\xff\xfeabc"' in stream(url, text='"abc"', invalid_utf8="1").content
    assert b"\xff" not in stream(url, empty="1", invalid_utf8="1").content


@pytest.mark.parametrize("ask_for", [ask, stream])
def test_answers_can_be_compressed_without_accept_encoding(url, ask_for):
    response = ask_for(url, gzip="1")

    assert response.headers["content-encoding"] == "gzip"
    assert b"You said" in response.content


def test_a_compressed_body_is_gzip_on_the_wire(url):
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01", "simulate-gzip": "1"}
    body = question(stream=True)
    with fetch_streamed("POST", f"{url}/v1/messages", json=body, headers=headers) as response:
        raw = b"".join(response.iter_raw())

    assert gzip.decompress(raw).endswith(b"}\n\n")
