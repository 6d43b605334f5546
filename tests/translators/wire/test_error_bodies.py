import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.wire.error_bodies import ApiError, ErrorEnvelope, decode_error

DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "envelope"),
    [
        (
            b'{"type":"error","error":{"type":"not_found_error","message":"model: x"},'
            b'"request_id":"req_1"}',
            ErrorEnvelope(ApiError("not_found_error", "model: x"), "req_1"),
        ),
        (
            b'{"error":{"message":"API key is invalid.","type":"authentication_error"},'
            b'"request_id":null,"type":"error"}',
            ErrorEnvelope(ApiError("authentication_error", "API key is invalid.")),
        ),
        (
            b'{"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}',
            ErrorEnvelope(ApiError("request_too_large", "Request exceeds the maximum size")),
        ),
        (b'{"error":{}}', ErrorEnvelope(ApiError())),
        (b'{"message":"Too many requests"}', ErrorEnvelope(ApiError("", "Too many requests"))),
        (b'{"Message":"Denied"}', ErrorEnvelope(ApiError("", "Denied"))),
        (
            b'{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}',
            ErrorEnvelope(ApiError("", "Quota")),
        ),
        (b'[{"error":{"code":404,"message":"None"}}]', ErrorEnvelope(ApiError("", "None"))),
        (b'{"error":"no"}', ErrorEnvelope(ApiError("", "no"))),
        (b'{"detail":"x"}', ErrorEnvelope(ApiError("", "x"))),
        (b'{"detail":[{"msg":"a"},{"msg":"b"}]}', ErrorEnvelope(ApiError("", "a; b"))),
        (
            b'{"detail":[{"loc":["body","x",0],"msg":"field required"}]}',
            ErrorEnvelope(ApiError("", "x.0: field required")),
        ),
        (
            b'{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"oauth"}}}',
            ErrorEnvelope(ApiError("", "Invalid ApiKey")),
        ),
        (
            b'{"error":"invalid_grant","error_description":"Token expired"}',
            ErrorEnvelope(ApiError("", "Token expired")),
        ),
        (b'{"errorMessage":"timed out"}', ErrorEnvelope(ApiError("", "timed out"))),
        (b'{"title":"Forbidden","status":403}', ErrorEnvelope(ApiError("", "Forbidden"))),
        (
            b'{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":'
            b'"{\\"error\\":{\\"message\\":\\"too long\\"}}"}}}',
            ErrorEnvelope(ApiError("", "Provider returned error: too long")),
        ),
        (
            b'{"error":{"type":"api_error","message":"raw \\"raw\\""},"raw":1}',
            ErrorEnvelope(ApiError("api_error", 'raw "raw"')),
        ),
        (b'{"error":{"error":{"message":"deep"}}}', ErrorEnvelope(ApiError("", "deep"))),
        (b'\xef\xbb\xbf{"message":"marked"}', ErrorEnvelope(ApiError("", "marked"))),
        (b'{"message":"caf\xe9"}', ErrorEnvelope(ApiError("", "caf\ufffd"))),
        (
            b'event: ping\ndata: {"type":"ping"}\n\nevent: error\ndata: {"type":"error","error":'
            b'{"type":"overloaded_error","message":"Overloaded"}}\n\n',
            ErrorEnvelope(ApiError("overloaded_error", "Overloaded")),
        ),
        (b'data: {"error":{"message":"no","code":"400"}}', ErrorEnvelope(ApiError("", "no"))),
        (b'data: {"type":"message_start","message":{"id":"msg_1","role":"x"}}\n\n', None),
        (b"data: " * 1000, None),
    ],
    ids=[
        *("full", "without a request id", "of the edge", "empty"),
        *("of AWS", "of AWS's gate", "of Google", "of Google's stream"),
        *("a text", "of FastAPI", "of its validator"),
        *("with the place", "of Apigee", "of OAuth", "of Lambda", "of RFC 9457"),
        *("of OpenRouter", "with something raw", "in an error"),
        *("with a byte order mark", "in another encoding"),
        *("in a stream", "of a stream's chunk", "a stream without an error", "no stream"),
    ],
)
def test_error_bodies_of_api_edge_clouds_and_gateways(body, envelope):
    assert decode_error(body) == envelope


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"errors":{"prompt":["too long","blank"],"model":["gone"]}}',
         "prompt: too long; blank; model: gone"),
        (b'{"errors":{"prompt":"too long"}}', "prompt: too long"),
        (b'{"errors":["a","b"]}', "a; b"),
        (b'{"message":{"text":"no"}}', "no"),
        (b'{"message":{"en":"no"}}', "en: no"),
        (b'{"error":{"prompt":["too long"]}}', "prompt: too long"),
        (b'{"error":{"code":"ExpiredToken","status":403}}', "code: ExpiredToken"),
        (b'{"detail":{"prompt":{"length":"too long"}}}', "prompt: length: too long"),
        (b'{"prompt":["This field is required."]}', "prompt: This field is required."),
        (b'{"message":"Invalid","errors":{"prompt":["too long"]}}', "Invalid: prompt: too long"),
        (b'{"title":"Invalid","detail":"See errors","errors":[{"detail":"too long",'
         b'"pointer":"#/messages/0"}]}', "See errors: messages.0: too long"),
        (b'{"title":"Invalid","invalid-params":[{"name":"top_k","reason":"negative"}]}',
         "Invalid: top_k: negative"),
        (b'{"errors":[{"title":"Invalid","detail":"too long","source":{"pointer":"/a"}}]}',
         "too long"),
        (b'{"error":{"code":400,"message":"Invalid","details":[{"@type":"type/BadRequest",'
         b'"fieldViolations":[{"field":"contents","description":"empty"}]}]}}',
         "Invalid: contents: empty"),
        (b'{"error":{"code":403,"message":"Denied","errors":[{"message":"Denied"}]}}', "Denied"),
        (b'{"error":"invalid_request","message":"","details":"too long"}',
         "invalid_request: too long"),
        (b'[{"errors":{"prompt":["too long"]}}]', "prompt: too long"),
        (b'{"err":"no"}', "no"),
        (b'{"exception":{"message":"no"}}', "no"),
        (b'{"errorMessages":["no","never"]}', "no; never"),
        (b'{"status":"error","result":{"message":"no"}}', "no"),
        (b'{"response":{"error":{"message":"no"}}}', "no"),
        (b'{"data":[],"body":{"detail":"no"}}', "no"),
        (b'{"error":{"code":400,"message":"{\\"message\\":\\"no\\"}"}}', "no"),
        (b'{"message":"{\\"a\\":1}"}', '{"a":1}'),
        (b'{"message":"{\\"error\\":{}}"}', '{"error":{}}'),
    ],
)  # fmt: skip
def test_no_reason_is_lost_however_deep_it_is(body, reason):
    assert decode_error(body) == ErrorEnvelope(ApiError("", reason))


def test_a_type_beside_a_reason_in_another_shape_is_kept():
    body = b'{"error":{"type":"invalid_request_error","errors":{"prompt":["too long"]}}}'

    assert decode_error(body) == ErrorEnvelope(
        ApiError("invalid_request_error", "prompt: too long")
    )


def test_an_error_that_is_the_message_of_another_is_read_as_what_it_says():
    inner = '{"error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
    outer = msgspec.json.encode({"error": {"type": "upstream_error", "message": inner}})
    untyped = {"error": {"type": "api_error", "message": '{"message":"no"}'}, "request_id": "r"}

    assert decode_error(outer) == ErrorEnvelope(ApiError("overloaded_error", "Overloaded"), "req_1")
    assert decode_error(msgspec.json.encode(untyped)) == ErrorEnvelope(
        ApiError("api_error", "no"), "r"
    )


def test_details_of_a_whole_error_are_not_for_its_reader():
    body = b'{"error":{"type":"api_error","message":"no","details":{"visibility":"user_facing"}}}'

    assert decode_error(body) == ErrorEnvelope(ApiError("api_error", "no"))


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"{}", b"null", b'{"error":null}', DEEP, b'"\xff"', b'{"message":{}}'),
        b'{"detail":' * 7 + b'{"msg":"too deep"}' + b"}" * 7,
        *(b'{"data":{"id":"x"}}', b'{"result":"x"}', b'{"data":{"message":""}}'),
        *(b"[" + b"{}," * 10_000 + b"{}]", b'{"detail":"' + b"x" * 20_000 + b'"}'),
        *(b'{"error":{"message":5}}', b'{"error":{"type":"api_error","mess', b"[]"),
        *(b'{"id":"msg_1","tags":["a"]}', b'{"content":[{"text":"Hi"}]}', b'{"text":"Hi"}'),
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_what_is_no_error_body_is_none(body):
    assert decode_error(body) is None


ERRORISH = st.lists(
    st.sampled_from(
        [
            *(
                b'{"error":',
                b'"type":',
                b'"message":',
                b'"detail":',
                b'"x"',
                b'"errors":',
                b'"loc":',
                b",",
                b"{",
                b"}",
            ),
            *(b"[", b"]", b"1", b"null", rb'"\ud83d"', b"\xff", b"\xef\xbb\xbf"),
        ]
    )
).map(b"".join)


@given(st.binary() | ERRORISH)
def test_any_bytes_are_an_error_body_or_none(body):
    envelope = decode_error(body)

    assert envelope is None or isinstance(envelope.error, ApiError)
