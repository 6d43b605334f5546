"""Streams that want to keep the event loop to themselves, and what comes of them."""

import asyncio
from contextlib import suppress
from itertools import count

import msgspec
import pytest
from starlette.types import Message

from proxy.cooperative import CooperativeRunner
from proxy.endpoints.asgi_response import AsgiResponse
from proxy.exchange.context import ExchangeContext
from proxy.exchange.stream import StreamRelay
from proxy.upstream.attempt import AttemptFailed
from proxy.upstream.client import UpstreamClient
from proxy.upstream.transport import Timeouts
from tests.scripted_server import Peer, listening
from tests.translators.test_stream import STOP, delta, end, plan, start
from translators import dialect_of

pytestmark = pytest.mark.anyio
BEGUN = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
SIZE = 1_000_000
HALF_A_PART = 32_768
"""A read ends in a part of its own, which nothing follows: half as many turns as parts will do."""
V1 = dialect_of(None)


class Sent:
    """The client's end of a stream."""

    def __init__(self):
        self.writes = []

    async def send(self, message: Message):
        if message["type"] == "http.response.body":
            self.writes.append(message["body"])

    @property
    def said(self):
        """The text of each frame."""
        events = b"".join(self.writes).split(b"\r\n\r\n")
        spelled = [event.partition(b"data: ")[2] for event in events if b'"completion":' in event]
        return [msgspec.json.decode(data)["completion"] for data in spelled]


async def relayed(a_plan, *stream, turns=None):
    """What a client is sent of a stream that comes in one go, and how often the loop turned."""

    async def act(peer: Peer):
        head = await peer.hear()
        assert head.startswith(b"POST ")
        await peer.say(BEGUN, *stream)

    async def settle(_):
        """Nobody keeps evidence."""

    async def turn():
        for turned[0] in count():
            await asyncio.sleep(0)

    turned = [0]
    turns = turns or CooperativeRunner()
    sent, notes = Sent(), ExchangeContext(path="/v1/complete", headers=[])
    sink = AsgiResponse(sent.send, notes, settle, turns, ping_interval=60)
    relay = StreamRelay(a_plan, sink, turns, v1_pings=False)
    async with listening(act) as peer:
        upstream = UpstreamClient(peer.url, Timeouts(connect=20, read=20))
        answer = await upstream.send_message([], [b""])
        turning = asyncio.ensure_future(turn())
        try:
            await relay.run(answer)
        finally:
            turning.cancel()
            with suppress(asyncio.CancelledError):
                await turning
            await answer.close()
            await upstream.close()
    return sent, turned[0]


def in_a_hurry():
    """Each look at the clock says that the turn is over."""
    return CooperativeRunner(count().__next__)


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "line",
    [
        *(b"\n", b":\n", b"\r\n", b"event: x\n", b"id\n"),
        *(PING, b'data: {"type":"not_invented_yet"}\n\n', delta("")),
    ],
    ids=repr,
)
async def test_a_flood_of_nothing_leaves_everybody_else_their_turn(line):
    flood = line * (SIZE // len(line))
    stream = (start(), flood, b"\n\n", delta("Hi"), end(), STOP)

    sent, turned = await relayed(plan(), *stream, turns=in_a_hurry())

    assert sent.said == ["Hi", ""]
    assert turned >= len(flood) // HALF_A_PART


async def test_a_flood_of_text_leaves_everybody_else_their_turn_and_comes_whole():
    sent, turned = await relayed(
        plan(), start(), delta("a\n") * 10_000, end(), STOP, turns=in_a_hurry()
    )

    assert "".join(sent.said) == "a\n" * 10_000
    assert turned >= 10_000 * len(delta("a\n")) // HALF_A_PART


async def test_of_many_pings_at_once_not_each_is_relayed():
    sent, _ = await relayed(plan(), start(), PING * 1000, delta("Hi"), PING, end(), STOP)

    pings = sum(write.count(b"event: ping") for write in sent.writes)
    assert sent.said == ["Hi", ""]
    assert 2 <= pings < 1000


@pytest.mark.parametrize("dialect", [V1, dialect_of("2023-06-01")], ids=["old", "new"])
async def test_a_long_delta_comes_whole_whatever_comes_with_it(dialect):
    a_plan = msgspec.structs.replace(plan(), dialect=dialect)
    long = "a\n😀" * 40_000

    sent, turned = await relayed(
        a_plan, start(), delta("b") * 20, delta(long), delta("c"), end(), STOP, turns=in_a_hurry()
    )

    whole = "b" * 20 + long + "c"
    assert whole == (sent.said[-1] if dialect is V1 else "".join(sent.said))
    assert turned >= len(long) // 65_536


async def test_a_text_too_long_to_be_repeated_with_each_event_fails():
    a_plan = msgspec.structs.replace(plan(), dialect=V1)
    with pytest.raises(AttemptFailed, match="the text is longer than 8388608 bytes"):
        await relayed(a_plan, start(), *([delta("\x01" * 500_000)] * 4))


async def test_a_text_held_for_an_echo_that_breaks_off_comes_whole():
    echo = "a" * 300_000
    for last_words in ((end(), STOP), (delta("c"), end(), STOP)):
        sent, turned = await relayed(
            plan(echo=echo + "b"), start(), delta(echo), *last_words, turns=in_a_hurry()
        )
        assert "".join(sent.said).removesuffix("c") == f" {echo}"  # joined by the rule
        assert turned >= len(echo) // 16_384
