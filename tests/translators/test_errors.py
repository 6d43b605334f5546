from translators.errors import (
    InvalidCompletionRequest,
    TranslationError,
    UpstreamProtocolError,
)


def test_what_the_client_got_wrong_is_answered_as_the_legacy_api_did():
    problem = InvalidCompletionRequest("prompt: field required")

    assert (problem.status_hint, problem.error_type) == (400, "invalid_request_error")
    assert str(problem) == "prompt: field required"


def test_what_the_upstream_got_wrong_is_a_bad_gateway():
    problem = UpstreamProtocolError("message: stop_reason is missing")

    assert (problem.status_hint, problem.error_type) == (502, "api_error")


def test_one_class_catches_everything_raised_on_purpose():
    assert issubclass(InvalidCompletionRequest, TranslationError)
    assert issubclass(UpstreamProtocolError, TranslationError)
    assert not issubclass(InvalidCompletionRequest, UpstreamProtocolError)
