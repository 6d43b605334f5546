"""What a line of the log says of an exchange, and what it must not say."""

import json

import pytest

from proxy.simulator import create_simulator
from tests.command_line import running
from tests.harness import KEY, PROMPT, V2, body
from tests.servers import fetch, serving

pytestmark = pytest.mark.without_coverage

CANARIES = ("canary@example.org", "sk-ant-canary-0000000000", "+49 171 1234567", "10.11.12.13")
PLACES = {
    "user-agent": "app/1 ({})",
    "anthropic-sdk": "anthropic-{}",
    "x-stainless-lang": "python {}",
    "x-stainless-package-version": "{}",
    "anthropic-beta": "{}",
    "x-note": "{}",
    "referer": "http://x/{}",
}


def line_of(process):
    """The next line about an exchange."""
    while '"event":"exchange"' not in (line := process.stderr.readline()):
        assert line, "it ended"
    return line


@pytest.fixture(scope="module")
def proxy():
    with (
        serving(create_simulator()) as upstream_url,
        running("serve", "--port", "0", HOLDOVER_UPSTREAM_URL=upstream_url) as served,
    ):
        yield served


@pytest.mark.parametrize("canary", CANARIES)
def test_what_a_client_says_of_itself_is_kept_without_people_and_keys(proxy, canary):
    url, process = proxy
    request = body(
        model=canary,
        prompt=f"{canary}\n\nHuman: {canary}\n\nAssistant: {canary}",
        stop_sequences=[canary],
        metadata={"user_id": canary, canary: 1},
        **{canary: canary},
    )
    headers = KEY | V2 | {name: said.format(canary) for name, said in PLACES.items()}
    answer = fetch(
        "POST", f"{url}/v1/complete", json=request, headers=headers, params={"q": canary}
    )
    line = line_of(process)

    assert answer.status_code in {200, 404}, answer.text
    assert canary not in line
    assert json.loads(line)["asked_model"].startswith("[")


def test_times_are_in_the_order_in_which_things_happen(proxy):
    url, process = proxy
    fetch("POST", f"{url}/v1/complete", json=body(prompt=PROMPT, stream=True), headers=KEY | V2)
    record = json.loads(line_of(process))

    # A ping may come before the first token, and is a byte.
    for name in ("first_token_ms", "first_byte_ms"):
        assert 0 < record["upstream_ms"] <= record[name] <= record["total_ms"]
    assert record["received"].endswith("+00:00")
    assert record["features"] == ["streaming"]


def test_a_request_that_cannot_be_read_has_no_features(proxy):
    url, process = proxy
    fetch("POST", f"{url}/v1/complete", content=b"{", headers=KEY | V2)
    record = json.loads(line_of(process))

    assert (record["features"], record["turns"], record["upstream_ms"]) == ([], None, None)
    assert record["reply_bytes"] > 0


@pytest.mark.thorough
def test_a_caller_has_one_digest_over_restarts(tmp_path):
    digests = []
    with serving(create_simulator()) as upstream_url:
        settings = {"HOLDOVER_UPSTREAM_URL": upstream_url, "HOLDOVER_STATE_DIR": str(tmp_path)}
        for _ in range(2):
            with running("serve", "--port", "0", **settings) as (url, process):
                fetch("POST", f"{url}/v1/complete", json=body(), headers=KEY | V2)
                digests.append(json.loads(line_of(process))["caller"])

    assert digests[0] == digests[1]
