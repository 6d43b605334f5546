"""Flow control of a client's connection, with more reasons to pause than uvicorn's."""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar, Final

from uvicorn.protocols.http.flow_control import FlowControl

from proxy.server.connection.write_timeout import WriteTimeout

_ENDED_STATES: Final = frozenset({7, 8})
"""TCP_CLOSE and TCP_CLOSE_WAIT of linux/tcp_states.h: the client has reset or ended its side."""


class Flow(FlowControl):
    """
    Flow control that can hold back reading, even if uvicorn resumes it.

    While it is held, the end of the client's side is not read. So the kernel is
    asked for it, where it says so (Linux).
    """

    look_seconds: ClassVar[float] = 0.25
    """Time between two looks for the end of the client's side."""

    is_held = False
    _is_paused = False
    _timer: asyncio.TimerHandle | None = None

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        loop: asyncio.AbstractEventLoop,
        write_timeout: WriteTimeout,
    ) -> None:
        super().__init__(transport)
        self._protocol = protocol
        self._loop = loop
        self._write_timeout = write_timeout

    def hold(self) -> None:
        """Pause reading until `release`."""
        self.is_held = True
        super().pause_reading()
        if self._timer is None and hasattr(socket, "TCP_INFO"):
            self._timer = self._loop.call_later(self.look_seconds, self._look_for_end)

    def release(self) -> None:
        """Resume reading unless uvicorn has paused it."""
        self.is_held = False
        self._stop_looking()
        if not self._is_paused:
            super().resume_reading()

    def pause_reading(self) -> None:
        """Pause reading until uvicorn resumes it."""
        self._is_paused = True
        super().pause_reading()

    def resume_reading(self) -> None:
        """Resume reading unless it is held."""
        self._is_paused = False
        if not self.is_held:
            super().resume_reading()

    def pause_writing(self) -> None:
        """Make senders wait, and give the client some time to read."""
        super().pause_writing()
        self._write_timeout.start()

    def resume_writing(self) -> None:
        """Let senders go on: from here on, what waits may also grow."""
        super().resume_writing()
        if not self._transport.is_closing():
            self._write_timeout.stop()

    def end(self) -> None:
        """Forget the connection, which is lost."""
        self._stop_looking()
        self._write_timeout.stop()

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_for_end(self) -> None:
        connection = self._transport.get_extra_info("socket")
        [state] = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        if state not in _ENDED_STATES:
            self._timer = self._loop.call_later(self.look_seconds, self._look_for_end)
        elif not self._protocol.eof_received():
            self._transport.abort()
