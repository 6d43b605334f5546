import ast
from typing import Any

import msgspec
import pytest

from proxy.report.replacement_call import call_of, example_request, language_of
from proxy.traffic.store.examples import StoredExample
from tests.harness import body
from tests.record_factory import record
from translators import (
    AdjustmentKind,
    Policy,
    decode_completion_request,
    features_of,
    parse_request,
)

TODAY = "2026-11-23"
POLICY = Policy()
FEATURES = (
    *("system", "prefill", "multi_turn", "custom_stops", "white_space_stops", "streaming"),
    *("temperature", "top_p", "top_k", "metadata"),
)


def call(captured: object = None, policy: Policy = POLICY, **fields: Any):
    return call_of(StoredExample(record(**fields), captured), 0.98, policy, TODAY)


@pytest.mark.parametrize(
    ("sdk", "user_agent", "language"),
    [
        ("python 0.3.11", None, "python"),
        ("js 0.5.0", "Anthropic/JS 0.5.0", "typescript"),
        ("typescript 0.4.4", None, "typescript"),
        (None, "python-requests/2.31.0", "python"),
        (None, "axios/1.6", "typescript"),
        (None, "node-fetch", "typescript"),
        (None, "curl/8.1", "curl"),
        (None, None, "curl"),
    ],
)
def test_the_language_is_that_of_the_sdk_or_of_what_the_program_says(sdk, user_agent, language):
    assert language_of(record(sdk=sdk, user_agent=user_agent)) == language


def test_a_captured_request_is_written_as_it_would_be_sent_today():
    prompt = "Be brief.\n\nHuman: What is the tallest mountain?\n\nAssistant:"

    made = call(body(model="claude-2.1", prompt=prompt), id="req_7")

    assert made is not None
    assert (made.language, made.is_captured, made.exchange) == ("python", True, "req_7")
    assert (made.asked, made.share) == ("claude-2.1", 0.98)
    ast.parse(made.code)
    for said in ("claude-opus-4-8", "Be brief.", "What is the tallest mountain?"):
        assert said in made.code


@pytest.mark.parametrize("captured", [None, "cut off", {"model": "claude-2.1"}, 7])
def test_without_a_request_that_can_be_read_an_example_stands_for_it(captured):
    made = call(captured, features=("system",), max_tokens=77)

    assert made is not None
    assert not made.is_captured
    for said in ("THE SYSTEM PROMPT", "THE USER'S MESSAGE", "max_tokens=77"):
        assert said in made.code


def test_an_example_has_the_features_and_the_values_of_the_record():
    made = example_request(
        record(
            features=FEATURES,
            streamed=True,
            temperature=0.5,
            top_p=0.9,
            top_k=5,
            max_tokens=300,
            asked_model="claude-2.1",
        )
    )

    parsed = parse_request(decode_completion_request(msgspec.json.encode(made)))
    request = parsed.decoded.request
    assert set(FEATURES) <= {*features_of(parsed).names}
    assert (request.model, request.max_tokens_to_sample) == ("claude-2.1", 300)
    assert (request.temperature, request.top_p, request.top_k) == (0.5, 0.9, 5)


@pytest.mark.parametrize("feature", FEATURES[:4])
def test_an_example_has_no_other_features(feature):
    made = example_request(record(features=(feature,)))

    parsed = parse_request(decode_completion_request(msgspec.json.encode(made)))
    assert features_of(parsed).names == (feature,)


def test_what_the_settings_refuse_today_has_no_call():
    policy = Policy(refuse=frozenset({AdjustmentKind.REPLACE_RETIRED_MODEL}))

    assert call(body(model="claude-2.1"), policy=policy) is None


def test_a_version_that_was_never_published_has_no_call():
    assert call(version="1999-01-01") is None
