"""A listener that is about to be closed."""

import socket
from collections.abc import Iterator

import pytest

from proxy.server.closing_listeners import drop_new_handshakes, has_waiting
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(params=[("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)], ids=["4", "6"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """One that nobody accepts from."""
    host, family = request.param
    try:
        opened = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no such addresses")
    with opened:
        yield opened


def test_who_waits_is_seen(listener):
    assert not has_waiting([listener])

    with socket.create_connection(listener.getsockname()[:2]):
        assert has_waiting([listener])
        listener.accept()[0].close()

    assert not has_waiting([listener])


def test_no_connection_begins_any_more_but_those_that_wait_go_on(listener):
    with socket.create_connection(listener.getsockname()[:2]) as early:
        drop_new_handshakes([listener])
        early.sendall(b"request")
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname()[:2], timeout=0.2)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(100) == b"request"
            accepted.sendall(b"response")
        assert early.recv(100) == b"response"


def test_a_connection_that_was_turned_away_meets_who_listens_next():
    old, new = (socket.socket() for _ in range(2))
    with old, new:
        for each in (old, new):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        old.bind(("127.0.0.1", 0))
        old.listen()
        drop_new_handshakes([old])
        with socket.socket() as client:
            client.settimeout(0)
            with pytest.raises(BlockingIOError):
                client.connect(old.getsockname())
            new.bind(old.getsockname())
            new.listen()
            old.close()
            new.settimeout(PATIENCE_SECONDS)
            accepted, address = new.accept()
            with accepted:
                assert address == client.getsockname()


def test_what_has_no_filter_is_left_alone():
    with socket.socket() as closed:
        pass

    drop_new_handshakes([closed])
