"""The gate, as somebody meets it who wants in, with the right to or without."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from proxy.console.access.cookies import cookie_name
from proxy.console.access.gate import SESSION, Gate
from proxy.console.access.one_time_address import OneTimeAddress
from proxy.console.access.sessions import SECONDS, Session, Sessions
from proxy.endpoints.admin_token import WrongTokenLimiter
from proxy.errors import ClientGone
from proxy.security.hosts import HostCheck
from proxy.server.connection.uvicorn_protocol import ServerProtocol
from tests.proxy.console.harness import shown
from tests.servers import closed_together, new_client, serving

TOKEN = "an-admin-token-of-some-length"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def name_of_the_session(scope: Scope, receive: Receive, send: Send) -> None:
    session: Session = scope[SESSION]
    said = f"{session.name} at {scope['path']} with {session.csrf}"
    await PlainTextResponse(said)(scope, receive, send)


class Door:
    """A gate over a socket, a clock that the test turns, and somebody in front."""

    def __init__(self, client: httpx.Client, gate: Gate, clock: Clock) -> None:
        self.client = client
        self.gate = gate
        self.clock = clock

    def sign_in(self, token: str = TOKEN, **headers: str) -> httpx.Response:
        return self.client.post(
            "/sign-in", data={"token": token, "name": "Ann"}, headers=dict(headers)
        )

    def sign_out(self, csrf: str) -> httpx.Response:
        return self.client.post("/sign-out", data={"csrf": csrf})

    @property
    def is_open(self) -> bool:
        return self.client.get("/").status_code == 200

    @property
    def csrf(self) -> str:
        return self.client.get("/").text.rpartition(" ")[2]


def gate_for(token: str | None, *, prefix: str = "", allowed: frozenset[str] = frozenset()) -> Gate:
    return Gate(
        pages=name_of_the_session,
        hosts=HostCheck(is_local=True, allowed=allowed),
        prefix=prefix,
        token=SecretStr(token) if token else None,
        once=OneTimeAddress(base="http://console"),
    )


@contextmanager
def in_front_of(gate: Gate, url: str) -> Iterator[Door]:
    clock = Clock()
    gate.sessions, gate.wrong = Sessions(clock), WrongTokenLimiter(clock)
    with new_client(base_url=url) as client:
        yield Door(client, gate, clock)


@contextmanager
def opened(**options: Any) -> Iterator[Door]:
    gate = gate_for(TOKEN, **options)
    with serving(gate, http=ServerProtocol) as url, in_front_of(gate, url) as door:
        yield door


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str | None, tuple[Gate, str]]]:
    """Two gates over sockets, one with a token and one without; stopping them takes a while."""
    gates = {token: gate_for(token) for token in (TOKEN, None)}
    with closed_together() as started:
        yield {
            token: (gate, started(serving(gate, http=ServerProtocol)))
            for token, gate in gates.items()
        }


@pytest.fixture
def door(served) -> Iterator[Door]:
    with in_front_of(*served[TOKEN]) as somebody:
        yield somebody


@pytest.fixture
def terminal(served) -> Iterator[Door]:
    """A gate without a token, which an address in a terminal opens."""
    with in_front_of(*served[None]) as somebody:
        yield somebody


def cookie_of(answer: httpx.Response) -> str:
    [cookie] = answer.headers.get_list("set-cookie")
    return cookie


# Signing in with the token


def test_the_right_token_opens_the_door_under_the_name_that_was_given(door):
    answer = door.sign_in()

    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert door.client.get("/callers").text.startswith("Ann at /callers with ")


def test_a_person_without_a_name_is_known_by_their_address(door):
    door.client.post("/sign-in", data={"token": TOKEN, "name": " "})

    assert door.client.get("/").text.startswith("console at 127.0.0.1 at / ")


def test_a_name_is_one_line_of_what_can_be_seen(door):
    name = "An\x1b[2Jn\r\nset-cookie: a=b\u202eeve\0 " + "n" * 100
    door.client.post("/sign-in", data={"token": TOKEN, "name": name})

    assert door.client.get("/").text.startswith("An [2Jn set-cookie: a=b eve\ufffd nnn")
    assert len(door.client.get("/").text.partition(" at /")[0]) == 60


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN} {TOKEN}", "é\u202e", "\0"])
def test_a_wrong_token_opens_nothing(door, token):
    answer = door.sign_in(token)

    assert answer.status_code == 403
    assert "This is not the admin token." in shown(answer.text)
    assert 'value="Ann"' in answer.text
    assert "set-cookie" not in answer.headers
    assert not door.is_open


def test_a_token_is_read_without_white_space_around_it(door):
    assert door.sign_in(f" {TOKEN}\r\n").status_code == 303


def test_after_ten_wrong_tokens_from_one_peer_further_ones_have_to_wait_but_the_right_one(door):
    for _ in range(10):
        assert door.sign_in("wrong").status_code == 403
    slowed = door.sign_in("wrong")

    assert slowed.status_code == 429
    assert slowed.headers["retry-after"] == "60"
    assert slowed.headers["connection"] == "close"
    assert "wait 60 seconds" in shown(slowed.text)
    assert door.sign_in().status_code == 303
    door.clock.now += 60
    assert door.sign_in("wrong").status_code == 403


def test_after_a_hundred_wrong_tokens_from_all_peers_further_ones_have_to_wait(door):
    for count in range(100):
        door.gate.wrong.add(f"10.0.0.{count}")

    assert door.sign_in("wrong").status_code == 429
    assert door.sign_in().status_code == 303


def test_a_form_for_signing_in_is_short(door):
    answer = door.sign_in("x" * 9_000)

    assert answer.status_code == 413
    assert "8,192 bytes" in shown(answer.text)


def test_who_is_signed_in_already_is_led_on_from_the_sign_in(door):
    door.sign_in()

    assert door.client.get("/sign-in?next=/callers").headers["location"] == "/callers"


def test_the_sign_in_is_shown_to_who_looks_and_to_who_asks_for_its_head(door):
    assert "Admin token" in shown(door.client.get("/sign-in").text)
    assert door.client.head("/sign-in").status_code == 200


# The cookie


def test_the_cookie_is_kept_from_scripts_from_other_sites_and_after_twelve_hours(door):
    parts = cookie_of(door.sign_in()).split("; ")

    assert parts[0].startswith("holdover_")
    assert set(parts[1:]) == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"}


@pytest.mark.parametrize("forwarded", ["https", "HTTPS", "https, http"])
def test_behind_tls_the_cookie_is_for_tls_and_for_this_very_host(door, forwarded):
    parts = cookie_of(door.sign_in(**{"x-forwarded-proto": forwarded})).split("; ")

    assert parts[0].startswith("__Host-holdover_")
    assert set(parts[1:]) >= {"Secure", "Path=/"}


def test_behind_tls_and_under_a_prefix_the_cookie_is_for_tls_and_the_prefix():
    with opened(prefix="/console") as door:
        parts = cookie_of(door.sign_in(**{"x-forwarded-proto": "https"})).split("; ")

        assert parts[0].startswith("__Secure-holdover_")
        assert set(parts[1:]) >= {"Secure", "Path=/console"}


def test_a_cookie_of_plain_http_opens_nothing_behind_tls(door):
    plain = cookie_of(door.sign_in()).partition(";")[0]
    headers = {"x-forwarded-proto": "https", "cookie": plain}

    assert door.client.get("/", headers=headers).status_code == 303


def test_two_consoles_of_one_host_do_not_end_each_others_sessions(door):
    name = cookie_of(door.sign_in()).partition("=")[0]
    with opened() as other:
        other.client.cookies = door.client.cookies  # a browser sends them to all ports
        assert cookie_of(other.sign_in()).partition("=")[0] != name
        assert other.is_open
        assert door.is_open


def test_two_consoles_behind_forwarded_ports_have_cookies_of_their_own(door):
    names = {
        cookie_of(door.sign_in(host=f"127.0.0.1:{port}")).partition("=")[0] for port in (1001, 1002)
    }

    assert len(names) == 2


def test_an_id_that_somebody_else_has_chosen_never_becomes_a_session(door):
    name = cookie_of(door.sign_in()).partition("=")[0]
    door.client.cookies.clear()
    door.client.cookies.set(name, "chosen")
    answer = door.sign_in()

    assert f"{name}=chosen" not in cookie_of(answer)
    door.client.cookies.clear()
    door.client.cookies.set(name, "chosen")
    assert not door.is_open


def test_signing_in_again_ends_the_session_before(door):
    before = cookie_of(door.sign_in()).partition(";")[0]
    door.sign_in()
    door.client.cookies.clear()

    assert door.client.get("/", headers={"cookie": before}).status_code == 303


@pytest.mark.parametrize(
    "cookie",
    [
        "{name}=of-another-host; {id}",
        "{id}; {name}=of-another-host",
        "a=1;{id} ; b",
        "x=" + "y" * 60_000 + "; {id}",
        '{name}="; {id}',
    ],
)
def test_a_session_is_found_among_what_else_comes(door, cookie):
    mine = cookie_of(door.sign_in()).partition(";")[0]
    door.client.cookies.clear()
    sent = cookie.format(name=mine.partition("=")[0], id=mine)

    assert door.client.get("/", headers={"cookie": sent}).status_code == 200


@pytest.mark.parametrize("cookie", ["=", ";;;", "a=" * 20_000, "\xff=\xfe", "{name}", "{name}="])
def test_cookies_that_are_nothing_open_nothing(door, cookie):
    name = cookie_of(door.sign_in()).partition("=")[0]
    door.client.cookies.clear()
    sent = cookie.format(name=name).encode("latin-1")

    assert door.client.get("/", headers={b"cookie": sent}).status_code == 303


# The end of a session


def test_a_session_ends_after_twelve_hours_even_of_who_is_busy(door):
    door.sign_in()
    door.clock.now = SECONDS - 1
    assert door.is_open
    door.clock.now = SECONDS

    assert not door.is_open
    assert SECONDS == 12 * 3600


def test_signing_out_ends_the_session_and_takes_the_cookie_away(door):
    mine = cookie_of(door.sign_in()).partition(";")[0]
    answer = door.sign_out(door.csrf)

    assert answer.headers["location"] == "/sign-in"
    assert "Max-Age=0" in cookie_of(answer)
    assert not door.is_open
    assert door.client.get("/", headers={"cookie": mine}).status_code == 303


def test_signing_out_twice_does_no_harm(door):
    assert door.sign_out("").headers["location"] == "/sign-in"


def test_nobody_is_signed_out_by_a_form_of_somebody_else(door):
    door.sign_in()

    assert door.sign_out("guessed").status_code == 403
    assert door.is_open


def test_of_a_thousand_sessions_the_oldest_ends():
    sessions = Sessions(Clock())
    first, second, *_ = [sessions.begin("somebody") for _ in range(1_001)]

    assert sessions.find(first) is None
    assert sessions.find(second)


def test_sessions_that_have_ended_make_room():
    clock = Clock()
    sessions = Sessions(clock)
    for _ in range(1_000):
        sessions.begin("somebody")
    clock.now = SECONDS
    first = sessions.begin("somebody")
    sessions.begin("somebody")

    assert sessions.find(first)


# The address that works once


def test_an_address_opens_the_console_once_and_shows_the_next_one_to_its_terminal(terminal):
    said: list[str] = []
    terminal.gate.once.announce = said.append
    once = str(terminal.gate.once).removeprefix("http://console")

    assert terminal.client.get(once).headers["location"] == "/"
    assert terminal.is_open
    assert said == [str(terminal.gate.once)]
    terminal.client.cookies.clear()
    answer = terminal.client.get(once)
    assert answer.status_code == 403
    assert "It works once" in shown(answer.text)
    assert not terminal.is_open
    assert terminal.client.get(said[0].removeprefix("http://console")).status_code == 303


def test_a_terminal_that_is_closed_keeps_nobody_out(terminal):
    def announce(_: str) -> None:
        raise BrokenPipeError

    terminal.gate.once.announce = announce

    assert terminal.client.get(f"/enter?once={terminal.gate.once.secret}").status_code == 303


def test_who_goes_back_to_the_address_is_still_signed_in(terminal):
    once = f"/enter?once={terminal.gate.once.secret}"
    terminal.client.get(once)

    assert terminal.client.get(once).headers["location"] == "/"


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_a_program_that_previews_an_address_does_not_use_it_up(terminal, method):
    once = f"/enter?once={terminal.gate.once.secret}"
    answer = terminal.client.request(method, once)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert terminal.client.get(once).status_code == 303


def test_guesses_at_the_address_are_slowed_and_the_right_one_works(terminal):
    statuses = [terminal.client.get("/enter?once=guess").status_code for _ in range(11)]

    assert statuses == [403] * 10 + [429]
    assert terminal.client.get("/enter").status_code == 429
    assert terminal.client.get(f"/enter?once={terminal.gate.once.secret}").status_code == 303


def test_the_address_is_nothing_where_there_is_a_token(door):
    assert door.client.get(f"/enter?once={door.gate.once.secret}").headers["location"] == "/"
    assert not door.is_open


@pytest.mark.parametrize("path", ["/", "/sign-in", "/callers"])
def test_without_a_token_people_are_told_to_open_the_address(terminal, path):
    answer = terminal.client.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Cookie ")
    assert "Open the address that the terminal shows" in shown(answer.text)


def test_without_a_token_no_token_is_right(terminal):
    assert terminal.sign_in("").status_code == 401


# Where the sign-in leads


@pytest.mark.parametrize(
    "target",
    ["/callers", "/exchanges?caller=a%2Fb&since=1h", "/callers/%C3%A4%3F", "/a//b", "/%2f/evil"],
)
def test_the_sign_in_leads_to_where_somebody_wanted(door, target):
    location = door.client.get(target).headers["location"]
    assert location.startswith("/sign-in?next=")
    page = door.client.get(location).text
    [action] = re.findall(r'action="(/sign-in[^"]*)"', page)
    answer = door.client.post(action.replace("&amp;", "&"), data={"token": TOKEN})

    assert answer.headers["location"] == target


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n//evil.example",
        "/\0/evil.example",
        "///evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        " //evil.example",
        "/../evil",
        "/a/../../evil",
        "/%2e%2E/evil",
        "/./",
        "/..",
        "/\u2028/evil",
        "/é",
        "/a\r\nset-cookie: a=b",
        "/sign-in?next=/sign-in",
        "/sign-out",
        "/enter?once=x",
        "/" + "a" * 4_000,
    ],
)
def test_the_sign_in_leads_nowhere_else(door, target):
    answer = door.client.post("/sign-in", params={"next": target}, data={"token": TOKEN})

    assert answer.headers["location"] == "/"
    assert len(answer.headers.get_list("set-cookie")) == 1


@pytest.mark.parametrize("path", ["//evil.example/", "///evil.example", "/%5Cevil", "//evil@x"])
def test_an_address_with_slashes_in_front_leads_nowhere_else(door, path):
    url = str(door.client.base_url) + path
    followed = door.client.get(url).headers["location"]
    linked = door.client.get(url, headers={"sec-fetch-site": "cross-site"}).text

    assert followed in {"/sign-in", "/sign-in?next=%2F%255Cevil"}
    assert re.findall(r"url=([^\"]*)", linked) == ["/" if path.startswith("//") else path]


def test_somebody_who_follows_a_link_from_another_site_is_let_in_by_a_page_of_this_one(door):
    door.sign_in()
    cookies = dict(door.client.cookies)
    door.client.cookies.clear()
    came = door.client.get("/callers?a=1&b=2", headers={"sec-fetch-site": "cross-site"})

    assert came.status_code == 200
    assert 'content="0; url=/callers?a=1&amp;b=2"' in came.text
    door.client.cookies.update(cookies)
    assert door.client.get("/callers?a=1&b=2").status_code == 200


# Other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "{own}", "sec-fetch-site": "same-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_form_of_another_site_is_refused_before_it_is_read(door, headers):
    headers = {k: v.format(own=str(door.client.base_url)) for k, v in headers.items()}
    answer = door.sign_in(**headers)

    assert answer.status_code == 403
    assert "sent by a page at another address" in shown(answer.text)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "{own}", "sec-fetch-site": "same-origin"},
        {"origin": "{own}"},
        {"sec-fetch-site": "none"},
        {"origin": "https://127.0.0.1:{port}"},  # a proxy in front speaks TLS
    ],
)
def test_a_form_of_this_site_is_taken(door, headers):
    own = str(door.client.base_url).rstrip("/")
    filled = {k: v.format(own=own, port=own.rpartition(":")[2]) for k, v in headers.items()}

    assert door.sign_in(**filled).status_code == 303


def test_a_proxy_in_front_may_change_the_host_if_its_own_name_is_allowed():
    headers = {"origin": "https://ops.example", "sec-fetch-site": "same-origin"}
    with opened() as door:
        assert door.sign_in(**headers).status_code == 403
    with opened(allowed=frozenset({"ops.example"})) as door:
        assert door.sign_in(**headers).status_code == 303


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_a_name_that_was_pointed_at_the_console_gets_nothing(door, host):
    for path in ("/", "/sign-in", "/static/x"):
        answer = door.client.get(path, headers={"host": host})
        assert answer.status_code == 403
        assert "allowed_hosts" in answer.text
    assert door.sign_in(host=host).status_code == 403


@pytest.mark.parametrize("destination", ["iframe", "image", "script", "empty", "object"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_shows_nothing_from_here(door, destination, site):
    door.sign_in()
    headers = {"sec-fetch-site": site, "sec-fetch-dest": destination}

    assert door.client.get("/", headers=headers).status_code == 403


def test_who_has_no_session_changes_nothing(door):
    answer = door.client.post("/rollout/share", data={"csrf": "x"})

    assert answer.status_code == 401
    assert "Your session has ended, so nothing was changed." in shown(answer.text)


# Files, methods, headers


def test_files_are_for_everybody_and_may_be_kept(door):
    page = door.client.get("/sign-in").text
    for path in re.findall(r'(?:href|src)="(/static/[^"]*)"', page):
        answer = door.client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert door.client.get("/static/../gate.py").status_code == 303  # httpx takes `..` off
    assert door.client.get("/static/%2e%2e/gate.py").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/static/x/console.css", "GET, HEAD"),
        ("PUT", "/sign-in", "GET, HEAD, POST"),
        ("GET", "/sign-out", "POST"),
        ("HEAD", "/sign-out", "POST"),
    ],
)
def test_another_method_is_answered_with_those_that_there_are(door, method, path, allowed):
    answer = door.client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert method == "HEAD" or "nothing was changed" in shown(answer.text)


@pytest.mark.parametrize("path", ["/", "/sign-in", "/enter", "/nowhere", "/static/none"])
def test_every_page_keeps_caches_frames_and_foreign_scripts_away(door, path):
    headers = door.client.get(path).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "same-origin"


# Under a prefix


@pytest.mark.parametrize("asked", ["/console", ""])
def test_a_proxy_in_front_may_take_the_prefix_off_or_leave_it(asked):
    with opened(prefix="/console") as door:
        answer = door.client.get(f"{asked}/callers/a%2Fb")
        assert answer.headers["location"] == "/console/sign-in?next=%2Fcallers%2Fa%252Fb"
        signed_in = door.client.post(f"{asked}/sign-in?next=/callers", data={"token": TOKEN})
        assert signed_in.headers["location"] == "/console/callers"
        door.client.cookies.set(*cookie_of(signed_in).partition(";")[0].split("=", 1))
        assert " at /callers with " in door.client.get(f"{asked}/callers").text
        page = door.client.get(f"{asked}/sign-in", headers={"cookie": ""}).text
        assert 'action="/console/sign-in"' in page
        [style] = re.findall(r'href="/console(/static/[^"]*)"', page)
        assert door.client.get(f"{asked}{style}").status_code == 200


def test_the_prefix_alone_is_the_overview():
    with opened(prefix="/console") as door:
        door.sign_in()
        cookies = "; ".join(f"{each.name}={each.value}" for each in door.client.cookies.jar)

        for path in ("/console", "/console/"):
            assert " at / with " in door.client.get(path, headers={"cookie": cookies}).text
        other = door.client.get("/consoles", headers={"cookie": cookies}).text
        assert " at /consoles with " in other


def test_who_leaves_is_not_answered():
    async def leave(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ClientGone

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def ask() -> None:
        gate = gate_for(TOKEN)
        gate.pages = leave
        cookie = cookie_name(Request(scope), gate.once.base, "")
        scope["headers"] = [(b"cookie", f"{cookie}={gate.sessions.begin('Ann')}".encode())]
        await gate(scope, nothing, send)

    async def nothing() -> Message:
        raise AssertionError("nobody reads")

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "headers": [],
        "query_string": b"",
        "path": "/",
        "raw_path": b"/",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
    }
    asyncio.run(ask())

    assert sent == []


def test_the_secret_of_an_address_is_not_in_what_a_traceback_shows_of_it():
    once = OneTimeAddress(base="http://console")

    assert once.secret not in repr(once)
