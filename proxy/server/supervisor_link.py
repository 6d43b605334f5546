"""The worker's end of the pipe to its supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from typing import Final

import structlog

from proxy.server.phases import Phase

log = structlog.get_logger()

_BEAT_SECONDS: Final = 1.0
_BEAT: Final = b"."


class SupervisorLink:
    """
    What a worker and its supervisor have to say to each other, in single bytes.

    The worker says every second that its event loop turns, from the moment that it serves. The
    supervisor says which phase begins. The end of the pipe is the end of the other process.
    """

    def __init__(self, pipe: socket) -> None:
        self._pipe = pipe

    def report(self, obey: Callable[[Phase], None]) -> None:
        """Report from now on that this worker serves, and obey what the supervisor says."""
        self._pipe.settimeout(0)
        asyncio.get_running_loop().add_reader(self._pipe, self._hear, obey)
        self._beat()

    def _beat(self) -> None:
        with suppress(OSError):  # the supervisor has gone, or has not listened for an hour
            self._pipe.send(_BEAT)
        asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)

    def _hear(self, obey: Callable[[Phase], None]) -> None:
        said = b""
        with suppress(OSError):  # it ended before it had read everything
            said = self._pipe.recv(len(Phase))
        if said:
            obey(Phase(max(said)))
            return
        asyncio.get_running_loop().remove_reader(self._pipe)
        log.error("supervisor_lost")
        obey(Phase.ENDING)
