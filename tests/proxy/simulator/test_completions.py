import json
import re

import pytest

from proxy.simulator import create_simulator
from tests.proxy.simulator.harness import HEADERS, ask, refusal
from tests.servers import serving

KEY = {"x-api-key": "sk-ant-api03-right"}
FIRST = KEY | {"anthropic-version": "2023-01-01"}
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
PROMPT = f"{HUMAN} Hello{ASSISTANT}"
MUST_START = 'prompt must start with "\n\nHuman:" turn after an optional system prompt'
MUST_END = 'prompt must end with "\n\nAssistant:" turn'


@pytest.fixture(scope="module")
def legacy_url():
    with serving(create_simulator(legacy_models_alive=True)) as base_url:
        yield base_url


def make_body(prompt=PROMPT, **changes):
    return {"model": "claude-2.1", "prompt": prompt, "max_tokens_to_sample": 100, **changes}


def complete(url, body=None, headers=HEADERS, **simulate):
    return ask(url, body or make_body(), headers, path="/v1/complete", **simulate)


def frames(response):
    """Yield the name (None if unnamed) and data of each event; line ends must be CRLF."""
    assert response.content.endswith(b"\r\n\r\n")
    for frame in response.content.decode().removesuffix("\r\n\r\n").split("\r\n\r\n"):
        *name, data = frame.split("\r\n")
        yield name[0] if name else None, data.removeprefix("data: ")


@pytest.mark.parametrize("model", ["claude-2.1", "claude-2", "claude-v1", "nonsense"])
def test_every_legacy_model_is_not_found_by_default(url, model):
    assert refusal(complete(url, make_body(model=model))) == (404, f"model: {model}")


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-3-opus-20240229"])
def test_models_of_the_messages_api_are_refused(url, legacy_url, model):
    expected = f'"{model}" is not supported on this API. Please use the Messages API instead.'

    assert refusal(complete(url, make_body(model=model))) == (400, expected)
    assert refusal(complete(legacy_url, make_body(model=model))) == (400, expected)


def test_a_version_is_required_by_default(url):
    expected = (400, "anthropic-version: header is required")
    assert refusal(complete(url, headers=KEY)) == expected


def test_a_whole_completion_has_the_recorded_shape(legacy_url):
    response = complete(legacy_url)
    completion = response.json()

    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch("compl_01[1-9A-HJ-NP-Za-km-z]{22}", completion["id"])
    assert list(completion.items()) == [
        ("type", "completion"),
        ("id", completion["id"]),
        ("completion", ' You said "Hello" and this is what the old API answers.'),
        ("stop_reason", "stop_sequence"),
        ("model", "claude-2.1"),
        ("stop", HUMAN),
        ("log_id", completion["id"]),
    ]


@pytest.mark.parametrize("headers", [KEY, FIRST])
def test_no_version_header_is_answered_as_the_first_version(legacy_url, headers):
    completion = complete(legacy_url, headers=headers).json()

    assert re.fullmatch("[0-9a-f]{32}", completion["log_id"])
    assert list(completion.items()) == [
        ("completion", ' You said "Hello" and this is what the old API answers.'),
        ("stop", HUMAN),
        ("stop_reason", "stop_sequence"),
        ("truncated", False),
        ("log_id", completion["log_id"]),
        ("model", "claude-2.1"),
        ("exception", None),
    ]


def test_a_stream_is_incremental_and_named(legacy_url):
    response = complete(legacy_url, make_body(stream=True), deltas='[" a", " b", " c"]')

    received = list(frames(response))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert received[2] == ("event: ping", '{"type": "ping"}')
    completions = [json.loads(data) for name, data in received if name == "event: completion"]
    assert [frame["completion"] for frame in completions] == [" a", " b", " c", ""]
    assert [frame["stop_reason"] for frame in completions] == [None, None, None, "stop_sequence"]
    assert [frame["stop"] for frame in completions] == [None, None, None, HUMAN]


def test_a_stream_of_the_first_version_is_cumulative_and_unnamed(legacy_url):
    response = complete(legacy_url, make_body(stream=True), FIRST, deltas='[" a", " b", " c"]')

    received = list(frames(response))
    assert received[2] == ("event: ping", "2023-04-28 21:18:31.866238")
    assert received[-1] == (None, "[DONE]")
    completions = [json.loads(data) for name, data in received[:-1] if name is None]
    assert [frame["completion"] for frame in completions] == [" a", " a b", " a b c"]
    assert [frame["stop_reason"] for frame in completions] == [None, None, "stop_sequence"]


@pytest.mark.parametrize("headers", [FIRST, HEADERS])
def test_an_empty_completion_has_a_stop_reason(legacy_url, headers):
    received = list(frames(complete(legacy_url, make_body(stream=True), headers, text='""')))

    last = json.loads(received[0][1])
    assert (last["completion"], last["stop_reason"]) == ("", "stop_sequence")


def test_a_prefill_is_continued(legacy_url):
    completion = complete(legacy_url, make_body(f"{HUMAN} Hi{ASSISTANT} Once")).json()["completion"]

    assert completion == ' and so on, continuing in answer to "Hi" as the old API did.'


@pytest.mark.parametrize(
    ("text", "expected", "stop"),
    [("a END b", "a ", "END"), ("a\n\nHuman: b", "a", HUMAN), ("a\tb", "a", "\t")],
)
def test_custom_blank_and_built_in_stop_sequences_end_a_completion(
    legacy_url, text, expected, stop
):
    body = make_body(stop_sequences=["END", "", "\t"])

    completion = complete(legacy_url, body, text=json.dumps(text)).json()

    assert (completion["completion"], completion["stop"]) == (expected, stop)


def test_max_tokens_ends_a_completion_with_a_null_stop(legacy_url):
    completion = complete(legacy_url, make_body(max_tokens_to_sample=1), text='" one two"').json()

    assert completion["completion"] == " one"
    assert (completion["stop_reason"], completion["stop"]) == ("max_tokens", None)


def test_max_tokens_above_the_cap_is_capped_silently(legacy_url):
    body = make_body(max_tokens_to_sample=1_000_000)

    completion = complete(legacy_url, body, text=json.dumps(" x" * 4_097)).json()

    assert completion["completion"] == " x" * 4_096


def test_a_stop_reason_can_be_simulated(legacy_url):
    assert complete(legacy_url, stop_reason="max_tokens").json()["stop_reason"] == "max_tokens"


@pytest.mark.parametrize(
    ("alias", "model"),
    [("claude-2", "claude-2.0"), ("claude-instant-1", "claude-instant-1.2"), ("claude-v1",) * 2],
)
def test_an_alias_is_answered_by_its_newest_version(legacy_url, alias, model):
    assert complete(legacy_url, make_body(model=alias)).json()["model"] == model


def test_an_unknown_legacy_model_is_not_found(legacy_url):
    assert refusal(complete(legacy_url, make_body(model="claude-9"))) == (404, "model: claude-9")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Hello, world", f"{MUST_START}, {MUST_END}"),
        (f"Hello, world{ASSISTANT}", MUST_START),
        (f"{HUMAN} Hello, Claude", MUST_END),
        (f"{ASSISTANT} Hello, world{HUMAN} Hello, Claude{ASSISTANT}", MUST_START),
        (f"{HUMAN} Hello, Claude{ASSISTANT} Hello, world{HUMAN} How many toes?", MUST_END),
        (f"{HUMAN} Hello, Claude \nAssistant:", MUST_END),
    ],
)
def test_the_documented_bad_prompts_are_refused(legacy_url, prompt, expected):
    assert refusal(complete(legacy_url, make_body(prompt))) == (400, expected)


@pytest.mark.parametrize(
    "prompt",
    [
        f"Human: Hello, Claude{ASSISTANT}",
        f"{HUMAN} Hello, Claude:{ASSISTANT} ",
        f"Today is Monday.{HUMAN} Hello, Claude{ASSISTANT}",
    ],
)
def test_the_documented_repairs_are_made(legacy_url, prompt):
    assert complete(legacy_url, make_body(prompt)).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "claude-2"}, "prompt: Field required"),
        (make_body(max_tokens_to_sample=0), "max_tokens_to_sample: Input should be greater than or "
         "equal to 1"),
        (make_body(max_tokens=5), "max_tokens: Extra inputs are not permitted"),
        (make_body(tags={}), "tags: Extra inputs are not permitted"),
        (make_body(metadata={"user_id": "x" * 257}), "metadata.user_id: String should have at most "
         "256 characters"),
    ],
)  # fmt: skip
def test_bodies_are_checked(legacy_url, body, expected):
    assert refusal(complete(legacy_url, body)) == (400, expected)


def test_fields_of_old_clients_are_accepted(legacy_url):
    body = make_body(top_k=-1, top_p=-1, temperature=1, stream=None, metadata={"user_id": None})

    assert complete(legacy_url, body).status_code == 200
    assert (
        complete(legacy_url, body | {"tags": {}, "disable_checks": False}, FIRST).status_code == 200
    )


def test_a_completion_stream_can_contain_invalid_utf8(legacy_url):
    response = complete(legacy_url, make_body(stream=True), text='" a"', invalid_utf8="1")

    assert b'"completion":"\xff\xfe a"' in response.content


def test_completions_can_fail_with_simulated_errors(legacy_url):
    response = complete(legacy_url, make_body(stream=True), error_after_deltas="1", error="529")

    name, data = list(frames(response))[-1]
    assert name == "event: error"
    assert json.loads(data)["error"]["message"] == "Overloaded"
