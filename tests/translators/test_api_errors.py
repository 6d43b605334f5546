import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.api_errors import TranslatedError, error_status, error_type, translate_error


def envelope(kind, message, **more):
    return msgspec.json.encode(
        {"type": "error", "error": {"type": kind, "message": message}} | more
    )


RATE_LIMIT = (
    "This request would exceed your organization's rate limit of 30,000 input tokens per minute "
    "(org: 0, model: claude-sonnet-4-6)."
)

# messages-wire 4.
TABLE = [
    (400, "invalid_request_error", "Output blocked by content filtering policy"),
    (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
    (401, "authentication_error", "invalid x-api-key"),
    (402, "billing_error", "payment problem"),
    (403, "permission_error", "Access to this model requires an access grant."),
    (404, "not_found_error", "model: claude-nonexistent"),
    (409, "conflict_error", "conflict"),
    (413, "request_too_large", "Request exceeds the maximum size"),
    (418, "invalid_request_error", "may also be used for other 4XX codes"),
    (429, "rate_limit_error", RATE_LIMIT),
    (500, "api_error", "Internal server error"),
    (503, "api_error", "cmek"),
    (504, "timeout_error", "request timed out while processing"),
    (529, "overloaded_error", "Overloaded"),
    (400, "not_invented_yet", "types may be added"),
]


@pytest.mark.parametrize(("status", "kind", "message"), TABLE)
def test_status_type_and_message_stay(status, kind, message):
    assert translate_error(status, envelope(kind, message, request_id="req_1")) == TranslatedError(
        status, kind, message, "req_1"
    )


@pytest.mark.parametrize(
    ("told", "translated"),
    [
        (
            "max_tokens: 1000000 > 64000, which is the maximum allowed number of output tokens for "
            "claude-sonnet-4-20250514",
            "max_tokens_to_sample: 1000000 > 64000, which is the maximum allowed number of output "
            "tokens for claude-sonnet-4-20250514",
        ),
        ("max_tokens: Field required", "max_tokens_to_sample: Field required"),
        (
            "messages: text content blocks must be non-empty",
            "prompt: text content blocks must be non-empty",
        ),
        (
            "messages.0: all messages must have non-empty content except for the optional final "
            "assistant message",
            "prompt: all messages must have non-empty content except for the optional final "
            "assistant message",
        ),
        ("messages.0.content.1.text: too long", "prompt: too long"),
        (
            "system: text content blocks must contain non-whitespace text",
            "prompt: text content blocks must contain non-whitespace text",
        ),
        (
            "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease "
            "input length or `max_tokens` and try again",
            "input length and `max_tokens_to_sample` exceed context limit: 178959 + 64000 > 200000,"
            " decrease input length or `max_tokens_to_sample` and try again",
        ),
        (
            "Invalid: max_tokens: many; messages.0: none",
            "Invalid: max_tokens_to_sample: many; prompt: none",
        ),
        ("`messages` and `system`", "`prompt` and `prompt`"),
        ("stop_sequences: each must be non-empty", "stop_sequences: each must be non-empty"),
        (
            "`temperature` is deprecated for this model.",
            "`temperature` is deprecated for this model.",
        ),
        (
            "This model does not support assistant message prefill. The conversation must end "
            "with a user message.",
            "This model does not support assistant message prefill. The conversation must end "
            "with a user message.",
        ),
        ("system prompts are text", "system prompts are text"),
        ("max_tokens_and_more: 5", "max_tokens_and_more: 5"),
        ("the max_tokens: 5", "the max_tokens: 5"),
    ],
)
def test_fields_are_named_as_the_caller_knows_them(told, translated):
    error = translate_error(400, envelope("invalid_request_error", told))

    assert error == TranslatedError(400, "invalid_request_error", translated, None)


@pytest.mark.parametrize("kind", ["api_error", "not_found_error", "overloaded_error"])
def test_only_complaints_about_the_request_are_reworded(kind):
    error = translate_error(500, envelope(kind, "max_tokens: `messages`"))

    assert error.message == "max_tokens: `messages`"


def test_errors_of_the_edge_have_no_outer_type_and_no_request_id():
    body = b'{"error":{"type":"forbidden","message":"Request not allowed"}}'

    assert translate_error(403, body) == TranslatedError(
        403, "forbidden", "Request not allowed", None
    )


def test_a_request_id_may_be_null():
    body = (
        b'{"error":{"message":"API key is invalid.","type":"authentication_error"},'
        b'"request_id":null,"type":"error"}'
    )

    assert translate_error(401, body) == TranslatedError(
        401, "authentication_error", "API key is invalid.", None
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><head><title>502 Bad Gateway</title></head></html>",
        b'{"type":"error","error":{"type":"api_er',
        b"null",
        b"\xff\xfe",
        b'{"x":' + b"[" * 100_000,
    ],
    ids=[
        "empty",
        "HTML",
        "truncated",
        "null",
        "binary",
        "deep",
    ],
)
@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        *((400, 400, "invalid_request_error"), (413, 413, "request_too_large")),
        *((408, 408, "timeout_error"), (502, 502, "api_error"), (529, 529, "overloaded_error")),
        *((200, 502, "api_error"), (302, 502, "api_error"), (599, 599, "api_error")),
    ],
)
def test_what_is_no_api_error_gets_the_type_of_its_status(body, status, told, kind):
    found = "neither a message nor an error object" if status < 400 else "no error object"
    assert translate_error(status, body) == TranslatedError(
        told, kind, f"The upstream answered with status {status} and {found}.", None
    )


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, b'{"message":"The reason."}', "rate_limit_error"),
        (404, b'{"Message":"The reason."}', "not_found_error"),
        (400, b'[{"error":{"code":400,"message":"The reason."}}]', "invalid_request_error"),
        (502, b'{"error":"The reason."}', "api_error"),
        (404, b'{"detail":"The reason."}', "not_found_error"),
        (200, b'{"error":{"type":5,"message":"The reason."}}', "api_error"),
        (503, b"The reason.", "api_error"),
        (429, b"  The\r\nreason.\n", "rate_limit_error"),
        (403, b'"The reason."', "permission_error"),
    ],
)
def test_the_reason_is_kept_in_whichever_shape_it_comes(status, body, kind):
    told = translate_error(status, body)

    assert (told.status, told.type) == (502 if status == 200 else status, kind)
    assert told.message == "The reason."


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b'{"error":{"message":"slow down"}}', "rate_limit_error", "slow down"),
        (b'{"error":{"type":"limited"}}', "limited", "The upstream answered with status 429."),
        (b'{"error":{}}', "rate_limit_error", "The upstream answered with status 429."),
    ],
)
def test_type_and_message_are_always_there(body, kind, message):
    assert translate_error(429, body) == TranslatedError(429, kind, message, None)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("billing_error", 402),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("conflict_error", 409),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("timeout_error", 504),
        ("overloaded_error", 529),
        ("api_error", 500),
        ("not_invented_yet", 500),
        ("", 500),
    ],
)
def test_an_error_without_a_status_gets_that_of_its_type(kind, status):
    assert error_status(kind) == status
    assert translate_error(200, envelope(kind or "api_error", "x")).status == status


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 429, 500, 504, 529])
def test_type_of_a_status_leads_back_to_it(status):
    assert error_status(error_type(status)) == status


@given(st.integers(100, 599), st.binary() | st.binary().map(lambda b: b'{"error":{' + b + b"}}"))
@example(200, b'{"error":{"type":"x"}}')
def test_anything_is_translated_to_an_error_a_legacy_client_understands(status, body):
    error = translate_error(status, body)

    assert 400 <= error.status <= 599
    assert error.type
    assert error.message
