"""
Which secret arrives at which host: every setting, every way to send a key, every way through.

What should arrive is said here once more, in the words of deploy/README.md.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from proxy.app import create_app
from proxy.config.reload import ConfigSource
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.security.keyring import hash_token
from tests.harness import V2, body, running_proxy
from tests.proxy.replay.harness import COMPLETION, MESSAGE
from tests.servers import serving
from tests.waiting import wait_for

TOKEN, OWN, OTHER = "holdover-token-of-ads", "sk-ant-clients-own", "sk-ant-clients-other"
KEYS: Final = {
    "upstream_key": "sk-messages-of-the-server",
    "legacy_key": "sk-legacy-of-the-server",
    "callers.upstream_key": "sk-messages-of-ads",
    "callers.legacy_key": "sk-legacy-of-ads",
}
CREDENTIALS: Final = frozenset({"x-api-key", "authorization"})
SENT: Final[Mapping[str, tuple[dict[str, str], str]]] = {
    "own": ({"x-api-key": OWN}, OWN),
    "own bearer": ({"authorization": f"Bearer {OWN}"}, OWN),
    "two": ({"x-api-key": OWN, "authorization": f"Bearer {OTHER}"}, OWN),
    "none": ({}, ""),
    "empty": ({"x-api-key": "", "authorization": "Bearer"}, ""),
    "token": ({"x-api-key": TOKEN}, TOKEN),
    "token bearer": ({"authorization": f"Bearer {TOKEN}"}, TOKEN),
    "token first": ({"x-api-key": TOKEN, "authorization": f"Bearer {OWN}"}, TOKEN),
    "token second": ({"x-api-key": OWN, "authorization": f"Bearer {TOKEN}"}, OWN),
}
"""The headers, and which of what they hold counts."""
WAYS: Final[Mapping[str, tuple[str, ...]]] = {
    "translate": ("messages",),
    "forward": ("legacy",),
    "translate-then-forward": ("messages", "legacy"),
    "forward-then-translate": ("legacy", "messages"),
    "translate-shadow-forward": ("messages", "legacy"),
    "forward-shadow-translate": ("legacy", "messages"),
    "learn": ("messages", "messages"),
    "/v1/messages": ("messages",),
    "/v1/models": ("messages",),
}
"""Who is asked, by whichever leg."""


def rule(name: str, action: str, **more: object) -> dict[str, Any]:
    return {"name": name, "action": action, "match": {"header": {"x-way": name}}} | more


RULES: Final = [
    rule("forward", "forward"),
    rule("translate-then-forward", "translate", on_failure="forward"),
    rule("forward-then-translate", "forward", on_failure="translate"),
    rule("translate-shadow-forward", "translate", shadow="forward"),
    rule("forward-shadow-translate", "forward", shadow="translate"),
]


class Host:
    """An upstream that takes every key, and remembers those of each exchange."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""
        self.arrived = defaultdict[str, list[list[str]]](list)
        """Secrets, by exchange and request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        marker, said = request.headers["x-marker"], await request.body()
        is_first = marker not in self.arrived
        self.arrived[marker].append(secrets_of(request.headers))
        answer = self._answer(request, said, is_first=is_first)
        await answer(scope, receive, send)

    def _answer(self, request: Request, said: bytes, *, is_first: bool) -> JSONResponse:
        way = request.headers["x-way"]
        if is_first and "then" in way and WAYS[way][0] == self.name:
            return JSONResponse({}, 529)
        if is_first and way == "learn":
            refusal = {"type": "invalid_request_error", "message": DEPRECATED}
            return JSONResponse({"type": "error", "error": refusal}, 400)
        assert not (way == "learn" and b"temperature" in said)
        return JSONResponse(COMPLETION if request.url.path == "/v1/complete" else MESSAGE)


DEPRECATED: Final = "`temperature` is deprecated for this model."


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Host]]:
    messages, legacy = Host("messages"), Host("legacy")
    with serving(messages) as messages.url, serving(legacy) as legacy.url:
        yield {host.name: host for host in (messages, legacy)}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as made:
        yield made


@contextmanager
def holdover(
    urls: Mapping[str, str], state_dir: Path, held: frozenset[str], *, lists: bool
) -> Iterator[str]:
    """One that holds these keys."""
    of_server: dict[str, Any] = {
        name: key for name, key in KEYS.items() if name in held and "." not in name
    }
    of_ads = {
        name.removeprefix("callers."): key
        for name, key in KEYS.items()
        if name in held and "." in name
    }
    ads = {"token": f"sha256:{hash_token(TOKEN.encode())}"} | of_ads
    settings = load_settings(
        upstream_url=urls["messages"],
        legacy_url=urls["legacy"],
        rollout=RULES,
        callers={"ads": ads} if lists else {},
        traffic=False,
        state_dir=state_dir,
        **of_server,
    )
    with serving(create_app(settings)) as url:
        yield url


def ask(client: httpx.Client, url: str, way: str, sent: dict[str, str]) -> httpx.Response:
    """Ask in one of the ways, so that what arrives can be found."""
    marker = uuid.uuid4().hex
    headers = V2 | sent | {"x-marker": marker, "x-way": way}
    if way == "/v1/models":
        return client.get(url + way, headers=headers)
    if way == "/v1/messages":
        return client.post(url + way, headers=headers, json={"model": "m"})
    # Of its own model, so that what one request teaches is new to the next.
    asked = body(model=f"model-{marker}", temperature=0.5)
    return client.post(f"{url}/v1/complete", headers=headers, json=asked)


def expected(host: str, used: str, held: frozenset[str], *, lists: bool) -> str:
    """The caller's key for that host, else the server's, else what the client sends."""
    name = "upstream_key" if host == "messages" else "legacy_key"
    if lists and used == TOKEN and f"callers.{name}" in held:
        return KEYS[f"callers.{name}"]
    if name in held:
        return KEYS[name]
    # What opens a key that is held here is as good as that key: it is never sent on.
    return "" if lists and used == TOKEN and held else used


def secrets_of(headers: Mapping[str, str]) -> list[str]:
    """The keys and tokens among credentials."""
    values = (headers.get(name, "").removeprefix("Bearer").strip() for name in sorted(CREDENTIALS))
    return [value for value in values if value]


def is_let_in(way: str, used: str, held: frozenset[str], *, lists: bool) -> bool:
    """Strangers are turned away where a key is held and callers are listed."""
    if held and lists:
        return used == TOKEN
    return bool(used or held) or way.startswith("/")


def arrived(
    hosts: Mapping[str, Host], answer: httpx.Response, many: int
) -> list[tuple[str, list[str]]]:
    """By host, which secrets came with each request, once so many have come: shadows are late."""
    marker = answer.request.headers["x-marker"]
    wait_for(
        lambda: sum(len(host.arrived[marker]) for host in hosts.values()) >= many,
        about=lambda: answer.text,
    )
    return [(name, came) for name, host in hosts.items() for came in host.arrived[marker]]


def every_holding() -> Iterator[tuple[frozenset[str], bool]]:
    """Which keys are held, and whether callers are listed."""
    for choice in product([True, False], repeat=len(KEYS)):
        held = frozenset(name for name, chosen in zip(KEYS, choice, strict=True) if chosen)
        yield held, True
        if not any(name.startswith("callers") for name in held):
            yield held, False


def spelled(value: frozenset[str] | bool) -> str:
    """A name that is the same in every process: sets are not, in their order."""
    return str(value) if isinstance(value, bool) else " ".join(sorted(value)) or "none"


@pytest.mark.thorough
@pytest.mark.parametrize(("held", "lists"), list(every_holding()), ids=spelled)
def test_each_secret_arrives_where_it_belongs_and_nowhere_else(
    hosts, client, tmp_path, held, lists
):
    urls = {name: host.url for name, host in hosts.items()}
    with holdover(urls, tmp_path, held, lists=lists) as url:
        for (sent, used), (way, asked) in product(SENT.values(), WAYS.items()):
            answer = ask(client, url, way, sent)
            if not is_let_in(way, used, held, lists=lists):
                assert answer.status_code == 401
                assert arrived(hosts, answer, 0) == []
                continue
            assert answer.status_code == 200, answer.text
            came = arrived(hosts, answer, len(asked))
            assert sorted(host for host, _ in came) == sorted(asked)
            for host, secrets in came:
                own = expected(host, used, held, lists=lists)
                is_untouched = not held and (host == "legacy" or way.startswith("/"))
                assert secrets == (secrets_of(sent) if is_untouched else [own] if own else [])


@pytest.mark.parametrize("legacy_key", [None, KEYS["legacy_key"]])
def test_of_one_origin_the_upstreams_have_one_key_unless_two_are_given(client, legacy_key):
    both = Host("both")
    with serving(both) as both.url:
        settings = load_settings(
            upstream_url=f"{both.url}/new",
            legacy_url=f"{both.url}/old/",
            upstream_key=KEYS["upstream_key"],
            legacy_key=legacy_key,
            rollout=RULES,
            traffic=False,
        )
        with serving(create_app(settings)) as url:
            legacy, messages = (ask(client, url, way, {}) for way in ("forward", "translate"))

    hosts = {"both": both}
    assert arrived(hosts, legacy, 1) == [("both", [legacy_key or KEYS["upstream_key"]])]
    assert arrived(hosts, messages, 1) == [("both", [KEYS["upstream_key"]])]


def test_a_new_key_goes_to_the_new_upstream_and_never_to_the_old_one(hosts, client, tmp_path):
    """A file that changes both was half followed: the new key went to the old host."""
    old, new = hosts["messages"], hosts["legacy"]
    file = tmp_path / "holdover.toml"

    def written(host: Host, key: str) -> str:
        return f'upstream_url = "{host.url}"\nupstream_key = "{key}"\ntraffic = false\n'

    file.write_text(written(old, "of-the-old-one"))
    source = ConfigSource(file=TomlSource.read(file), load=load_settings)
    with serving(create_app(load_settings(file, state_dir=tmp_path), source)) as url:
        before = ask(client, url, "translate", {})
        file.write_text(written(new, "of-the-new-one"))
        version = client.get(f"{url}/readyz").json()["settings"]["version"]
        wait_for(lambda: client.get(f"{url}/readyz").json()["settings"]["version"] != version)
        after = [ask(client, url, way, {}) for way in ("translate", "/v1/messages")]

    assert arrived(hosts, before, 1) == [("messages", ["of-the-old-one"])]
    for answer in after:
        assert arrived(hosts, answer, 1) == [("legacy", ["of-the-new-one"])]


def test_a_held_key_that_upstream_quotes_does_not_reach_the_client():
    text = '"your key sk-ant-held-1 is old"'
    quoting = {"simulate-error": "400", "simulate-error-message": text}
    with running_proxy(upstream_key="sk-ant-held-1") as holdover:
        answer = holdover.complete(headers=quoting)

    assert answer.json()["error"]["message"] == "your key [key] is old"
