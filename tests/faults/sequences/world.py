"""A server, an upstream that says what it is told to, and clients: all driven step by step."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.faults.matrix.answers import chunk, event
from tests.faults.matrix.oracle import http_answer, told_by
from tests.faults.matrix.runner import SERVER, Bench
from tests.faults.sequences.exchange import Exchange, Form
from tests.fleet import Fleet, running_fleet
from tests.scripted_server import Peer, listening
from tests.waiting import PATIENCE_SECONDS, wait_for

_UPSTREAM_ID: Final = re.compile(rb"x-exchange: (\d+)", re.IGNORECASE)
_SETTINGS: Final = "ping_interval = 0.05\nupstream_keep_alive = 2"
_INTERIM: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What a client is told that has half-closed, which it has to pass over."""
_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(eq=False)
class Line:
    """A client's connection, and the exchanges on it, in order."""

    peer: Peer
    exchanges: list[Exchange] = field(default_factory=list)
    unsent: bytes = b""
    """The rest of a request that has been sent in part."""
    heard: bytes = b""
    """What has come and belongs to no answer that was taken."""
    is_ended: bool = False
    """Whether the server has closed it."""
    is_last: bool = False
    """Whether the server has to close it after the answer that was taken last."""
    is_half_closed: bool = False
    is_left: bool = False

    @property
    def front(self) -> Exchange | None:
        """The exchange whose answer is the next one to come."""
        return next((one for one in self.exchanges if one.told is None), None)

    @property
    def front_is_sent(self) -> bool:
        """Whether the whole request of that exchange was sent."""
        return not (self.unsent and self.front is self.exchanges[-1])

    @property
    def can_ask(self) -> bool:
        """Whether another request may be sent."""
        return not (self.unsent or self.is_last or self.is_half_closed or self.is_left)

    @property
    def running(self) -> bool:
        """Whether the server serves an exchange on it: from a whole head to the answer's end."""
        front = self.front
        if front is None or self.is_left or self.is_ended:
            return False
        return self.front_is_sent or front.form.head_is_in(self.unsent, front.id_)

    def take_answer(self, exchange: Exchange) -> bool:
        """Take the answer from what was heard if it is there in full, and check it."""
        if b"\r\n\r\n" not in self.heard:
            assert not self.is_ended, f"no answer, {self.heard!r}: {exchange}"
            return False
        answer = http_answer(self.heard)
        if not (answer.is_whole or self.is_ended):
            return False
        form = exchange.form
        exchange.take(told_by(answer, is_stream=form.is_stream, is_old=form.is_old))
        self.heard = answer.rest
        says_close = answer.headers.get(b"connection") == b"close"
        self.is_last = says_close or not answer.is_whole or self.is_half_closed
        assert self.is_last or not self.is_ended, f"closed without a word: {answer}"
        return True

    def text_heard(self, *, is_old: bool) -> str:
        """The text of the frames that have come of an answer that has not ended."""
        if b"\r\n\r\n" not in self.heard:
            return ""
        body = http_answer(self.heard).body
        whole, _, _ = body.rpartition(b"\r\n\r\n")
        texts = re.findall(rb'^data: (.*"completion".*)\r?$', whole, re.MULTILINE)
        said = [msgspec.json.decode(text)["completion"] for text in texts]
        return (said or [""])[-1] if is_old else "".join(said)


@dataclass(eq=False)
class World:
    """All of it; one event loop runs while a rule does something."""

    runner: asyncio.Runner
    bench: Bench = field(init=False)
    exchanges: dict[int, Exchange] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    _records: defaultdict[int, list[tuple[str, int | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _log_offset: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def fleet(self) -> Fleet:
        """The server, and how to ask it."""
        return self.bench.fleet

    # What rules do

    async def connect(self) -> Line:
        """Open a connection."""
        port = int(self.fleet.url.rpartition(":")[2])
        line = Line(Peer(*await asyncio.open_connection("127.0.0.1", port)))
        self.lines.append(line)
        self._readers.append(asyncio.ensure_future(self._read(line)))
        return line

    async def send(self, line: Line, form: Form, share: float = 1) -> Exchange:
        """Send a request, or a part of it."""
        exchange = Exchange(len(self.exchanges), form)
        self.exchanges[exchange.id_] = exchange
        line.exchanges.append(exchange)
        request = form.request(exchange.id_)
        sent = max(1, int(len(request) * share))
        line.unsent = request[sent:]
        await line.peer.say(request[:sent])
        return exchange

    async def go_on(self, line: Line) -> None:
        """Send the rest of a request."""
        rest, line.unsent = line.unsent, b""
        await line.peer.say(rest)

    async def say(self, exchange: Exchange, data: bytes) -> None:
        """Let upstream say something; if that ends its answer, it may have to close for it."""
        peer = exchange.peer
        assert peer is not None
        with suppress(ConnectionError):  # it may be let go meanwhile
            await peer.say(data)
        if exchange.is_over and exchange.form.framing == "until closed":
            peer.writer.close()

    async def fail(self, exchange: Exchange, offset: int) -> None:
        """Let upstream say an error at this offset of its stream, and close its connection."""
        assert exchange.peer is not None
        words = exchange.say(offset)
        error = event(type="error", error={"type": "overloaded_error", "message": "no"})
        if exchange.form.framing == "in chunks":
            error = b"\r\n" + chunk(error)
        exchange.fail("overloaded_error")
        await exchange.peer.say(words, error)
        exchange.peer.writer.close()

    async def break_off(self, exchange: Exchange, *, is_reset: bool) -> None:
        """Let upstream close its connection, whatever it has said."""
        assert exchange.peer is not None
        exchange.break_off(is_reset=is_reset)
        if is_reset:
            exchange.peer.crash()
        else:
            exchange.peer.writer.close()

    async def leave(self, line: Line, *, is_reset: bool, is_told: bool = False) -> None:
        """Leave, and wait until upstream is let go; the front one may be answered just now."""
        front = line.front
        for exchange in line.exchanges:
            if exchange.told is None:
                exchange.leave(*(("answered",) if is_told and exchange is front else ()))
                exchange.may_be_unseen = exchange is not front
        if front is not None and not line.front_is_sent:
            front.may_be_unseen = is_reset or not line.running
        line.is_left, line.unsent = True, b""
        if is_reset:
            line.peer.crash()
        else:
            line.peer.writer.close()
        for exchange in line.exchanges:
            await self._let_go(exchange)

    async def half_close(self, line: Line) -> None:
        """End the sending; nobody leaves by that who waits for an answer that has not begun."""
        line.is_half_closed = True
        line.peer.writer.write_eof()
        if line.front is None:
            await self.until(lambda: line.is_ended, line)

    async def settle(self) -> None:
        """Wait until every client that is there has been told what is due, and check that."""
        for line in self.lines:
            while not line.is_left and (front := line.front) is not None and line.front_is_sent:
                if not front.is_due:
                    await self._asked(front)
                    break
                await self._told(front, line)

    async def _asked(self, exchange: Exchange) -> None:
        """Wait until upstream has heard a request."""
        await self.until(lambda: exchange.peer is not None, exchange)

    async def _told(self, exchange: Exchange, line: Line) -> None:
        """Wait until the client was told what is due, or upstream is asked once more."""
        await self.until(lambda: not exchange.is_due or line.take_answer(exchange), exchange)
        if exchange.told is not None:
            if exchange.has_met_stop:
                await self._let_go(exchange)
            if line.is_last:
                await self._end(line)

    async def _let_go(self, exchange: Exchange) -> None:
        """Wait until upstream has no more to say, or nobody listens to it."""
        await self.until(lambda: not exchange.is_open, exchange)

    async def _end(self, line: Line) -> None:
        """Wait until the server has closed a connection; what was asked after that is unheard."""
        await self.until(lambda: line.is_ended, line)
        assert not line.heard, line
        line.is_left = True
        for exchange in line.exchanges:
            if exchange.told is None:
                exchange.leave()
                exchange.may_be_unseen = True

    async def hear(self, exchange: Exchange) -> None:
        """Wait until the client has heard what upstream has said, though nothing has ended."""
        line = next(one for one in self.lines if exchange in one.exchanges)
        said = exchange.said_text

        def is_heard() -> bool:
            heard = line.text_heard(is_old=exchange.form.is_old).removeprefix(" ")
            assert said.startswith(heard), f"{heard!r} of {said!r}: {exchange}"
            return len(heard) >= len(said.rstrip())

        await self.until(is_heard, exchange)

    async def until(self, is_so: Callable[[], bool], about: object) -> None:
        """Wait until something is so."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited too long: {about}") from None

    def warm_up(self) -> None:
        """Make what the server makes but once: its loader, too, and the tests' own connections."""
        form = Form(texts=("A",), framing="in chunks")

        async def exchange() -> None:
            line = await self.connect()
            for _ in range(50):
                exchange = await self.send(line, form)
                await self.settle()
                await self.say(exchange, exchange.say(len(form.answer.data)))
                await self.settle()
            await self.leave(line, is_reset=False)

        self.runner.run(exchange())
        wait_for(self.bench.has_loader)
        self.reload("")

    def ready(self) -> dict[str, Any]:
        """Return what the server says about itself; it must be well."""
        answer = self.fleet.client.get(f"{self.fleet.url}/readyz")
        assert answer.status_code == 200, answer.text
        ready: dict[str, Any] = answer.json()
        return ready

    def running(self) -> int:
        """Return how many exchanges the server says that it serves."""
        metrics = self.fleet.client.get(f"{self.fleet.url}/metrics").text
        [count] = re.findall(r"^holdover_exchanges_running (\d+)", metrics, re.MULTILINE)
        return int(count)

    def reload(self, settings: str) -> None:
        """Let the server follow other settings, as soon as it has read them."""
        self.fleet.write(self.fleet.text(f"{_SETTINGS}\n{settings}"))
        self.fleet.process.send_signal(signal.SIGHUP)

    # What goes on meanwhile

    async def _read(self, line: Line) -> None:
        with suppress(ConnectionError):
            while piece := await line.peer.reader.read(65536):
                line.heard += piece
                while line.heard.startswith(_INTERIM):
                    line.heard = line.heard.removeprefix(_INTERIM)
                self._changed.set()
        line.is_ended = True
        self._changed.set()

    async def serve(self, peer: Peer) -> None:
        """Be upstream: hear requests, and whether the other end goes before they are answered."""
        exchange: Exchange | None = None
        try:
            while True:
                head = await peer.hear()
                assert exchange is None or exchange.is_over, f"asked twice at once: {head!r}"
                await peer.hear_body(int(_found(_LENGTH, head)))
                exchange = self.exchanges[int(_found(_UPSTREAM_ID, head))]
                exchange.hear(peer)
                self._changed.set()
        finally:
            if exchange is not None and not exchange.is_over:
                exchange.is_let_go = True
            self._changed.set()

    # What the server says about it

    def records(self) -> defaultdict[int, list[tuple[str, int | None]]]:
        """Outcome and status of the records so far, by exchange."""
        with self.fleet.log.open("rb") as log:
            log.seek(self._log_offset)
            new, _, _ = log.read().rpartition(b"\n")
        self._log_offset += len(new) + bool(new)
        for line in new.splitlines():
            said: dict[str, Any] = (
                {} if line.startswith(b"holdover: ") else msgspec.json.decode(line)
            )
            assert said.get("level") not in {"error", "critical"}, said
            if said.get("event") == "exchange":
                id_ = int(said["user_agent"].removeprefix("exchange/"))
                self._records[id_].append((said["outcome"], said["status"]))
        return self._records

    async def forget(self) -> None:
        """End all connections of clients; nothing of them is of interest any more."""
        for line in self.lines:
            line.peer.writer.transport.abort()
        for exchange in self.exchanges.values():
            if exchange.peer is not None:
                exchange.peer.writer.transport.abort()
        await asyncio.gather(*self._readers)
        self.lines.clear()
        self._readers.clear()


def _found(pattern: re.Pattern[bytes], head: bytes) -> bytes:
    found = pattern.search(head)
    assert found is not None, head
    return found[1]


@contextmanager
def running_world(directory: Path) -> Iterator[World]:
    """Run a server, and an upstream for it."""
    tasks = directory / "tasks"
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        world = World(runner)
        serving = listening(world.serve)
        upstream = runner.run(serving.__aenter__())
        stack.callback(lambda: runner.run(serving.__aexit__(None, None, None)))
        url = upstream.url
        fleet = running_fleet(
            directory, _SETTINGS, upstream_url=url, legacy_url=url, program=SERVER, TASKS=str(tasks)
        )
        world.bench = Bench(stack.enter_context(fleet), upstream.port, tasks)
        yield world
