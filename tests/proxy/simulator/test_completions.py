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
def alive():
    with serving(create_simulator(legacy_models_alive=True)) as base_url:
        yield base_url


def asked(prompt=PROMPT, **changes):
    return {"model": "claude-2.1", "prompt": prompt, "max_tokens_to_sample": 100, **changes}


def complete(url, body=None, headers=HEADERS, **simulate):
    return ask(url, body or asked(), headers, path="/v1/complete", **simulate)


def frames(response):
    """Name (None if unnamed) and decoded data of each event; separators are CRLF."""
    assert response.content.endswith(b"\r\n\r\n")
    for frame in response.content.decode().removesuffix("\r\n\r\n").split("\r\n\r\n"):
        *name, data = frame.split("\r\n")
        yield name[0] if name else None, data.removeprefix("data: ")


@pytest.mark.parametrize("model", ["claude-2.1", "claude-2", "claude-v1", "nonsense"])
def test_today_every_model_it_served_is_gone(url, model):
    assert refusal(complete(url, asked(model=model))) == (404, f"model: {model}")


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-3-opus-20240229"])
def test_it_never_served_the_models_of_messages(url, alive, model):
    expected = f'"{model}" is not supported on this API. Please use the Messages API instead.'

    assert refusal(complete(url, asked(model=model))) == (400, expected)
    assert refusal(complete(alive, asked(model=model))) == (400, expected)


def test_today_a_version_is_required(url):
    expected = (400, "anthropic-version: header is required")
    assert refusal(complete(url, headers=KEY)) == expected


def test_a_whole_completion_has_the_recorded_shape(alive):
    response = complete(alive)
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
def test_the_first_version_and_no_version_have_the_first_shape(alive, headers):
    completion = complete(alive, headers=headers).json()

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


def test_a_stream_is_incremental_and_named(alive):
    response = complete(alive, asked(stream=True), deltas='[" a", " b", " c"]')

    told = list(frames(response))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert told[2] == ("event: ping", '{"type": "ping"}')
    completions = [json.loads(data) for name, data in told if name == "event: completion"]
    assert [frame["completion"] for frame in completions] == [" a", " b", " c", ""]
    assert [frame["stop_reason"] for frame in completions] == [None, None, None, "stop_sequence"]
    assert [frame["stop"] for frame in completions] == [None, None, None, HUMAN]


def test_a_stream_of_the_first_version_is_cumulative_and_unnamed(alive):
    response = complete(alive, asked(stream=True), FIRST, deltas='[" a", " b", " c"]')

    told = list(frames(response))
    assert told[2] == ("event: ping", "2023-04-28 21:18:31.866238")
    assert told[-1] == (None, "[DONE]")
    completions = [json.loads(data) for name, data in told[:-1] if name is None]
    assert [frame["completion"] for frame in completions] == [" a", " a b", " a b c"]
    assert [frame["stop_reason"] for frame in completions] == [None, None, "stop_sequence"]


@pytest.mark.parametrize("headers", [FIRST, HEADERS])
def test_an_empty_completion_still_says_why_it_ended(alive, headers):
    told = list(frames(complete(alive, asked(stream=True), headers, text='""')))

    last = json.loads(told[0][1])
    assert (last["completion"], last["stop_reason"]) == ("", "stop_sequence")


def test_a_prefill_is_continued(alive):
    completion = complete(alive, asked(f"{HUMAN} Hi{ASSISTANT} Once")).json()["completion"]

    assert completion == ' and so on, continuing in answer to "Hi" as the old API did.'


@pytest.mark.parametrize(
    ("text", "expected", "stop"),
    [("a END b", "a ", "END"), ("a\n\nHuman: b", "a", HUMAN), ("a\tb", "a", "\t")],
)
def test_stops_end_a_completion_also_blank_and_built_in_ones(alive, text, expected, stop):
    body = asked(stop_sequences=["END", "", "\t"])

    completion = complete(alive, body, text=json.dumps(text)).json()

    assert (completion["completion"], completion["stop"]) == (expected, stop)


def test_a_budget_ends_a_completion_and_leaves_no_stop(alive):
    completion = complete(alive, asked(max_tokens_to_sample=1), text='" one two"').json()

    assert completion["completion"] == " one"
    assert (completion["stop_reason"], completion["stop"]) == ("max_tokens", None)


def test_a_budget_over_the_cap_is_capped_in_silence(alive):
    body = asked(max_tokens_to_sample=1_000_000)

    completion = complete(alive, body, text=json.dumps(" x" * 4_097)).json()

    assert completion["completion"] == " x" * 4_096


def test_a_stop_reason_can_be_asked_for(alive):
    assert complete(alive, stop_reason="max_tokens").json()["stop_reason"] == "max_tokens"


@pytest.mark.parametrize(
    ("alias", "model"),
    [("claude-2", "claude-2.0"), ("claude-instant-1", "claude-instant-1.2"), ("claude-v1",) * 2],
)
def test_an_alias_answers_as_its_newest_version(alive, alias, model):
    assert complete(alive, asked(model=alias)).json()["model"] == model


def test_a_name_it_never_knew_is_not_found(alive):
    assert refusal(complete(alive, asked(model="claude-9"))) == (404, "model: claude-9")


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
def test_the_documented_bad_prompts_are_refused(alive, prompt, expected):
    assert refusal(complete(alive, asked(prompt))) == (400, expected)


@pytest.mark.parametrize(
    "prompt",
    [
        f"Human: Hello, Claude{ASSISTANT}",
        f"{HUMAN} Hello, Claude:{ASSISTANT} ",
        f"Today is Monday.{HUMAN} Hello, Claude{ASSISTANT}",
    ],
)
def test_the_documented_repairs_are_made(alive, prompt):
    assert complete(alive, asked(prompt)).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "claude-2"}, "prompt: Field required"),
        (asked(max_tokens_to_sample=0), "max_tokens_to_sample: Input should be greater than or "
         "equal to 1"),
        (asked(max_tokens=5), "max_tokens: Extra inputs are not permitted"),
        (asked(tags={}), "tags: Extra inputs are not permitted"),
        (asked(metadata={"user_id": "x" * 257}), "metadata.user_id: String should have at most "
         "256 characters"),
    ],
)  # fmt: skip
def test_bodies_are_checked(alive, body, expected):
    assert refusal(complete(alive, body)) == (400, expected)


def test_what_old_clients_send_is_taken(alive):
    body = asked(top_k=-1, top_p=-1, temperature=1, stream=None, metadata={"user_id": None})

    assert complete(alive, body).status_code == 200
    assert complete(alive, body | {"tags": {}, "disable_checks": False}, FIRST).status_code == 200


def test_bytes_can_be_no_utf8_here_too(alive):
    response = complete(alive, asked(stream=True), text='" a"', invalid_utf8="1")

    assert b'"completion":"\xff\xfe a"' in response.content


def test_errors_can_be_simulated_here_too(alive):
    response = complete(alive, asked(stream=True), error_after_deltas="1", error="529")

    name, data = list(frames(response))[-1]
    assert name == "event: error"
    assert json.loads(data)["error"]["message"] == "Overloaded"
