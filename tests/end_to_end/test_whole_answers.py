import json

import pytest

from tests.harness import KEY, PROMPT, V2, ProxyUnderTest, body, running_proxy, text_of
from tests.servers import fetch


def test_answer_has_the_recorded_shape_of_the_new_dialect(holdover: ProxyUnderTest):
    answer = holdover.complete(model="claude-2", headers={"simulate-text": '"Hi there!"'})

    identity = answer.json()["id"]
    assert answer.text == (
        f'{{"type":"completion","id":"{identity}","completion":" Hi there!",'
        '"stop_reason":"stop_sequence","model":"claude-2.0","stop":"\\n\\nHuman:",'
        f'"log_id":"{identity}"}}'
    )
    assert identity.startswith("compl_01")
    assert answer.headers["content-type"] == "application/json"


def test_answer_has_the_recorded_shape_of_the_old_dialect(holdover: ProxyUnderTest):
    answer = fetch(
        "POST",
        f"{holdover.url}/v1/complete",
        json=body(model="claude-v1"),
        headers=KEY | {"simulate-text": '"Hi there!"'},
    )

    log_id = answer.json()["log_id"]
    assert answer.text == (
        '{"completion":" Hi there!","stop":"\\n\\nHuman:","stop_reason":"stop_sequence",'
        f'"truncated":false,"log_id":"{log_id}","model":"claude-v1","exception":null}}'
    )


def test_upstream_hears_a_messages_request_with_one_version_and_one_key(holdover: ProxyUnderTest):
    holdover.complete(
        model="claude-instant-1",
        prompt="Be brief.\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Now\n\nAssistant: I",
        temperature=0.5,
        top_k=-1,
        metadata={"user_id": "u-1"},
        stop_sequences=["END"],
        headers={"x-stainless-lang": "python", "anthropic-beta": "old-2023", "cookie": "a=b"},
    )

    heard = holdover.last_received()
    assert heard["body"] == {
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 200,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Now"},
            {"role": "assistant", "content": "I"},
        ],
        "stop_sequences": ["END", "\n\nHuman:"],
        "temperature": 0.5,
        "metadata": {"user_id": "u-1"},
    }
    names = [name for name, _ in heard["headers"]]
    assert names.count("anthropic-version") == names.count("x-api-key") == 1
    assert not {"authorization", "x-stainless-lang", "anthropic-beta", "cookie"} & set(names)
    assert dict(heard["headers"])["anthropic-version"] == "2023-06-01"


def test_a_bearer_token_goes_up_as_one(holdover: ProxyUnderTest):
    answer = fetch(
        "POST",
        f"{holdover.url}/v1/complete",
        json=body(),
        headers=V2 | {"authorization": "bearer  tok-1", "x-api-key": ""},
    )

    headers = dict(holdover.last_received()["headers"])
    assert (answer.status_code, headers["authorization"]) == (200, "Bearer tok-1")
    assert "x-api-key" not in headers


def test_where_both_credentials_are_sent_only_the_key_goes_up(holdover: ProxyUnderTest):
    holdover.complete(headers={"authorization": "Bearer tok-1"})

    headers = dict(holdover.last_received()["headers"])
    assert headers["x-api-key"] == KEY["x-api-key"]
    assert "authorization" not in headers


def test_every_change_is_named_in_a_header_and_so_is_the_model_that_answered(
    holdover: ProxyUnderTest,
):
    answer = holdover.complete(model="claude-2.1", temperature=0.3, prompt=PROMPT + " ")

    assert answer.headers["holdover-adjustments"] == (
        "replace_retired_model, trim_trailing_space, drop_temperature"
    )
    assert answer.headers["holdover-model"] == "claude-opus-4-8"
    assert answer.headers["holdover-stop-reason"] == "end_turn"


def test_headers_of_the_api_come_down_and_those_of_its_edge_do_not(holdover: ProxyUnderTest):
    answer = holdover.complete()

    assert answer.headers["request-id"].startswith("req_")
    assert "anthropic-ratelimit-requests-limit" in answer.headers
    assert not {"server", "cf-cache-status", "via", "strict-transport-security"} & set(
        answer.headers
    )


@pytest.mark.parametrize(
    "path",
    [
        "/v1/complete",
        "//v1/complete",
        "/v1//complete",
        "/v1/v1/complete",
        "/v1/complete/",
        "/v1/complete?beta=true",
    ],
)
def test_every_spelling_of_the_path_is_understood(holdover: ProxyUnderTest, path: str):
    answer = fetch("POST", holdover.url + path, json=body(), headers=KEY | V2)

    assert answer.json()["type"] == "completion"


@pytest.mark.parametrize(
    "spell",
    [
        json.dumps,
        lambda fields: json.dumps(fields, separators=(",", ":"), ensure_ascii=False),
        lambda fields: json.dumps(fields, indent=2),
    ],
    ids=["spaced and escaped", "compact and raw", "pretty-printed"],
)
def test_every_spelling_of_the_body_is_understood(holdover: ProxyUnderTest, spell):
    content = spell(body(prompt="\n\nHuman: Grüße 🌳\n\nAssistant:")).encode()

    fetch("POST", f"{holdover.url}/v1/complete", content=content, headers=KEY | V2)

    assert holdover.last_received()["body"]["messages"] == [{"role": "user", "content": "Grüße 🌳"}]


def test_half_an_emoji_from_javascript_is_replaced_and_said(holdover: ProxyUnderTest):
    content = json.dumps(body(prompt="\n\nHuman: cut \ud83d off\n\nAssistant:"))

    answer = fetch("POST", f"{holdover.url}/v1/complete", content=content, headers=KEY | V2)

    assert answer.headers["holdover-adjustments"] == "replace_lone_surrogate"
    assert holdover.last_received()["body"]["messages"][0]["content"] == "cut \ufffd off"


def test_a_fraction_of_a_token_is_cut_off_and_said(holdover: ProxyUnderTest):
    answer = holdover.complete(max_tokens_to_sample=500.7)

    assert answer.headers["holdover-adjustments"] == "read_lax_value"
    assert holdover.last_received()["body"]["max_tokens"] == 500


def test_a_header_of_the_applications_own_that_ends_here_is_said(holdover: ProxyUnderTest):
    plain = holdover.complete()
    named = holdover.complete(headers={"tenant": "acme", "x-team": "search"})

    assert "holdover-adjustments" not in plain.headers
    assert named.headers["holdover-adjustments"] == "drop_header"


def test_a_header_that_would_end_here_can_be_refused_by_its_name():
    with running_proxy(refuse=["drop_header"]) as holdover:
        refused = holdover.complete(headers={"tenant": "acme"})

    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("tenant: Of the application's headers")
    assert "acme" not in refused.text


def test_text_of_all_text_blocks_and_of_nothing_else_is_the_completion(holdover: ProxyUnderTest):
    blocks = ["One", {"type": "thinking", "thinking": "hm", "signature": "s"}, " two"]

    answer = holdover.complete(headers={"simulate-blocks": json.dumps(blocks)})

    assert answer.json()["completion"] == " One two"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("end_turn", ("stop_sequence", "\n\nHuman:")),
        ("max_tokens", ("max_tokens", None)),
        ("model_context_window_exceeded", ("max_tokens", None)),
        ("refusal", ("stop_sequence", "\n\nHuman:")),
        ("pause_turn", ("stop_sequence", "\n\nHuman:")),
        ("never_heard_of", ("stop_sequence", "\n\nHuman:")),
    ],
)
def test_every_stop_reason_becomes_one_of_two(
    holdover: ProxyUnderTest, said: str, expected: tuple[str, str]
):
    answer = holdover.complete(headers={"simulate-stop-reason": said})

    assert (answer.json()["stop_reason"], answer.json()["stop"]) == expected
    assert answer.headers["holdover-stop-reason"] == said


def test_an_empty_answer_is_an_empty_completion(holdover: ProxyUnderTest):
    answer = holdover.complete(headers={"simulate-empty": "1"})

    assert answer.json()["completion"] == ""


def test_a_stop_that_upstream_refuses_cuts_the_answer_all_the_same(holdover: ProxyUnderTest):
    answer = holdover.complete(
        stop_sequences=["\n\n"], headers={"simulate-text": json.dumps("One.\n\nTwo.")}
    )

    assert (answer.json()["completion"], answer.json()["stop"]) == (" One.", "\n\n")


def test_a_compressed_answer_is_understood(holdover: ProxyUnderTest):
    assert holdover.complete(headers={"simulate-gzip": "1"}).json()["completion"].startswith(" You")


def test_a_mount_prefix_is_taken_off_and_may_be_missing():
    with running_proxy(mount_prefix="/anthropic") as mounted:
        paths = ["/anthropic/v1/complete", "/v1/complete"]
        answers = [
            fetch("POST", mounted.url + path, json=body(), headers=KEY | V2) for path in paths
        ]

        assert [answer.status_code for answer in answers] == [200, 200]
        models = fetch("GET", f"{mounted.url}/anthropic/v1/models", headers=KEY | V2)
        assert models.status_code == 200


def test_an_echo_may_begin_with_other_white_space_than_the_prefill(holdover: ProxyUnderTest):
    told = holdover.complete(
        model="claude-opus-4-8",
        prompt=PROMPT + "\n\nSure",
        headers={"simulate-text": json.dumps(" Sure\nNext")},
    )

    assert told.json()["completion"] == "\nNext"


@pytest.mark.parametrize("way", ["all", "words", "quoted", "wrapped", "indented"])
@pytest.mark.parametrize("prefill", ["continue", "instruct"])
@pytest.mark.parametrize("stream", [False, True])
def test_however_a_model_repeats_a_prefill_its_continuation_is_joined_with_its_own_space(
    way: str, prefill: str, *, stream: bool
):
    written = f"{PROMPT} My friends call me\nLong John, and my name is"
    manner = {
        "simulate-echo-prefill": way,
        "simulate-text": '" Silver."',
        "simulate-delta-size": "3",
    }
    asked = {"model": "claude-sonnet-4-6", "prompt": written}
    with running_proxy(prefill=prefill) as holdover:
        if stream:
            said = text_of(holdover.stream(headers=V2 | manner, **asked))
        else:
            said = holdover.complete(headers=manner, **asked).json()["completion"]

    assert said == " Silver."


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_repeats_nothing_is_joined_by_the_rule(
    holdover: ProxyUnderTest, *, stream: bool
):
    manner = {"simulate-text": '"Silver."', "simulate-delta-size": "2"}
    asked = {"model": "claude-sonnet-4-6", "prompt": f"{PROMPT} My name is"}
    if stream:
        said = text_of(holdover.stream(headers=V2 | manner, **asked))
    else:
        said = holdover.complete(headers=manner, **asked).json()["completion"]

    assert said == " Silver."
