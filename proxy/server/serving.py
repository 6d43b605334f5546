"""One process that serves: uvicorn's server, and how it ends without losing anybody."""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from socket import socket
from typing import Final, cast

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from proxy.server.closing_listeners import drop_new_handshakes, has_waiting
from proxy.server.connection.acceptor import Acceptor
from proxy.server.connection.reason_phrases import name_unnamed_statuses
from proxy.server.connection.uvicorn_protocol import ServerProtocol
from proxy.server.connection.write_timeout import WRITE_SECONDS
from proxy.server.descriptors import most_connections
from proxy.server.listening import say_where
from proxy.server.phases import STOP_SIGNALS, Phase, phase_after
from proxy.server.resources import descriptor_limit
from proxy.server.supervisor_link import SupervisorLink
from proxy.server.worker_factory import WorkerFactory

log = structlog.get_logger()

_STEP_SECONDS: Final = 0.05
_TICK_SECONDS: Final = 0.1
"""Time after which a server sees that its `should_exit` was set, as uvicorn's sees it."""
_SETTLE_SECONDS: Final = 0.2
"""Time for handshakes that have begun to end, so that their connections can be accepted."""
_MAX_BACKLOG_SECONDS: Final = 2.0
"""Limit on accepting what waits: if others share the listener, some always does."""
_IDLE_SECONDS: Final = 0.5
"""Time for a client that knows nothing yet to ask again on a connection that it has kept."""


class Server(uvicorn.Server):
    """
    uvicorn's server, which ends in phases (see `phases`).

    `supervisor` leads it, if there is one; else it obeys signals alone. `is_last` means that
    nobody else will accept from the listeners once this server has stopped.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        drain_seconds: float = 0,
        is_last: bool = True,
        supervisor: SupervisorLink | None = None,
    ) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._is_last = is_last
        self._supervisor = supervisor
        self._is_led = False
        """True once the supervisor has named a phase: then it also says when the next begins."""
        self._phase_by_signals = Phase.SERVING

    @cached_property
    def _reached(self) -> dict[Phase, asyncio.Future[None]]:
        loop = asyncio.get_running_loop()
        return {phase: loop.create_future() for phase in Phase}

    # What leads from phase to phase

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Obey signals; ignore them once the server has ended, so that the process can, too."""
        if threading.current_thread() is not threading.main_thread():  # others get no signals
            yield
            return
        loop = asyncio.get_running_loop()
        for signum in STOP_SIGNALS:
            loop.add_signal_handler(signum, self._obey_signal, signum)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        try:
            yield
        finally:
            for signum in STOP_SIGNALS:
                loop.remove_signal_handler(signum)
                signal.signal(signum, signal.SIG_IGN)

    def _obey_signal(self, signum: int) -> None:
        # Service managers signal all processes at once, so what a supervisor says is counted apart.
        self._phase_by_signals = phase_after(self._phase_by_signals, signum)
        self._advance_to(self._phase_by_signals)

    def _obey_supervisor(self, phase: Phase) -> None:
        self._is_led = True
        self._advance_to(phase)

    def _advance_to(self, phase: Phase) -> None:
        for earlier in Phase:
            if earlier <= phase and not self._reached[earlier].done():
                self._reached[earlier].set_result(None)

    async def _wait_for(self, phase: Phase, seconds: float | None) -> None:
        await asyncio.wait([self._reached[phase]], timeout=seconds)

    # The phases, called by uvicorn

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start serving, and say so."""
        assert sockets is not None
        await super().startup([])
        for each in sockets:
            each.listen(self.config.backlog)  # one that shares its port did not, until now
        create = cast("type[ServerProtocol]", self.config.http_protocol_class)
        acceptor = Acceptor(
            sockets,
            partial(create, self.config, self.server_state, self.lifespan.state),
            connections=self.server_state.connections,
            limit=most_connections(descriptor_limit()),
        )
        self.servers = [cast("asyncio.Server", acceptor)]
        if self._supervisor is None:
            say_where(self.config.host, sockets)
        else:
            self._supervisor.report(self._obey_supervisor)

    async def main_loop(self) -> None:
        """Serve, and then drain."""
        await self.on_tick(0)  # sets the default headers
        while not (self.should_exit or self._reached[Phase.DRAINING].done()):
            await self._wait_for(Phase.DRAINING, _TICK_SECONDS)
        is_over = self._reached[Phase.STOPPING].done() or not self._drain_seconds
        if self._supervisor is None and not is_over:
            log.info("draining", seconds=self._drain_seconds)
        self.lifespan.state["draining"] = True
        self.server_state.default_headers = [(b"connection", b"close")]
        for connection in self._connections():
            cycle: RequestResponseCycle | None = connection.cycle
            # A client who is not told would ask again just as the connection is closed.
            if cycle is not None and not cycle.response_started:
                cycle.keep_alive = False
        await self._wait_for(Phase.STOPPING, self._drain_seconds)
        if self._is_led:
            await self._wait_for(Phase.STOPPING, None)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop accepting, let exchanges end or end them, and shut the application down."""
        assert sockets is not None
        if self._supervisor is None:
            log.info("stopping", seconds=self.config.timeout_graceful_shutdown)
        if self._is_last:
            drop_new_handshakes(sockets)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self._reached[Phase.ENDING].done():  # accept what waits in the backlog
            limit = _MAX_BACKLOG_SECONDS if has_waiting(sockets) else _SETTLE_SECONDS
            if loop.time() - began >= limit:
                break
            await self._wait_for(Phase.ENDING, _STEP_SECONDS)
        for server in self.servers:
            server.close()
            await server.wait_closed()  # until the last that were accepted are among the open ones
        for each in sockets:
            each.close()
        await self._let_exchanges_end()
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()

    async def _let_exchanges_end(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.config.timeout_graceful_shutdown or 0)
        idle: dict[ServerProtocol, float] = {}
        while self.server_state.connections or self.server_state.tasks:
            now = loop.time()
            if now >= until or self._reached[Phase.ENDING].done():
                return
            idle = {
                each: idle.get(each, now)
                for each in self._connections()
                if each.has_read_all and (_is_new(each) or each.cycle.response_complete)
            }
            for each, since in idle.items():
                if now - since >= (each.last_request_seconds if _is_new(each) else _IDLE_SECONDS):
                    each.transport.close()
            await self._wait_for(Phase.ENDING, _STEP_SECONDS)

    def _connections(self) -> list[ServerProtocol]:
        return [cast("ServerProtocol", each) for each in self.server_state.connections]


def _is_new(connection: ServerProtocol) -> bool:
    cycle: RequestResponseCycle | None = connection.cycle
    return cycle is None


def server_for(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """Return a server for an application that adds no headers of its own."""
    name_unnamed_statuses()
    return uvicorn.Server(config_for(app, host, port))


def config_for(
    app: ASGIApp | WorkerFactory,
    host: str,
    port: int,
    *,
    shutdown: float = 5,
    write_timeout: float = WRITE_SECONDS,
) -> uvicorn.Config:
    """Return uvicorn's settings; `shutdown` is how many seconds requests may take after SIGTERM."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        factory=isinstance(app, WorkerFactory),
        workers=1,  # else uvicorn reads WEB_CONCURRENCY
        # A partial, since it is sent to workers by pickling.
        http=cast("type[ServerProtocol]", partial(ServerProtocol, write_timeout=write_timeout)),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(shutdown),
        timeout_keep_alive=75,
    )
