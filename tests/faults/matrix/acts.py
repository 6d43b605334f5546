"""What an upstream does with one request, once it has heard it."""

from __future__ import annotations

import asyncio
from itertools import count

from tests.scripted_server import Act, Peer


async def hang(peer: Peer) -> None:
    """Say no more, until the proxy has gone."""
    await peer.is_left()


async def nothing(_: Peer) -> None:
    """Be done."""


async def crash(peer: Peer) -> None:
    """Reset the connection."""
    peer.crash()


def says(*said: bytes, then: Act = nothing) -> Act:
    """Say this, and then act."""

    async def act(peer: Peer) -> None:
        await peer.say(*said)
        await then(peer)

    return act


def floods(data: bytes, times: int | None = None, then: Act = nothing) -> Act:
    """Say this over and over, so often or until the proxy has gone; and then act."""

    async def act(peer: Peer) -> None:
        piece = data * (65536 // len(data) + 1)
        for _ in count() if times is None else range(times * len(data) // len(piece)):
            await peer.say(piece)
        await then(peer)

    return act


def trickles(data: bytes) -> Act:
    """Say this byte by byte."""

    async def act(peer: Peer) -> None:
        for at in range(len(data)):
            await peer.say(data[at : at + 1])
            await asyncio.sleep(0)

    return act
