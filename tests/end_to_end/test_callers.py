"""Whose keys: passed through, held by the server, or stood for by tokens; on every path."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.security.keyring import hash_token
from proxy.security.redaction import Digester
from tests.command_line import run, run_process
from tests.fleet import Fleet, marked, running_fleet
from tests.harness import ADMIN, ADMIN_TOKEN, body
from tests.waiting import wait_for

pytestmark = pytest.mark.unmeasured

OF_BILLING, OF_SEARCH, OF_GUEST = "sk-up-billing", "sk-up-search", "sk-up-everybody"
BILLING, SEARCH, GUEST, STRANGER = (
    f"holdover-{name}-token-{'x' * 20}" for name in ("billing", "search", "guest", "stranger")
)
LEGACY_OF_BILLING, LEGACY_OF_GUEST = "sk-legacy-billing", "sk-legacy-everybody"
SECRETS = (
    *(OF_BILLING, OF_SEARCH, OF_GUEST, LEGACY_OF_BILLING, LEGACY_OF_GUEST),
    *(BILLING, SEARCH, GUEST, STRANGER),
)

FORWARDED = """
[[rollout]]
name = "forwarded"
action = "forward"
match = { header = { x-route = "legacy" } }
"""
NAMES = f"""
[callers.billing]
token = "sha256:{hash_token(BILLING.encode())}"
[callers."search.team"]
token = "sha256:{hash_token(SEARCH.encode())}"
"""
SERVERS_KEY = f'upstream_key = "{OF_GUEST}"\nlegacy_key = "{LEGACY_OF_GUEST}"\n'
MAPPED = f"""
{SERVERS_KEY}
[callers.billing]
token = "sha256:{hash_token(BILLING.encode())}"
upstream_key = "{OF_BILLING}"
legacy_key = "{LEGACY_OF_BILLING}"
[callers."search.team"]
token = "sha256:{hash_token(SEARCH.encode())}"
upstream-key = {{ env = "KEY_OF_SEARCH" }}
[callers.guest]
token = "sha256:{hash_token(GUEST.encode())}"
"""
NAMED_BY_DIGEST = f"""
[callers.unknown-team]
digest = "{Digester("fleet").caller(STRANGER.encode())}"
"""
PATHS = ["translated", "forwarded", "/v1/messages", "/v1/models"]
MESSAGES = {
    "model": "claude-haiku-4-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Hi"}],
}

TO_START_WITH = f'admin_token = "{ADMIN_TOKEN}"\ndigest_key = "fleet"\n'


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(
        tmp_path_factory.mktemp("fleet"), TO_START_WITH, workers=2, KEY_OF_SEARCH=OF_SEARCH
    ) as running:
        yield running


def api_key(key: str) -> dict[str, Any]:
    return {"x-api-key": key}


def bearer(key: str) -> dict[str, Any]:
    return {"x-api-key": ..., "authorization": f"Bearer {key}"}


def ask(fleet: Fleet, path: str, headers: dict[str, Any]) -> httpx.Response:
    """Ask on one of the four ways through Holdover."""
    given = marked(headers)
    match path:
        case "/v1/models":
            return fleet.client.get(f"{fleet.url}{path}", headers=given)
        case "/v1/messages":
            return fleet.client.post(f"{fleet.url}{path}", headers=given, json=MESSAGES)
    if path == "forwarded":
        given["x-route"] = "legacy"
    sent = body(model="claude-2.1")
    return fleet.client.post(f"{fleet.url}/v1/complete", headers=given, json=sent)


def credentials(fleet: Fleet, answer: httpx.Response) -> list[tuple[str, str]]:
    """What upstream was asked with."""
    assert answer.status_code == 200, answer.text
    _, heard = fleet.upstream_request(answer)
    return [
        (name, value) for name, value in heard["headers"] if name in {"x-api-key", "authorization"}
    ]


def was_asked(fleet: Fleet, answer: httpx.Response) -> bool:
    return answer.request.headers["x-marker"] in json.dumps(fleet.arrived())


def everywhere(fleet: Fleet, headers: dict[str, Any]) -> set[tuple[str, str]]:
    """With what the upstreams are asked on each way through, once each if it is the same."""
    found = set()
    for path in PATHS:
        [credential] = credentials(fleet, ask(fleet, path, headers))
        found.add(credential)
    return found


def keys(*secrets: str) -> set[tuple[str, str]]:
    """Keys of ours, as they are sent."""
    return {("x-api-key", secret) for secret in secrets}


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("headers", "credential"),
    [
        (api_key("sk-own"), ("x-api-key", "sk-own")),
        (bearer("sk-own"), ("authorization", "Bearer sk-own")),
    ],
)
def test_a_key_passes_through(fleet: Fleet, headers: dict[str, Any], credential: tuple[str, str]):
    with_settings(fleet, "")

    assert everywhere(fleet, headers) == {credential}


@pytest.mark.parametrize("headers", [api_key("sk-own"), bearer("sk-own"), {"x-api-key": ...}])
def test_the_servers_key_is_used_for_everybody_even_without_a_key(
    fleet: Fleet, headers: dict[str, Any]
):
    with_settings(fleet, SERVERS_KEY)

    assert everywhere(fleet, headers) == keys(OF_GUEST, LEGACY_OF_GUEST)


def test_a_token_stands_for_the_key_of_its_caller(fleet: Fleet):
    with_settings(fleet, MAPPED)

    for token, key, legacy in [
        (BILLING, OF_BILLING, LEGACY_OF_BILLING),
        (SEARCH, OF_SEARCH, LEGACY_OF_GUEST),
        (GUEST, OF_GUEST, LEGACY_OF_GUEST),
    ]:
        for header in (api_key, bearer):
            assert everywhere(fleet, header(token)) == keys(key, legacy)


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("message", "all_headers"),
    [
        (
            "invalid x-api-key",
            [
                *(api_key(STRANGER), bearer(STRANGER)),
                *(api_key(BILLING[:-1]), api_key(BILLING.upper()), api_key(OF_BILLING)),
                api_key(hash_token(BILLING.encode())),
                api_key(f"sha256:{hash_token(BILLING.encode())}"),
                {"x-api-key": STRANGER, "authorization": f"Bearer {BILLING}"},
            ],
        ),
        (
            "x-api-key header is required",
            [
                *({"x-api-key": ...}, {"x-api-key": ""}),
                {"x-api-key": ..., "authorization": f"Basic {BILLING}"},
            ],
        ),
    ],
)
def test_who_is_not_listed_is_turned_away_and_upstream_never_hears_of_it(
    fleet: Fleet, message: str, all_headers: list[dict[str, Any]]
):
    with_settings(fleet, MAPPED)

    for headers, path in itertools.product(all_headers, PATHS):
        answer = ask(fleet, path, headers)

        assert answer.status_code == 401
        assert answer.json()["error"] == {"type": "authentication_error", "message": message}
        assert not was_asked(fleet, answer)


def test_callers_with_names_alone_keep_their_keys_and_strangers_pass(fleet: Fleet):
    with_settings(fleet, NAMES)

    for key in (BILLING, STRANGER):
        answer = ask(fleet, "translated", api_key(key))
        assert credentials(fleet, answer) == [("x-api-key", key)]


@pytest.mark.one_in(5)
@pytest.mark.parametrize(
    ("settings", "key", "name"),
    [
        ("", BILLING, None),
        (NAMES, BILLING, "billing"),
        (NAMES, SEARCH, "search.team"),
        (NAMES, STRANGER, None),
        (MAPPED, GUEST, "guest"),
        (NAMED_BY_DIGEST, STRANGER, "unknown-team"),
        (SERVERS_KEY + NAMED_BY_DIGEST, STRANGER, "unknown-team"),
    ],
)
@pytest.mark.parametrize("path", ["translated", "forwarded"])
def test_the_log_names_callers_and_otherwise_shows_the_digest_of_their_key(
    fleet: Fleet, settings: str, key: str, name: str | None, path: str
):
    with_settings(fleet, settings)

    line = fleet.record(ask(fleet, path, bearer(key)))

    assert line["caller_name"] == name
    assert line["caller"] == Digester("fleet").caller(key.encode())
    assert "peer" not in line


def test_a_digest_gives_a_name_and_changes_nothing_else(fleet: Fleet):
    with_settings(fleet, NAMED_BY_DIGEST)

    for key in (BILLING, STRANGER):
        answer = ask(fleet, "translated", api_key(key))
        assert credentials(fleet, answer) == [("x-api-key", key)]


def test_the_digest_of_a_key_is_the_one_that_the_log_shows(tmp_path: Path):
    """Also of the key of digests that nobody has set."""
    with running_fleet(tmp_path) as fleet:
        line = fleet.record(fleet.post(api_key(BILLING)))
        done = run("keys", "digest", "--config", str(fleet.config), stdin=BILLING)

    assert done.stdout == f"{line['caller']}\n"


def test_the_address_of_the_client_is_in_the_log_alone_and_only_if_it_is_wanted(tmp_path: Path):
    with running_fleet(tmp_path, "log_client_address = true\n") as fleet:
        answer = fleet.post({"x-forwarded-for": "192.0.2.1"})
        line = fleet.record(answer)
        show = ("show", line["id"], "--format", "json", "--config", str(fleet.config))
        shown = json.loads(wait_for(lambda: run_process(*show).stdout))

    assert line["peer"] == "127.0.0.1"
    assert "192.0.2.1" not in fleet.log.read_text()
    assert shown["record"] == {
        name: value for name, value in line.items() if name in shown["record"]
    }
    assert "peer" not in shown["record"]


def test_someone_turned_away_is_in_the_log_without_a_caller(fleet: Fleet):
    with_settings(fleet, MAPPED)

    line = fleet.record(ask(fleet, "translated", api_key(STRANGER)))

    assert (line["status"], line["error_type"], line["blame"]) == (
        *(401, "authentication_error"),
        "client",
    )
    assert (line["caller"], line["caller_name"], line["rule"]) == (None, None, None)


def test_keys_and_tokens_are_shown_nowhere(fleet: Fleet):
    with_settings(fleet, MAPPED)
    for token in (BILLING, SEARCH, STRANGER):
        for path in PATHS:
            ask(fleet, path, api_key(token))
            ask(fleet, path, bearer(token) | {"simulate-error": "401"})
    with broken(fleet):
        pages = [
            fleet.client.get(fleet.url + path, headers=ADMIN).text
            for path in ("/readyz", "/metrics", "/holdover/rollout", "/holdover/lessons")
        ]
    shown = "\n".join([*pages, *map(json.dumps, fleet.lines())])

    hashes = [hash_token(token.encode()) for token in (BILLING, SEARCH, GUEST)]
    assert "search.team" in shown
    assert "forwarded" in pages[2]
    assert [secret for secret in (*SECRETS, *hashes) if secret in shown] == []


def with_settings(fleet: Fleet, settings: str) -> None:
    """Let every worker go by these settings, unless they do already."""
    if f"{TO_START_WITH}{settings}\n{FORWARDED}" not in fleet.config.read_text():
        fleet.follow(FORWARDED, TO_START_WITH + settings)


@contextmanager
def broken(fleet: Fleet) -> Iterator[None]:
    """While a mistake is in the file, next to keys."""
    good = fleet.config.read_text()
    fleet.write(good + f'[callers.new]\ntoken = "{STRANGER}"\nupstream_key = 5\n')
    try:
        fleet.wait_for_problem("callers.new.token", "callers.new.upstream_key")
        yield
    finally:
        fleet.write(good)
        fleet.wait_for_recovery()
