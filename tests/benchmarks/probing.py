"""
A probe: one small request after the other on one connection, each timed.

It blocks, and where it may it runs before everything else on its core (SCHED_FIFO), so that what
it waits for is the proxy, and not the load, nor the upstream, beside which it runs.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httptools

from tests.benchmarks.client import OK, WrongAnswer

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
"""Asks whether the event loop turns, and nothing else."""
_PATIENCE_SECONDS = 30


class _Answer:
    """One, in the making."""

    def __init__(self) -> None:
        self.is_complete = False
        self.parser = httptools.HttpResponseParser(self)

    def on_message_complete(self) -> None:
        self.is_complete = True


def probe(port: int, request: bytes, goes_on: Callable[[], bool], pause: float = 0) -> list[float]:
    """Milliseconds that each answer took, for as long as `goes_on` says so."""
    took = []
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS) as connection, urgently():
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while goes_on():
            asked = time.perf_counter()
            connection.sendall(request)
            _read(connection)
            took.append((time.perf_counter() - asked) * 1e3)
            time.sleep(pause)
    return took


def _read(connection: socket.socket) -> None:
    answer = _Answer()
    while not answer.is_complete:
        if not (data := connection.recv(65536)):
            raise WrongAnswer("the connection of the probe broke off")
        answer.parser.feed_data(data)
    if (status := answer.parser.get_status_code()) != OK:
        raise WrongAnswer(f"the probe got status {status}")


@contextmanager
def urgently() -> Iterator[None]:
    """Before all others on this core, if that is allowed."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
