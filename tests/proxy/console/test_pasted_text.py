"""What people paste in place of a legacy request, and what they are told to paste instead."""

import json

import pytest

from proxy.console.pasted_text import mistake_in

LEGACY = {"model": "claude-2", "prompt": "\n\nHuman: It's me\n\nAssistant:"}
WRITTEN = json.dumps(LEGACY)
QUOTED = WRITTEN.replace("'", "'\\''")


def told(text: str) -> str:
    mistake = mistake_in(text)
    assert mistake is not None
    return mistake.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("  \n", "Paste a request first"),
        ("[]", "This is JSON, but not an object"),
        (
            '{"model": "claude-2",\n "prompt" 1}',
            "This is not JSON at line 2, column 11: expected ':'",
        ),
        ('{"ä": x', "This is not JSON at line 1, column 7: invalid character."),
        ("{'model': 1}", "JSON has double quotes"),
        ('{"model": ', "This is not JSON: Input data was truncated."),
        ("[" * 100_000, "This is not JSON: "),
        ('{"messages": []}', "a request of the Messages API already"),
        ('{"completion": " Hi"}', "This is an answer."),
        ('{"type": "error"}', "This is an answer."),
        ("import anthropic\n", "This is code."),
        ("client.completions.create(model=1)", "This is code."),
        ("curl -d 'not closed", "This is a curl command."),
        ("curl https://example.org", "This is a curl command."),
        ("curl x -d @body.json", "sends the file body.json"),
        ("curl x -d " + "x" * 200_000, "This is a curl command."),
    ],
)
def test_what_is_no_legacy_request_is_recognised(text, what):
    assert what in told(text)


@pytest.mark.parametrize(
    "text",
    [
        f"curl https://x/v1/complete \\\n  -H 'x-api-key: k' \\\n  -d '{QUOTED}'",
        f"$ curl --data='{QUOTED}' x",
        f"curl -d'{QUOTED}' x",
        f"curl x --data-raw '{QUOTED}'",
        f"POST /v1/complete HTTP/1.1\r\nhost: x\r\n\r\n{WRITTEN}\n",
        json.dumps({"record": {}, "bodies": {"legacy_in": {"content": LEGACY}}}),
    ],
)
def test_the_request_within_is_found(text):
    mistake = mistake_in(text)

    assert mistake is not None
    assert mistake.instead is not None
    assert json.loads(mistake.instead) == LEGACY


@pytest.mark.parametrize(
    "text", ["curl x -d '{\"messages\": []}'", "curl x -d 'x=1'", "GET / HTTP/1.1"]
)
def test_what_is_within_is_shown_only_if_it_is_a_legacy_request(text):
    mistake = mistake_in(text)

    assert mistake is not None
    assert mistake.instead is None


@pytest.mark.parametrize("text", [WRITTEN, "{}", '{"bodies": {"legacy_in": {"content": null}}}'])
def test_what_may_be_a_legacy_request_is_left_to_who_decodes_it(text):
    assert mistake_in(text) is None
