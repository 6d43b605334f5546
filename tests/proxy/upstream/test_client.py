"""An upstream behind proxies that the environment names, and what it may not say."""

import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from proxy.errors import UpstreamBrokeOff, UpstreamFailure, UpstreamUnreachable
from proxy.upstream.client import UpstreamClient, UpstreamResponse
from proxy.upstream.transport import Timeouts
from tests.scripted_server import (
    Act,
    Certificate,
    Peer,
    Tunnel,
    answers,
    listening,
    locked,
    ok,
)

pytestmark = pytest.mark.anyio
HOST = "upstream.invalid"
TARGET = b"/v1/models/%7Ea%2Fb?q=<>\"'&r=%20"
HEADERS = [(b"x-api-key", b"k"), (b"x-two", b"1"), (b"x-two", b"2")]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[UpstreamClient]:
    upstream = UpstreamClient(url, Timeouts(connect=20, read=20))
    try:
        yield upstream
    finally:
        await upstream.close()


async def whole(answer: UpstreamResponse) -> bytes:
    try:
        return await answer.read()
    finally:
        await answer.close()


def keeping(heads: list[bytes], *said: bytes) -> Act:
    """Each of these to one request without a body; the heads are kept."""

    async def act(peer: Peer) -> None:
        for each in said:
            heads.append(await peer.hear())
            await peer.say(each)

    return act


@pytest.mark.parametrize("user", ["", "me:it%40is@"])
async def test_a_proxy_for_plain_http_is_told_the_whole_url(
    user: str, monkeypatch: pytest.MonkeyPatch
):
    heads: list[bytes] = []
    async with listening(keeping(heads, ok(b"one"), ok(b"two"))) as proxy:
        monkeypatch.setenv("http_proxy", f"{user}{proxy.host}:{proxy.port}")
        async with asking(f"http://{HOST}:81/base") as upstream:
            said = [await whole(await upstream.forward("GET", TARGET, HEADERS, None))]
            said.append(await whole(await upstream.send_message(HEADERS, [b""])))

    assert said == [b"one", b"two"]
    assert heads[0].startswith(b"GET http://%b:81/base%b HTTP/1.1\r\n" % (HOST.encode(), TARGET))
    assert b"\r\nx-two: 1\r\nx-two: 2" in heads[0]
    assert heads[1].startswith(b"POST http://%b:81/base/v1/messages HTTP/1.1\r\n" % HOST.encode())
    assert all(b"\r\nhost: upstream.invalid:81\r\n" in head.lower() for head in heads)
    assert [credentials_in(head) for head in heads] == [b"me:it@is" if user else None] * 2


def credentials_in(head: bytes) -> bytes | None:
    said = re.search(rb"\r\nproxy-authorization: Basic ([^\r]*)", head, re.IGNORECASE)
    return base64.b64decode(said[1]) if said else None


@pytest.mark.parametrize("user", ["", "me:it%40is@"])
async def test_a_proxy_is_asked_for_a_tunnel_through_which_requests_go_as_they_are_spelled(
    certificate: Certificate, user: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    heads: list[bytes] = []
    act = keeping(heads, ok(b"one"), ok(b"two"))
    async with listening(act, context=certificate.context) as hidden:
        tunnel = Tunnel(hidden)
        async with listening(tunnel) as proxy:
            monkeypatch.setenv("https_proxy", f"http://{user}{proxy.host}:{proxy.port}")
            async with asking(f"https://{HOST}/base") as upstream:
                said = [await whole(await upstream.forward("GET", TARGET, HEADERS, None))]
                said.append(await whole(await upstream.send_message(HEADERS, [b""])))

    assert said == [b"one", b"two"]
    assert [head.split(b"\r\n")[0] for head in tunnel.heads] == [
        b"CONNECT upstream.invalid:443 HTTP/1.1"
    ]
    assert credentials_in(tunnel.heads[0]) == (b"me:it@is" if user else None)
    assert heads[0].startswith(b"GET /base%b HTTP/1.1\r\n" % TARGET)
    assert heads[1].startswith(b"POST /base/v1/messages HTTP/1.1\r\n")
    assert not any(b"roxy-" in head or b"xtwo" in head for head in heads)


async def test_who_answers_through_a_tunnel_must_be_known(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
):
    async with (
        listening(answers(ok(b"hello")), context=certificate.context) as hidden,
        listening(Tunnel(hidden)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        async with asking(f"https://{HOST}") as upstream:
            with pytest.raises(UpstreamUnreachable):
                await upstream.forward("GET", TARGET, HEADERS, None)


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_is_named_to_the_operator_and_its_password_is_not(
    status: int, monkeypatch: pytest.MonkeyPatch
):
    refusal = b"HTTP/1.1 %d No\r\ncontent-length: 0\r\n\r\n" % status
    async with listening(Peer.is_left) as hidden, listening(Tunnel(hidden, refusal)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:secret@{proxy.host}:{proxy.port}")
        failure = await why(f"https://{HOST}")

    assert isinstance(failure, UpstreamUnreachable)
    assert str(failure) == "The upstream cannot be reached: the outbound proxy refuses."
    assert failure.detail == (
        f"{HOST}:443 through the proxy 127.0.0.1:{proxy.port}: "
        f"it answered CONNECT with status {status}"
    )


@pytest.mark.parametrize("host", [HOST, "[2001:db8::1]"])
async def test_a_proxy_is_told_a_port_only_if_it_is_not_the_usual_one(
    host: str, monkeypatch: pytest.MonkeyPatch
):
    heads: list[bytes] = []
    async with listening(keeping(heads, ok(b"{}"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with asking(f"http://{host}") as upstream:
            await whole(await upstream.send_message(HEADERS, [b"{}"]))

    assert heads[0].startswith(b"POST http://%b/v1/messages HTTP/1.1\r\n" % host.encode())


async def test_a_proxy_that_wants_to_know_who_asks_does_not_ask_the_client(
    monkeypatch: pytest.MonkeyPatch,
):
    refusal = b"HTTP/1.1 407 Who\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n"
    async with listening(answers(refusal, refusal)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        failure = await why(f"http://{HOST}")

    assert isinstance(failure, UpstreamUnreachable)
    assert failure.detail.endswith(": it answered with status 407")


@pytest.mark.parametrize("excepted", ["*", HOST, "invalid"])
async def test_an_upstream_may_be_excepted_from_proxies(
    excepted: str, monkeypatch: pytest.MonkeyPatch
):
    async with listening(answers(ok(b"proxied"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", excepted)
        async with asking(f"http://{HOST}") as upstream:
            with pytest.raises(UpstreamUnreachable):
                await upstream.send_message(HEADERS, [b""])

        assert proxy.peers == []


@pytest.mark.parametrize("status", [b"000", b"099", b"600", b"999"])
async def test_a_status_that_no_server_can_say_is_no_answer(status: bytes):
    said = b"HTTP/1.1 %b Odd\r\ncontent-length: 2\r\n\r\n{}" % status
    async with listening(answers(said)) as listener, asking(listener.url) as upstream:
        with pytest.raises(UpstreamBrokeOff, match="an invalid status code"):
            await upstream.send_message(HEADERS, [b""])


async def test_a_body_in_pieces_is_one_body_and_can_be_sent_again():
    heads: list[bytes] = []
    bodies: list[bytes] = []

    async def act(peer: Peer) -> None:
        for _ in range(2):
            heads.append(await peer.hear())
            bodies.append(await peer.hear_body(600_000))
            await peer.say(ok(b"one"))

    async with listening(act) as peer, asking(peer.url) as upstream:
        pieces = [b"a" * 100_000, b"b" * 100_000] * 3
        said = [await whole(await upstream.send_message(HEADERS, pieces)) for _ in range(2)]

    assert said == [b"one", b"one"]
    assert bodies == [b"".join(pieces)] * 2
    assert all(b"\r\ncontent-length: 600000" in head.lower() for head in heads)
    assert not any(b"transfer-encoding" in head.lower() for head in heads)


@pytest.mark.without_coverage
@pytest.mark.thorough
async def test_an_upstream_that_closes_just_as_it_is_used_costs_nobody_an_answer():
    """Each connection takes a second request, and ends."""

    async def act(peer: Peer) -> None:
        for answer in (ok(b"{}"), b""):
            await peer.hear()
            await peer.hear_body(2)
            await peer.say(answer)

    async with listening(act) as upstream, asking(upstream.url) as client:
        for _ in range(500):
            assert await whole(await client.send_message(HEADERS, [b"{}"])) == b"{}"
            answer = await client.forward("POST", b"/v1/complete", HEADERS, b"{}")
            assert await whole(answer) == b"{}"

    assert len(upstream.peers) == 1000


async def in_pieces() -> AsyncIterator[bytes]:
    yield b"{}"


@pytest.mark.parametrize(("method", "body"), [("POST", None), ("PUT", in_pieces)])
async def test_what_may_change_something_and_what_is_still_arriving_is_not_asked_again(
    method: str, body: Callable[[], AsyncIterator[bytes]] | None
):
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(ok(b"{}"))
        await peer.hear()

    async with listening(act) as upstream, asking(upstream.url) as client:
        await whole(await client.forward("GET", TARGET, HEADERS, None))
        with pytest.raises(UpstreamBrokeOff):
            await client.forward(method, TARGET, HEADERS, body and body())

        assert len(upstream.peers) == 1


async def test_a_body_that_is_still_arriving_goes_through_a_proxy_too(
    monkeypatch: pytest.MonkeyPatch,
):
    async def body() -> AsyncIterator[bytes]:
        yield b"he"
        yield b"llo"

    heads: list[bytes] = []
    async with listening(keeping(heads, ok(b"one"))) as proxy:
        monkeypatch.setenv("http_proxy", f"{proxy.host}:{proxy.port}")
        async with asking(f"http://{HOST}:81/base") as upstream:
            headers = [*HEADERS, (b"content-length", b"5")]
            said = await whole(await upstream.forward("POST", TARGET, headers, body()))

    assert said == b"one"


async def closes_at_once(peer: Peer) -> None:
    peer.crash()


async def speaks_plainly(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await peer.is_left()


async def says_nothing(peer: Peer) -> None:
    await peer.is_left()


async def why(url: str, **limits: float) -> UpstreamFailure:
    """What an exchange with this upstream fails by."""
    client = UpstreamClient(url, Timeouts(**limits))
    with pytest.raises(UpstreamFailure) as failed:
        await (await client.send_message(HEADERS, [b"{}"])).read()
    await client.close()
    return failed.value


async def test_an_upstream_that_refuses_is_told_apart_with_host_and_port():
    failure = await why("http://127.0.0.1:9")

    assert str(failure) == "The upstream cannot be reached: it refuses connections."
    assert failure.detail.startswith("127.0.0.1:9: it refuses connections ([Errno 111] ")


async def test_a_name_that_nobody_knows_is_told_apart():
    failure = await why("http://nobody.invalid:81")

    assert str(failure) == "The upstream cannot be reached: its name is not known."
    assert failure.detail.startswith("nobody.invalid:81: its name is not known (")


async def test_a_certificate_that_is_not_trusted_is_told_apart_with_the_reason(
    certificate: Certificate,
):
    async with listening(answers(ok(b"hello")), context=certificate.context) as upstream:
        failure = await why(f"https://localhost:{upstream.port}")

    assert str(failure) == "The upstream cannot be reached: its certificate is not accepted."
    where = f"localhost:{upstream.port}"
    assert failure.detail == f"{where}: its certificate is not accepted (self-signed certificate)"


async def test_an_upstream_without_tls_is_told_apart():
    async with listening(speaks_plainly) as upstream:
        failure = await why(f"https://localhost:{upstream.port}")

    assert str(failure) == "The upstream cannot be reached: TLS failed."


async def test_an_upstream_that_lets_nobody_in_is_not_waited_for_twice():
    with locked() as url, capture_logs() as logged:
        failure = await why(url, connect=0.05)

    assert str(failure) == "Connecting to the upstream took too long."
    assert [line["event"] for line in logged] == ["upstream_unreachable"]


async def test_an_upstream_that_refuses_in_time_is_asked_again():
    with capture_logs() as logged:
        await why("http://127.0.0.1:9")

    assert [line["event"] for line in logged] == [
        *("upstream_unreachable", "upstream_asked_again", "upstream_unreachable")
    ]


async def test_a_handshake_without_end_is_told_apart():
    async with listening(says_nothing) as upstream:
        failure = await why(f"https://127.0.0.1:{upstream.port}", connect=0.05)

    assert str(failure) == "Connecting to the upstream took too long."
    assert failure.detail == f"127.0.0.1:{upstream.port}: no connection was made in time"


async def test_silence_is_told_with_the_host():
    async with listening(says_nothing) as upstream:
        failure = await why(f"http://127.0.0.1:{upstream.port}", read=0.05)

    assert str(failure) == "The upstream did not answer in time."
    assert failure.detail.startswith(f"127.0.0.1:{upstream.port}: ")


async def test_a_break_is_told_with_the_host():
    async with listening(closes_at_once) as upstream:
        failure = await why(f"http://127.0.0.1:{upstream.port}")

    assert failure.detail.startswith(f"127.0.0.1:{upstream.port}: ")


async def test_a_proxy_that_is_not_there_is_told_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    failure = await why(f"https://{HOST}")

    assert str(failure) == "The upstream cannot be reached: it refuses connections."


async def test_a_certificate_behind_a_proxy_is_told_apart(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
):
    async with (
        listening(answers(ok(b"hello")), context=certificate.context) as hidden,
        listening(Tunnel(hidden)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", f"http://{proxy.host}:{proxy.port}")
        failure = await why(f"https://{HOST}")

    assert str(failure) == "The upstream cannot be reached: its certificate is not accepted."


async def test_an_upstream_that_closes_at_once_is_told_apart():
    async with listening(closes_at_once) as upstream:
        failure = await why(f"https://127.0.0.1:{upstream.port}")

    assert str(failure).startswith("The upstream cannot be reached: ")
    assert failure.detail.startswith(f"127.0.0.1:{upstream.port}: ")
    assert "()" not in failure.detail


async def test_one_behind_a_proxy_is_told_apart_with_no_cause_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
):
    async with listening(closes_at_once) as hidden, listening(Tunnel(hidden)) as proxy:
        address = f"{proxy.host}:{proxy.port}"
        monkeypatch.setenv("https_proxy", f"http://{address}")
        failure = await why(f"https://{HOST}")

    assert str(failure) == "The upstream cannot be reached: it closes connections at once."
    where = f"{HOST}:443 through the proxy {address}"
    assert failure.detail.startswith(f"{where}: it closes connections at once")
    assert "()" not in failure.detail


async def test_a_network_that_leads_nowhere_is_told_apart():
    failure = await why("http://255.255.255.255:9")  # the kernel refuses it; nothing is sent

    assert str(failure) == "The upstream cannot be reached: the network does not lead there."


ERROR = b"HTTP/1.1 529 Overloaded\r\ncontent-type: application/json\r\n"
TOO_LONG = 1024 * 1024 + 1


@pytest.mark.parametrize(
    "said",
    [
        ERROR + b"content-length: 20\r\n\r\n{",
        ERROR + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\nno chunk",
        ERROR + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
        ERROR + b"content-length: %d\r\n\r\n" % TOO_LONG + b" " * TOO_LONG,
    ],
    ids=["breaks off", "is no HTTP", "cannot be decoded", "is too long"],
)
@pytest.mark.parametrize("stays", [False, True])
async def test_an_error_has_its_status_even_if_its_body_cannot_be_read(said: bytes, stays: bool):
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(said)
        if stays:
            await peer.is_left()

    async with listening(act) as upstream:
        client = UpstreamClient(upstream.url, Timeouts(error=0.2))
        with capture_logs() as logged:
            answer = await client.send_message(HEADERS, [b"{}"])
            read = [await answer.read_error(), await answer.read_error()]
        await answer.close()
        await client.close()

    assert (answer.status, read) == (529, [b"", b""])
    (line,) = logged
    assert (line["event"], line["status"]) == ("upstream_error_unreadable", 529)
    assert line["reason"]
