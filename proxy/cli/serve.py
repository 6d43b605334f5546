"""Real servers: the proxy, in one process or several, or the simulator alone."""

from __future__ import annotations

import math
import os
import secrets as dice
import signal
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import socket
from typing import Final, Self

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from proxy.app import create_app
from proxy.cli.load_config import or_exit, runtime_config_or_exit, settings_or_exit
from proxy.cli.risks import risks_of
from proxy.config.build import build_runtime_config
from proxy.config.digest_key import load_or_create_digest_key
from proxy.config.reload import ConfigSource
from proxy.config.settings import Settings, load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from proxy.import_path import children_heed_the_environment
from proxy.observability.log_config import configure_logs
from proxy.security.redaction import Digester
from proxy.server.listening import listen_or_exit, say_where
from proxy.server.loader_subprocess import start_loader
from proxy.server.memory import freeze_gc, tune_malloc
from proxy.server.uvicorn_protocol import ServerProtocol, name_unnamed_statuses
from proxy.terminal import stop
from proxy.upstream.egress import check_egress

log = structlog.get_logger()

_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - a directory of our own is made in it
_PATIENCE_SECONDS: Final = 30
"""With a worker that does not answer; in uvicorn's own 5, a busy machine has not begun one."""


@dataclass(frozen=True)
class _Worker:
    """What a process makes its application of; it crosses from the parent to its workers."""

    last_good: TomlSource | None = field(repr=False)
    """What a worker begins with that has to be started while the file is bad."""
    secrets: Path | None
    flags: dict[str, object]
    digest_key: str = field(repr=False)
    looked_at: TomlSource | None = field(default=None, repr=False)
    """What the file said when it was last tried, good or bad."""

    def __call__(self) -> ASGIApp:
        current = self.refreshed()
        settings = current.load(current.last_good)
        configure_logs(settings.log_format)
        name_unnamed_statuses()
        file = current.last_good
        source = ConfigSource(file=file, load=self.load) if file else None
        app = create_app(settings, source, Digester(self.digest_key))
        freeze_gc()
        tune_malloc()
        return app

    def load(self, file: TomlSource | None) -> Settings:
        """Read settings as at the start; raises `InvalidSettings`."""
        return load_settings(file, secrets=self.secrets, **self.flags)

    def refreshed(self) -> Self:
        """The same, with the file as it is now if that is good."""
        if self.last_good is None:
            return self
        try:
            file = TomlSource.read(self.last_good.path)
        except InvalidSettings:
            return self
        if file in {self.last_good, self.looked_at} or not file.text.strip():
            return self
        try:
            build_runtime_config(self.load(file), Digester(self.digest_key))
        except Exception:  # noqa: BLE001 - the workers say what is wrong; the supervisor goes on
            return replace(self, looked_at=file)
        return replace(self, last_good=file, looked_at=file)


class _Workers(Multiprocess):
    """
    uvicorn's supervisor, for settings that change.

    A worker that dies while the file is bad is replaced by one that begins
    with the last good one; on SIGHUP workers read their settings and go on.
    """

    def keep_subprocess_alive(self) -> None:
        """Look at the file before a worker may have to begin with it."""
        assert isinstance(self.config.app, _Worker)
        self.config.app = self.config.app.refreshed()
        super().keep_subprocess_alive()

    def handle_hup(self) -> None:
        """Pass it on to the workers that already know what to do with it."""
        for process in self.processes:
            # A dead one would be waited for in vain, and its replacement would wait with it.
            if process.process.is_alive() and process.is_ready() and process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


class _Server(uvicorn.Server):
    """uvicorn's, which says itself where it listens only if it has opened the sockets itself."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Say so once it serves."""
        await super().startup(sockets)
        assert sockets is not None
        say_where(self.config.host, sockets)


def run_proxy(config: Path | None, secrets: Path | None, **flags: object) -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    settings = settings_or_exit(config, secrets, **flags)
    configure_logs(settings.log_format)
    _check_or_exit(settings, config)
    sockets = listen_or_exit(settings.host, settings.port)
    given = settings.digest_key
    # Callers have one digest in all workers, and, where that is possible, over restarts.
    kept = given.get_secret_value() if given else load_or_create_digest_key(settings.state_dir)
    digest_key = kept or dice.token_hex(32)
    file = TomlSource.read(config.absolute()) if config else None
    worker = _Worker(file, secrets, flags, digest_key)
    uvicorn_config = _config_for(
        worker, settings.host, settings.port, shutdown=settings.shutdown_timeout
    )
    uvicorn_config.factory = True
    if settings.traffic:
        start_loader(settings)
    if settings.workers > 1:
        _run_workers(uvicorn_config, settings.workers, sockets)
    else:
        _Server(uvicorn_config).run(sockets)


def _check_or_exit(settings: Settings, config: Path | None) -> None:
    """What would stop it in the middle of its start stops it now; what is unwise is logged."""
    runtime = runtime_config_or_exit(settings)
    with or_exit():
        check_egress(settings.upstream_url, settings.legacy_url)
        risks = [*risks_of(settings, config), *runtime.keyring.warnings]
    if settings.workers > 1 and not children_heed_the_environment():
        stop("Python was started with -E, so that workers would import what is here: add -P")
    for risk in risks:
        log.warning("risky_setting", risk=risk)


def _run_workers(uvicorn_config: uvicorn.Config, workers: int, sockets: list[socket]) -> None:
    uvicorn_config.workers = workers
    with ExitStack() as stack:
        with suppress(OSError):  # each worker counts by itself, then
            shared = tempfile.TemporaryDirectory(prefix="holdover-metrics-", dir=_in_memory())
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(shared)
        say_where(uvicorn_config.host, sockets)  # connections wait for the first worker
        _Workers(uvicorn_config, sockets).run()


def _in_memory() -> str | None:
    """Where numbers that all workers write to are safe from a disk that is full, if anywhere."""
    return _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None


def run_simulator(host: str, port: int, *, legacy: bool) -> None:
    """Serve the simulator until told to stop; with its legacy models alive if asked to."""
    from proxy.simulator import create_simulator  # noqa: PLC0415 - the proxy does not need it

    configure_logs("auto")
    sockets = listen_or_exit(host, port)
    app = create_simulator(legacy_models_alive=legacy)
    name_unnamed_statuses()
    _Server(_config_for(app, host, port)).run(sockets)


def server_for(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """A uvicorn that adds nothing of its own to what the application says."""
    name_unnamed_statuses()
    return uvicorn.Server(_config_for(app, host, port))


def _config_for(
    app: ASGIApp | _Worker, host: str, port: int, *, shutdown: float = 5
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        workers=1,  # else the environment says (WEB_CONCURRENCY), or something that is no number
        http=ServerProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(shutdown),
        timeout_keep_alive=75,
        timeout_worker_healthcheck=_PATIENCE_SECONDS,
    )
