"""The processes that serve: one server, or a supervisor and its workers."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from socket import socket
from typing import Final, Self, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess, multiprocess

from proxy.config.build import build_runtime_config
from proxy.config.history import history_of
from proxy.config.reload import ConfigSource
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from proxy.observability.log_config import configure_logs
from proxy.security.redaction import Digester
from proxy.server.acceptor import Acceptor
from proxy.server.descriptors import most_connections
from proxy.server.listening import say_where
from proxy.server.memory import freeze_gc, tune_malloc
from proxy.server.resources import descriptor_limit
from proxy.server.uvicorn_protocol import ServerProtocol, name_unnamed_statuses
from proxy.server.write_timeout import WRITE_SECONDS

_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - a directory of our own is made in it
_HEALTHCHECK_SECONDS: Final = 30
"""Time for a worker to answer its supervisor; on a busy machine one needs more than uvicorn's 5."""

CreateApp = Callable[[Settings, ConfigSource | None, Digester], ASGIApp]
"""Builds the application; a function of a module, so that it can be sent to another process."""


@dataclass(frozen=True)
class WorkerFactory:
    """Builds a worker's application, in the worker; the supervisor sends it there by pickling."""

    create_app: CreateApp
    last_good: TomlSource | None = field(repr=False)
    """The last valid settings file, for a worker that has to start while the file is bad."""
    secrets: Path | None
    flags: dict[str, object]
    digest_key: str = field(repr=False)
    last_tried: TomlSource | None = field(default=None, repr=False)
    """The settings file as it was last tried, good or bad."""

    def __call__(self) -> ASGIApp:
        """Build the application from the settings file as it is now, or was when last valid."""
        current = self.refreshed()
        settings = current.load(current.last_good)
        configure_logs(settings.log_format)
        name_unnamed_statuses()
        file = current.last_good
        source = None
        if file is not None:
            history = history_of(settings.state_dir, file.path)
            source = ConfigSource(file=file, load=self.load, history=history)
        app = self.create_app(settings, source, Digester(self.digest_key))
        freeze_gc()
        tune_malloc()
        return app

    def load(self, file: TomlSource | None) -> Settings:
        """Read settings as at the start; raises `InvalidSettings`."""
        return load_settings(file, secrets=self.secrets, **self.flags)

    def refreshed(self) -> Self:
        """Return a factory with the file as it is now if that is valid, else this one."""
        if self.last_good is None:
            return self
        try:
            file = TomlSource.read(self.last_good.path)
        except InvalidSettings:
            return self
        if file in {self.last_good, self.last_tried} or not file.text.strip():
            return self
        try:
            build_runtime_config(self.load(file), Digester(self.digest_key))
        except Exception:  # noqa: BLE001 - the workers log what is wrong; the supervisor goes on
            return replace(self, last_tried=file)
        return replace(self, last_good=file, last_tried=file)


class Supervisor(Multiprocess):
    """
    uvicorn's supervisor of workers, for settings that change.

    A worker that dies while the file is bad is replaced by one that starts
    with the last valid settings; on SIGHUP workers read the file and go on.
    """

    def keep_subprocess_alive(self) -> None:
        """Look at the file before a worker may have to start with it."""
        assert isinstance(self.config.app, WorkerFactory)
        self.config.app = self.config.app.refreshed()
        super().keep_subprocess_alive()

    def handle_hup(self) -> None:
        """Pass SIGHUP on to the workers that have started, which read their settings on it."""
        for process in self.processes:
            # Signalling a dead worker would hold up its replacement.
            if process.process.is_alive() and process.is_ready() and process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


class Server(uvicorn.Server):
    """uvicorn's server, which accepts connections in its own way, and logs where it listens."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the application, then serve on these sockets."""
        assert sockets is not None
        await super().startup([])
        acceptor = Acceptor(
            sockets,
            self._create_protocol,
            connections=self.server_state.connections,
            limit=most_connections(descriptor_limit()),
        )
        self.servers = [cast("asyncio.Server", acceptor)]
        if self.config.workers == 1:
            say_where(self.config.host, sockets)

    def _create_protocol(self) -> ServerProtocol:
        create = cast("type[ServerProtocol]", self.config.http_protocol_class)
        return create(self.config, self.server_state, self.lifespan.state)


class Worker(multiprocess.Process):
    """A worker of the supervisor's."""

    @property
    def server(self) -> uvicorn.Server:
        """The server that runs in it."""
        if self._server is None:
            self._server = Server(self.config)
        return self._server


multiprocess.Process = Worker  # type: ignore[misc]  # the supervisor can be given no other


def run_workers(config: uvicorn.Config, workers: int, sockets: list[socket]) -> None:
    """Serve with several workers until told to stop."""
    config.workers = workers
    with ExitStack() as stack:
        with suppress(OSError):  # without the directory each worker shows its own metrics
            in_memory = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
            # In memory, because a write to a mapped file on a full disk kills the process.
            shared = tempfile.TemporaryDirectory(prefix="holdover-metrics-", dir=in_memory)
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(shared)
        say_where(config.host, sockets)  # connections wait for the first worker
        Supervisor(config, sockets).run()


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
        timeout_worker_healthcheck=_HEALTHCHECK_SECONDS,
    )
