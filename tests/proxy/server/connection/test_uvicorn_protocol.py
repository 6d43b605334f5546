import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from proxy.errors import Failure, MissingKey, TooBusy
from proxy.server.connection.reason_phrases import name_unnamed_statuses
from proxy.server.connection.uvicorn_protocol import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_TARGET_BYTES,
    ServerProtocol,
)
from proxy.server.serving import server_for
from tests.client_bytes import (
    Conversation,
    Listener,
    Request,
    Unhurried,
    Wire,
    check_reading,
    config_for,
    h11s_reading,
    heard_without_offers,
    splits,
    told,
)
from tests.harness import ProxyUnderTest, body
from tests.servers import serving
from tests.waiting import PATIENCE_SECONDS, wait_for

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FRAMINGS = {
    "none": (b"", b""),
    "length": (b"Content-Length: 11\r\n", b"hello\r\n\r\nok"),
    "a body that looks like a head": (
        b"Content-Length: 44\r\n",
        b"Upgrade: h2c\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n",
    ),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n"),
    "trailers": (
        b"transfer-encoding: chunked\r\n",
        b"3\r\nabc\r\n0\r\nUpgrade: h2c\r\nConnection: upgrade\r\nX-Api-Key: other\r\n\r\n",
    ),
}
OFFERS = {
    "none": b"",
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n",
    "websocket": b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
    "odd case": b"uPgRaDe: H2C\r\ncOnNeCtIoN: uPgRaDe\r\n",
    "twice": b"Upgrade: a\r\nUpgrade: b/2, c\r\nConnection: upgrade\r\n",
    "long": b"Upgrade: " + b"x" * 300 + b"\r\nConnection: upgrade\r\n",
    "without connection": b"Upgrade: h2c\r\n",
    "connection alone": b"Connection: upgrade\r\n",
}
NEXT = b"POST /next HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: theirs\r\nContent-Length: 2\r\n\r\nhi"


def request(method: str, framing: str, offer: str) -> bytes:
    head, content = FRAMINGS[framing]
    line = f"{method} /v1/complete?a=b HTTP/1.1\r\n".encode()
    return line + b"Host: localhost\r\n" + OFFERS[offer] + head + b"\r\n" + content


def said_to(*pieces: bytes) -> Conversation:
    return asyncio.run(told(pieces))


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.one_in(4)
@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_split_of_a_request_and_its_successor_is_read_as_the_whole(framing: str, offer: str):
    data = request("POST", framing, offer) + NEXT

    whole = said_to(data)

    assert [one.path for one in whole.requests] == ["/v1/complete?a=b", "/next"]
    assert not whole.refusals
    for pieces in splits(data):
        assert said_to(*pieces) == whole, pieces


@pytest.mark.without_coverage
@pytest.mark.parametrize("method", METHODS)
def test_a_request_is_what_h11_reads_of_it(method: str):
    for framing, offer in product(FRAMINGS, OFFERS):
        data = request(method, framing, offer)

        heard = said_to(data, NEXT)

        assert heard_without_offers(heard) == h11s_reading(data) + h11s_reading(NEXT), (
            framing,
            offer,
        )


@st.composite
def client_bytes(draw: st.DrawFn) -> bytes:
    """A few requests in a row, of which some bytes are other than they should be."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(METHODS), st.sampled_from([*FRAMINGS]), st.sampled_from([*OFFERS])
            ),
            min_size=1,
            max_size=3,
        )
    )
    data = bytearray(b"".join(request(*row) for row in rows) + NEXT)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data) - 1))
        what = draw(
            st.sampled_from(
                [
                    b"",
                    b"\r",
                    b"\n",
                    b" ",
                    b"\0",
                    b":",
                    b"0",
                    b"\r\n",
                    b"\r\n\r\n",
                    b"Upgrade: x\r\n",
                ]
            )
        )
        data[at : at + draw(st.integers(0, 2))] = what
    return bytes(data)


@pytest.mark.without_coverage
@given(data=client_bytes(), cuts=st.lists(st.integers(0, 1000), max_size=6))
def test_damaged_bytes_are_read_as_h11_reads_them_or_refused(data: bytes, cuts: list[int]):
    places = [*sorted({cut % len(data) for cut in cuts} | {0}), len(data)]

    check_reading(data, [data[start:stop] for start, stop in pairwise(places)])


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "version 2": (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
    "version 0.9": (b"GET /\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (GET + b"Host: localhost\r\n\r\n", 400),
    "two hosts of HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "a host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "a host with a user": (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    "a target that is none": (b"GET foo HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a fragment": (b"GET /v1/#complete HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a fragment of a query": (b"GET http://a/?b#c HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "length and chunks": (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
    "an encoding without an end": (POST + b"Transfer-Encoding: gzip\r\n\r\nabc", 400),
    "an encoding before the chunks": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "chunks of chunks": (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n", 400),
    "a chunk without a size": (CHUNKED + b"3\r\nabc\r\nhello\r\n", 400),
    "a folded header": (GET + b"X: a\r\n b\r\n\r\n", 400),
    "space before a colon": (GET + b"X : a\r\n\r\n", 400),
    "a tunnel": (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    "a long target": (b"GET /%b HTTP/1.1\r\n" % (b"a" * MAX_TARGET_BYTES), 414),
    "a long header": (GET + b"X: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
    "a header without an end": (GET + b"X: " + b"a" * 3 * MAX_HEAD_BYTES, 431),
    "a name without an end": (GET + b"x" * 3 * MAX_HEAD_BYTES, 431),
    "space without an end": (GET + b"X:" + b" " * 3 * MAX_HEAD_BYTES, 431),
    "blank lines without an end": (b"\r\n" * 2 * MAX_HEAD_BYTES, 431),
    "many headers": (GET + b"X: a\r\n" * MAX_HEADERS + b"\r\n", 431),
    "a chunk extension without an end": (CHUNKED + b"3;" + b"a" * 3 * MAX_HEAD_BYTES, 431),
    "extensions of many chunks": (CHUNKED + (b"1;" + b"a" * 400 + b"\r\nb\r\n") * 500, 431),
    "a long trailer": (CHUNKED + b"0\r\nX: " + b"a" * 3 * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
    "a trailer after many small chunks": (
        CHUNKED + b"1\r\nX\r\n" * 50_000 + b"0\r\nX: " + b"a" * 3 * MAX_HEAD_BYTES,
        431,
    ),
    "an extension after many small chunks": (
        CHUNKED + b"1\r\nX\r\n" * 50_000 + b"1;" + b"a" * 3 * MAX_HEAD_BYTES,
        431,
    ),
    "many trailers": (CHUNKED + b"0\r\n" + b"X: a\r\n" * (MAX_HEADERS + 5), 431),
    "many headers without an end": (GET + b"X: a\r\n" * (MAX_HEADERS + 5), 431),
    "long headers without an end": (GET + (b"X: %b\r\n" % (b"a" * 8192)) * 10, 431),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_read_is_refused_in_the_legacy_envelope_and_closed(what: str):
    data, status = REFUSED[what]

    whole = said_to(data)
    beside = said_to(NEXT, *(data[at : at + 97] for at in range(0, len(data), 97)), NEXT)

    for conversation in (whole, beside):
        assert conversation.refusals == [status]
        assert conversation.is_closed
        head, _, said = conversation.said.rpartition(b"\r\n\r\n")
        assert b"\r\ncontent-type: application/json\r\n" in head
        assert json.loads(said)["error"]["type"] == "invalid_request_error"
    assert whole.requests == ()
    assert [one.path for one in beside.requests] == ["/next"]


FITS = {
    "a long target": b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * (MAX_TARGET_BYTES - 1)),
    "a long header": GET + b"X: " + b"a" * (MAX_HEAD_BYTES - 100) + b"\r\n\r\n",
    "space around values": GET + (b"X:" + b" " * 25_000 + b"y\r\n") * 3 + b"\r\n",
    "many headers": GET + b"X: a\r\n" * (MAX_HEADERS - 1) + b"\r\n",
    "many small chunks": CHUNKED + b"1;a=b\r\nb\r\n" * 20_000 + b"0\r\nX: a\r\n\r\n",
    "no host in HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "a host with a port": b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    "blank lines before": b"\r\n\r\n" + GET + b"\r\n",
    "no path in the target": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("what", FITS)
def test_what_is_within_the_bounds_is_read(what: str):
    data = FITS[what]

    whole = said_to(data)
    in_pieces = said_to(*(data[at : at + 4096] for at in range(0, len(data), 4096)))

    assert len(whole.requests) == 1
    assert not whole.refusals
    assert in_pieces == whole


def test_a_target_that_names_a_host_replaces_the_header():
    heard = said_to(b"GET http://other.example:81/a?b HTTP/1.1\r\nX: y\r\nHost: localhost\r\n\r\n")

    assert heard.requests == (
        Request("GET", "/a?b", ((b"host", b"other.example:81"), (b"x", b"y")), b""),
    )


def test_a_trailer_is_no_header():
    heard = said_to(CHUNKED + b"3\r\nabc\r\n0\r\nX-Api-Key: other\r\n\r\n", NEXT)

    assert [name for name, _ in heard.requests[0].headers] == [b"host", b"transfer-encoding"]
    assert len(heard.requests) == 2


def test_space_around_a_value_is_not_part_of_it():
    heard = said_to(GET + b"X: \t a b \t \r\n\r\n")

    assert heard.requests[0].headers[1] == (b"x", b"a b")


def status_line(holdover: ProxyUnderTest, status: int) -> bytes:
    content = json.dumps(body()).encode()
    with connected(holdover.url) as connection:
        connection.sendall(
            b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n"
            b"connection: close\r\nsimulate-error: %d\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(content), content)
        )
        answer = all_of(connection)
    return answer.partition(b"\r\n")[0]


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def all_of(connection: socket.socket) -> bytes:
    """What the other end says until it closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


class Hasty(ServerProtocol):
    """A server that waits for nobody."""

    head_seconds = 0.1
    body_seconds = 0.1


@pytest.fixture(scope="module")
def hasty() -> Iterator[str]:
    with serving(Listener(), http=Hasty, keep_idle=1) as url:
        yield url


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"G", b"The headers did not arrive within 0.1 seconds."),
        (GET, b"The headers did not arrive within 0.1 seconds."),
        (POST + b"Content-Length: 3\r\n\r\n", b"Nothing of the body arrived for 0.1 seconds."),
        (CHUNKED + b"3\r\nab", b"Nothing of the body arrived for 0.1 seconds."),
    ],
)
def test_a_request_that_comes_to_a_halt_is_given_up(hasty: str, data: bytes, said: bytes):
    with connected(hasty) as connection:
        connection.sendall(data)

        answer = all_of(connection)

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert said in answer


def test_the_time_for_a_head_begins_with_its_first_byte(hasty: str):
    with connected(hasty) as connection:
        connection.sendall(NEXT + NEXT[:9])

        answer = all_of(connection)

    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200", b"408"]


HALTED: dict[str, tuple[bytes, list[int]]] = {
    "nothing": (b"", []),
    "a line end": (b"\r\n", []),
    "half a line end": (b"\r", []),
    "a method": (b"POST", [408]),
    "a name": (GET + b"X", [408]),
    "a head without its last byte": (GET + b"\r", [408]),
    "an offer to upgrade": (GET + OFFERS["h2c"], [408]),
    "an offer to upgrade, and a byte": (GET + OFFERS["h2c"] + b"\r\nG", [200, 408]),
    "a request": (NEXT, [200]),
    "a request and a line end": (NEXT + b"\r\n", [200]),
    "a request and a byte": (NEXT + b"G", [200, 408]),
    "twenty requests and half of one": (NEXT * 20 + GET, [200] * 20 + [408]),
    "a request of HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", [200]),
    "a body without its end": (CHUNKED + b"1\r\na\r\n0\r\n", [408]),
    "half a trailer": (CHUNKED + b"0\r\nX", [408]),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("what", HALTED)
def test_a_connection_on_which_nothing_more_comes_is_closed(hasty: str, what: str):
    data, statuses = HALTED[what]
    with connected(hasty) as connection:
        connection.sendall(data)

        answers = all_of(connection)

    assert [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", answers)] == statuses


@pytest.mark.parametrize(
    ("data", "drop", "statuses"),
    [
        (b"", b"\r\n", []),
        (NEXT, b"\r\n", [b"200"]),
        (GET + b"X: ", b"a", [b"408"]),
        (GET, b"X: a\r\n", [b"408"]),
        (NEXT + GET + b"X: ", b"a", [b"200", b"408"]),
    ],
)
def test_a_client_that_sends_a_little_at_a_time_has_no_more_time(
    hasty: str, data: bytes, drop: bytes, statuses: list[bytes]
):
    """What is dropped does not begin a request, or does not end its head."""
    with connected(hasty) as connection:
        connection.sendall(data)
        answers = b""
        connection.settimeout(0.04)
        while True:
            with suppress(TimeoutError):
                if not (piece := connection.recv(65536)):
                    break
                answers += piece
            connection.sendall(drop)

    assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == statuses


@pytest.mark.parametrize("what", ["a header without an end", "a long target", "a long trailer"])
def test_a_client_that_goes_on_sending_hears_why_it_is_refused(hasty: str, what: str):
    data, status = REFUSED[what]
    with connected(hasty) as connection:
        connection.sendall(data + b"a" * 8 * 1024 * 1024)

        assert all_of(connection).startswith(b"HTTP/1.1 %d " % status)


class Counting(ServerProtocol):
    """A server that tells how many bytes it has taken off the network."""

    taken = 0
    has_taken = threading.Condition()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        with self.has_taken:
            Counting.taken += len(data)
            self.has_taken.notify_all()

    @classmethod
    def wait_for(cls, size: int) -> None:
        with cls.has_taken:
            assert cls.has_taken.wait_for(lambda: cls.taken == size, timeout=PATIENCE_SECONDS)


@pytest.mark.without_coverage
@pytest.mark.parametrize("offer", ["h2c", "without connection"])
@pytest.mark.parametrize("framing", ["a body that looks like a head", "trailers"])
def test_a_socket_that_is_read_in_two_gives_the_same_requests(framing: str, offer: str):
    last = NEXT.replace(b"X-Api-Key", b"Connection: close\r\nX-Api-Key")
    data, listener = request("POST", framing, offer) + last, Listener()
    whole = said_to(data)
    with serving(listener, http=Counting) as url:
        for first, second in splits(data)[:-1]:
            listener.requests.clear()
            Counting.taken = 0
            with connected(url) as connection:
                connection.sendall(first)
                Counting.wait_for(len(first))
                connection.sendall(second)
                said = all_of(connection)

            assert said.count(b"HTTP/1.1 200 OK") == 2
            assert tuple(listener.requests) == whole.requests, first


class Patient(Counting):
    """A server that waits a second for more of a body, and tells when it looks at the clock."""

    body_seconds = 1
    looks: threading.Semaphore

    def _check_time(self) -> None:
        super()._check_time()
        self.looks.release()


@pytest.fixture
def patient() -> type[Patient]:
    Counting.taken = 0
    Patient.looks = threading.Semaphore(0)
    return Patient


def test_a_body_that_keeps_coming_has_all_the_time_it_takes(patient: type[Patient]):
    with serving(Listener(), http=patient) as url, connected(url) as connection:
        connection.sendall(CHUNKED)
        for _ in range(2):
            while not patient.looks.acquire(timeout=0.05):
                connection.sendall(b"1\r\na\r\n")
        connection.sendall(b"0\r\n\r\n" + GET + b"Connection: close\r\n\r\n")

        assert re.findall(rb"HTTP/1.1 (\d+) ", all_of(connection)) == [b"200", b"200"]


def test_a_client_is_not_blamed_for_an_application_that_does_not_read(patient: type[Patient]):
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        for _ in range(2):
            assert await asyncio.to_thread(patient.looks.acquire, timeout=PATIENCE_SECONDS)
        await Listener()(scope, receive, send)

    size = 1024 * 1024
    with serving(late, http=patient) as url, connected(url) as connection:
        connection.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % size)
        connection.sendall(b"a" * size)

        assert b'["POST", 1048576]' in all_of(connection)


class Looking(ServerProtocol):
    """A server that has hardly any patience with a head, and says when it has none left."""

    head_seconds = 0.001
    has_looked: asyncio.Event

    def _check_time(self) -> None:
        super()._check_time()
        self.has_looked.set()


def test_a_client_is_not_blamed_for_a_head_that_is_not_read_yet():
    """Its third request arrives in two pieces, of which the second is held."""

    async def ask() -> bytes:
        may_answer, Looking.has_looked = asyncio.Event(), asyncio.Event()

        async def late(scope: Scope, receive: Receive, send: Send) -> None:
            await may_answer.wait()
            await Listener()(scope, receive, send)

        protocol = Looking(config_for(late, proxy_headers=False), ServerState(), {})
        protocol.connection_made(wire := Wire())
        second = GET + b"X: " + b"a" * (16 * 1024 - len(NEXT + GET) - 20) + b"\r\n\r\n"
        protocol.data_received(NEXT + second + NEXT)
        await Looking.has_looked.wait()
        may_answer.set()
        for _ in range(100):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return wire.written

    said = asyncio.run(ask())

    assert re.findall(rb"HTTP/1.1 (\d+) ", said) == [b"200"] * 3


class Early(Listener):
    """An application that begins to answer before it has read anything."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await super().__call__(scope, receive, send)


def test_an_answer_that_has_begun_is_broken_off_where_its_request_goes_wrong():
    heard = asyncio.run(told([CHUNKED + b"1\r\na\r\n", b"no size\r\n", NEXT], listener=Early()))

    assert heard.said == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert heard.is_closed


def test_a_request_that_goes_wrong_while_it_waits_is_refused_in_its_turn():
    heard = said_to(NEXT + CHUNKED + b"1\r\na\r\nno size\r\n")

    assert re.findall(rb"HTTP/1.1 (\d+) ", heard.said) == [b"200", b"400"]
    assert heard.is_closed


class Waiting(Listener):
    """An application that answers when its client has gone, which is too late."""

    async def __call__(self, scope: Scope, receive: Receive, _: Send) -> None:
        assert scope["type"] == "http"  # which tells uvicorn that it has no lifespan
        while (await receive())["type"] != "http.disconnect":
            pass
        self.requests.append(Request(scope["method"], scope["path"], (), b""))


@pytest.mark.without_coverage
@pytest.mark.parametrize("after", [b"", NEXT, b"garbage\r\n", NEXT + b"garbage\r\n"])
def test_the_exchange_that_is_being_answered_hears_that_its_client_has_gone(after: bytes):
    listener = Waiting()

    heard = asyncio.run(told([NEXT, after], listener=listener))

    assert len(heard.requests) == 1
    assert heard.said == b""


class Late(Unhurried):
    """A server for whom no FIN comes right behind its request."""

    half_close_seconds = -1


class Begun(Waiting):
    """An application that has begun to answer, and waits until its client has gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await super().__call__(scope, receive, send)


OLD = b"GET / HTTP/1.0\r\n\r\n"


@pytest.mark.parametrize(
    ("server", "app", "asked", "hears"),
    [
        (Unhurried, Begun, OLD, 1),
        (Unhurried, Begun, GET + b"\r\n", 1),
        (Unhurried, Waiting, GET, 0),
        (Unhurried, Waiting, POST + b"Content-Length: 2\r\n\r\na", 1),
        (Unhurried, Waiting, GET + b"\r\n" + GET, 1),
        (Late, Waiting, OLD, 1),
    ],
    ids=["begun, 1.0", "begun, 1.1", "no whole head", "no whole body", "a second head", "late"],
)
def test_a_client_that_ends_its_sending_has_left_unless_a_whole_answer_is_due(
    server: type[ServerProtocol], app: type[Waiting], asked: bytes, hears: int
):
    listener = app()
    with serving(listener, http=server) as url, connected(url) as connection:
        connection.sendall(asked)
        if app is Begun:
            connection.recv(1)
        connection.shutdown(socket.SHUT_WR)

        all_of(connection)
        wait_for(lambda: len(listener.requests) == hears)


def test_a_client_that_has_closed_is_missed_before_it_is_answered():
    listener = Waiting()
    with serving(listener, http=Unhurried) as url:
        with connected(url) as connection:
            connection.sendall(GET + b"\r\n")

        wait_for(lambda: listener.requests)


def test_requests_that_wait_for_their_turn_are_not_taken_in_without_bound():
    async def ask() -> tuple[int, int]:
        protocol = Unhurried(config_for(Waiting()), ServerState(), {})
        protocol.connection_made(wire := Wire())
        protocol.data_received(NEXT * 100_000)
        protocol.data_received(NEXT)
        waiting = len(protocol.pipeline)
        protocol.connection_lost(None)
        await asyncio.gather(*protocol.server_state.tasks)
        return waiting, len(wire.written)

    waiting, said = asyncio.run(ask())

    assert 0 < waiting * len(NEXT) <= 16 * 1024
    assert said == 0


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.parametrize("size", [1, 100, 20_000])
def test_however_many_requests_come_at_once_each_is_answered_in_its_turn(size: int):
    count = 3000
    asked = b"".join(
        CHUNKED + b"1\r\nX\r\n" * (number % 3 * size) + b"0\r\n\r\n" if number % 50 == 0 else NEXT
        for number in range(count)
    )
    with serving(Listener(), http=Unhurried) as url, connected(url) as connection:
        sending = threading.Thread(target=connection.sendall, args=[asked])
        sending.start()
        said = b""
        while said.count(b"HTTP/1.1 200 OK") < count or not said.endswith(b"]"):
            piece = connection.recv(65_536)
            assert piece
            said += piece
        sending.join()

    answers = [json.loads(answer) for answer in re.findall(rb"\[[^]]*\]", said)]
    sizes = [number % 3 * size if number % 50 == 0 else 2 for number in range(count)]
    assert answers == [["POST", length] for length in sizes]


class Curt(Listener):
    """An application that answers without reading."""

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        start = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize("framing", [CHUNKED, POST + b"Content-Length: 9999999999\r\n\r\n"])
def test_a_body_that_nobody_reads_is_passed_over_and_not_for_ever(framing: bytes):
    chunk = b"%x\r\n" % 65_536 + b"a" * 65_536 + b"\r\n"

    some = asyncio.run(told([framing, chunk * 500], listener=Curt()))
    more = asyncio.run(told([framing, chunk * 500, chunk * 600], listener=Curt()))

    assert (some.is_closed, more.is_closed) == (False, True)
    assert some.said == more.said
    assert some.said.endswith(b"ok")


class Yielding(Unhurried):
    """A server that lets others have their turn after each piece."""

    max_parse_seconds = 0


def test_nothing_is_held_of_what_is_passed_over():
    async def ask() -> tuple[bool, int]:
        protocol = Yielding(config_for(Curt()), ServerState(), {})
        protocol.connection_made(wire := Wire())
        protocol.data_received(b"garbage\r\n" + b"a" * 100_000)
        protocol.data_received(b"a" * 100_000)
        await asyncio.gather(*protocol.server_state.tasks)
        held = len(protocol._held)
        protocol.connection_lost(None)
        return wire.is_ended, held

    assert asyncio.run(ask()) == (True, 0)


class Refusing(Listener):
    """An application that answers while it deals with a failure of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            raise MissingKey("x-api-key header is required")
        except MissingKey:
            await super().__call__(scope, receive, send)


@pytest.mark.parametrize("between", [b"", GET + b"X: " + b"a" * 16_000 + b"\r\n\r\n"])
def test_what_goes_wrong_in_one_request_is_not_said_of_the_next(between: bytes):
    data = NEXT + between + GET.replace(b" / ", b" /%b " % (b"a" * 40_000)) + b"\r\n"

    heard = asyncio.run(told([data], listener=Refusing()))

    assert heard.refusals == [414]
    assert b"x-api-key" not in heard.said


def test_the_time_between_two_requests_ends_where_the_second_has_begun():
    async def ask() -> bool:
        protocol = Unhurried(config_for(Listener()), ServerState(), {})
        protocol.connection_made(Wire())
        protocol.data_received(NEXT + GET[:1])
        await asyncio.gather(*protocol.server_state.tasks)
        began = protocol.timeout_keep_alive_task is not None
        protocol.data_received(GET[1:] + b"\r\n")
        ended = protocol.timeout_keep_alive_task is None
        await asyncio.gather(*protocol.server_state.tasks)
        protocol.connection_lost(None)
        return began and ended

    assert asyncio.run(ask())


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_server_that_gives_way_after_each_piece_reads_the_same(framing: str):
    chunks = CHUNKED + b"1\r\nX\r\n" * 9000 + b"0\r\n\r\n"
    data = request("POST", framing, "h2c") + chunks + NEXT * 3

    whole = said_to(data)

    assert asyncio.run(told([data], server=Yielding)) == whole
    assert len(whole.requests) == 5


def test_who_speaks_http_1_0_hears_of_no_100():
    data = b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na"

    assert b"100 Continue" not in asyncio.run(told([data])).said


def test_every_error_has_a_reason_phrase(holdover: ProxyUnderTest):
    name_unnamed_statuses()

    assert status_line(holdover, 529) == b"HTTP/1.1 529 Overloaded"
    assert status_line(holdover, 520) == b"HTTP/1.1 520 Error"
    assert status_line(holdover, 404) == b"HTTP/1.1 404 Not Found"


def test_the_server_says_nothing_of_itself():
    config = server_for(None, "127.0.0.1", 0).config  # type: ignore[arg-type]

    assert (config.server_header, config.date_header, config.access_log) == (False, False, False)


class Full(Listener):
    """An application that refuses every request at once."""

    def refuse_at_once(self, _: Scope) -> Failure:
        return TooBusy("Try again later.")


@pytest.mark.parametrize(
    "after", [NEXT, NEXT * 2, CHUNKED + b"0\r\n\r\n", b"POST /next HTTP/1.1\r\n"]
)
def test_nothing_is_said_to_what_comes_behind_a_refusal_that_closes(after: bytes):
    async def ask() -> tuple[bytes, int]:
        protocol = Unhurried(config_for(Full(), proxy_headers=False), ServerState(), {})
        protocol.connection_made(wire := Wire())
        protocol.data_received(CHUNKED + b"0\r\n\r\n" + after)
        begun = len(protocol.server_state.tasks)
        protocol.connection_lost(None)
        await asyncio.gather(*protocol.server_state.tasks)
        return wire.written, begun

    said, begun = asyncio.run(ask())

    assert said.startswith(b"HTTP/1.1 529 ")
    assert (said.count(b"HTTP/1.1 "), begun) == (1, 0)


class Unread(Wire):
    """A wire to a client that has not begun to read."""

    protocol: ServerProtocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        if len(self.written) > 64 * 1024:
            self.protocol.pause_writing()


def test_a_client_that_reads_no_refusal_gets_no_further_ones_until_it_does():
    count = 3000

    async def ask() -> tuple[int, int]:
        protocol = Unhurried(config_for(Full(), proxy_headers=False), ServerState(), {})
        wire = Unread()
        wire.protocol = protocol
        protocol.connection_made(wire)
        for _ in range(count // 100):
            protocol.data_received(NEXT * 100)
            await asyncio.sleep(0)
        unread, told = len(wire.written), 0
        while told < count:
            told += wire.written.count(b"HTTP/1.1 529 ")
            wire.written = b""
            protocol.resume_writing()
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return unread, told

    unread, told = asyncio.run(ask())

    assert unread < 256 * 1024
    assert told == count
