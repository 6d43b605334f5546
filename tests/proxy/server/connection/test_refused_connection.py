import asyncio

import pytest

from proxy.server.connection.refused_connection import RefusedConnection
from tests.client_bytes import Wire

pytestmark = pytest.mark.anyio


async def test_a_client_is_told_once_that_there_is_no_room():
    refused: set[RefusedConnection] = set()
    connection = RefusedConnection(refused, asyncio.get_running_loop())
    connection.connection_made(wire := Wire())
    was_counted = connection in refused
    connection.data_received(b"GET / HT")
    connection.shutdown()
    connection.connection_lost(None)

    assert was_counted
    assert not refused
    assert wire.written.count(b"HTTP/1.1 529 ") == 1
    assert wire.written.endswith(b"}")
