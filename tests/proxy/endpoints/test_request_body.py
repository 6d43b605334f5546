import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from starlette.types import Message, Receive

from proxy.admission import Admission, Limits, Slot
from proxy.endpoints.request_body import read_body
from proxy.errors import ClientGone, Failure, MalformedRequest
from proxy.server.connection.client_gone import EXTENSION, Departure
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

LIMITS = Limits(
    exchanges=3,
    exchanges_per_caller=3,
    waiting=1,
    max_wait=PATIENCE_SECONDS,
    body_bytes=10,
    body_bytes_per_caller=10,
)


@asynccontextmanager
async def without_room() -> AsyncIterator[tuple[Slot, Callable[[], None]]]:
    """A slot whose body has to wait, and a function that makes room for it."""
    admission = Admission(LIMITS)
    async with AsyncExitStack() as exchanges:
        others = [await exchanges.enter_async_context(admission.slot(c, 0)) for c in "ab"]
        for other in others:  # the second of them exceeds what there is
            await other.hold(10)
        slot = await exchanges.enter_async_context(admission.slot("c", 0))

        def make_room() -> None:
            for other, caller in zip(others, "ab", strict=True):
                admission.bodies.give_back(other, caller, 10)
                other._held_bytes = 0

        yield slot, make_room


def says(*messages: Message) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


PIECE: Message = {"type": "http.request", "body": b"12345", "more_body": True}
LAST: Message = {"type": "http.request", "body": b"67890"}


async def test_the_time_that_a_body_waits_for_room_is_not_that_of_its_client():
    async with without_room() as (slot, make_room):
        asyncio.get_running_loop().call_later(0.2, make_room)

        body = await read_body(
            {"headers": []}, says(PIECE, LAST), max_bytes=10, timeout_seconds=0.1, slot=slot
        )

    assert body == b"1234567890"


@pytest.mark.parametrize("failure", [None, MalformedRequest("no size")])
async def test_a_client_that_leaves_while_its_body_waits_for_room_is_missed(
    failure: Failure | None,
):
    departure = Departure()
    scope = {"headers": [], "extensions": {EXTENSION: lambda: departure}}
    gone = {"type": "http.disconnect", "failure": failure}
    async with without_room() as (slot, _):
        asyncio.get_running_loop().call_later(0, departure.come)

        with pytest.raises(type(failure) if failure else ClientGone):
            await read_body(
                scope, says(PIECE, gone), max_bytes=10, timeout_seconds=PATIENCE_SECONDS, slot=slot
            )
