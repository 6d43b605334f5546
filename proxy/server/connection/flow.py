"""Flow control of a client's connection, with more reasons to pause than uvicorn's."""

from __future__ import annotations

import asyncio
import fcntl
import select
import sys
import termios
from typing import ClassVar, Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from proxy.server.connection.write_timeout import WriteTimeout

_ENDED: Final = getattr(select, "POLLRDHUP", 0)
"""The event of a client that has ended its side, where the system has one (Linux)."""


class Reader(Protocol):
    """The asyncio protocol that reads requests from the connection."""

    def eof_ahead(self) -> bool:
        """Return True to keep a connection that has ended behind bytes which are not read yet."""


class Flow(FlowControl):
    """
    Flow control that can hold back reading, even if uvicorn resumes it.

    While nothing is read, neither is the end of the client's side. So the kernel is
    asked for it, again and again. A client that has reset its connection has left;
    one that has ended its side may have sent all of its request before, so its reader decides.
    """

    look_seconds: ClassVar[float] = 0.25
    """Time between two looks for the end of the client's side."""

    is_held = False
    _is_paused = False
    _timer: asyncio.TimerHandle | None = None

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: Reader,
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
        self._look_later()

    def release(self) -> None:
        """Resume reading unless uvicorn has paused it."""
        self.is_held = False
        if not self._is_paused:
            super().resume_reading()

    def pause_reading(self) -> None:
        """Pause reading until uvicorn resumes it."""
        self._is_paused = True
        super().pause_reading()
        self._look_later()

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
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write_timeout.stop()

    def count_unread(self) -> int:
        """Return the bytes that have arrived and were not read."""
        unread = fcntl.ioctl(self._descriptor, termios.FIONREAD, bytes(4))
        return int.from_bytes(unread, sys.byteorder)

    @property
    def _descriptor(self) -> int:
        descriptor: int = self._transport.get_extra_info("socket").fileno()
        return descriptor

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self.look_seconds, self._look_for_end)

    def _look_for_end(self) -> None:
        self._timer = None
        # Long bodies are paused often and briefly: to stop looking costs less here than there.
        if not self.read_paused or self._transport.is_closing():
            return
        looking = select.poll()
        looking.register(self._descriptor, _ENDED)
        seen = sum(event for _, event in looking.poll(0))
        is_reset = seen & (select.POLLERR | select.POLLHUP)
        if is_reset or (seen and not self._protocol.eof_ahead()):
            self._transport.abort()
        else:
            self._look_later()
