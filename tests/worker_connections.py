"""A door to each worker: they share one port, but whose a connection is, the kernel knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from tests.processes import files_of
from tests.servers import new_client
from tests.waiting import PATIENCE_SECONDS, STEP_SECONDS


class Doors:
    """A client for each of so many workers, on a connection of its own that it keeps."""

    def __init__(self, url: str, workers: Callable[[], tuple[int, ...]], count: int) -> None:
        self._url = httpx.URL(url)
        self._workers = workers
        self._count = count
        self._open: dict[int, httpx.Client] = {}

    def by_worker(self) -> Mapping[int, httpx.Client]:
        """All of them, opened anew if a connection or a worker was lost meanwhile."""
        if not self._open or any(
            self._owner_of(door, (pid,)) is None for pid, door in self._open.items()
        ):
            self._knock()
        return self._open

    def close(self) -> None:
        """Close all connections."""
        for door in self._open.values():
            door.close()
        self._open = {}

    def _knock(self) -> None:
        """Connect until every worker has answered; which one does is chance."""
        self.close()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self._open) < self._count:
            assert time.monotonic() < deadline, f"only {set(self._open)} ever answer"
            door = new_client(
                base_url=self._url,
                limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
            )
            owner = self._owner_of(door, self._workers())
            if owner is None or owner in self._open:
                door.close()
                time.sleep(STEP_SECONDS)
            else:
                self._open[owner] = door

    def _owner_of(self, door: httpx.Client, candidates: tuple[int, ...]) -> int | None:
        try:
            with door.stream("GET", "/healthz") as answer:
                stream = answer.extensions["network_stream"]
                port: int = stream.get_extra_info("client_addr")[1]
                answer.read()
        except httpx.TransportError:
            return None  # a worker that has just died
        inode = far_end(theirs=self._url.port or 0, ours=port)
        return next((pid for pid in candidates if f"socket:[{inode}]" in files_of(pid)), None)


def far_end(*, theirs: int, ours: int) -> str | None:
    """The inode of the other end of a connection on loopback, unless that is closed."""
    _, *sockets = Path("/proc/net/tcp").read_text().splitlines()
    ends = [f"0100007F:{theirs:04X}", f"0100007F:{ours:04X}"]
    return next((row[9] for row in map(str.split, sockets) if row[1:3] == ends), None)
