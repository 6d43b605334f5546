"""The supervisor of workers: starts them, replaces those that end or fall silent, stops them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import socket, socketpair
from typing import Final

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from proxy.server.closing_listeners import drop_new_handshakes
from proxy.server.listening import say_where
from proxy.server.metrics_directory import metrics_directory
from proxy.server.phases import STOP_SIGNALS, Phase, phase_after
from proxy.server.restart_delay import count_brief_lives, restart_delay
from proxy.server.serving import Server
from proxy.server.supervisor_link import SupervisorLink
from proxy.server.worker_factory import WorkerFactory

log = structlog.get_logger()

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
_SPAWN: Final = multiprocessing.get_context("spawn")
_TICK_SECONDS: Final = 0.5
_START_SECONDS: Final = 60
"""Limit on the start of a worker, which takes a second or, on a busy machine, ten."""
_STOP_MARGIN_SECONDS: Final = 10
"""Time for a worker to end beyond what its exchanges get; then it is killed."""
_END_SECONDS: Final = 5
"""Time for a worker to end at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """How workers are supervised."""

    workers: int
    drain_seconds: float
    worker_timeout: float
    is_last: bool
    """True if nobody else accepts from the listeners once this server has stopped."""


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: socket
    has_hung_up: bool = False
    serving_since: float | None = None
    silent_seconds: float = 0

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid


@dataclass(slots=True)
class _Place:
    """The place of one worker, which may be empty for a while."""

    worker: _Worker | None = None
    brief_lives: int = 0
    empty_since: float = 0


@dataclass(slots=True)
class Supervisor:
    """
    Keeps workers serving.

    It waits for all of them at once and never for a single one, so that one that hangs or dies
    holds up nothing. Nobody but a worker and its supervisor holds an end of the pipe between them.
    """

    config: uvicorn.Config
    sockets: list[socket]
    how: Supervision
    _places: list[_Place] = field(init=False)
    _phase: Phase = Phase.SERVING
    _phase_ends: float = 0
    """When to stop draining, or to kill who has not ended."""
    _has_served: bool = False
    _status: int = 0
    _looked: float = field(default_factory=time.monotonic)
    _signals: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places = [_Place() for _ in range(self.how.workers)]

    def run(self) -> int:
        """Supervise until told to stop, and return the exit status."""
        with self._catching_signals() as wake_up:
            try:
                while self._phase is Phase.SERVING or self._workers:
                    if self._phase is Phase.SERVING:
                        self._fill_places()
                    self._hear_workers(wake_up)
                    self._obey_signals()
                    self._clear_places()
                    self._end_silent()
                    self._end_phase()
            finally:  # they end when their pipes do
                for worker in self._workers:
                    worker.pipe.close()  # pragma: no cover - only if there is a bug above
        return self._status

    @property
    def _workers(self) -> list[_Worker]:
        return [place.worker for place in self._places if place.worker is not None]

    @property
    def _somebody_serves(self) -> bool:
        return any(worker.serving_since is not None for worker in self._workers)

    # Waiting

    @contextmanager
    def _catching_signals(self) -> Iterator[socket]:
        ours, theirs = socketpair()
        with ours, theirs:
            for each in (ours, theirs):
                each.settimeout(0)
            signal.set_wakeup_fd(theirs.fileno())
            for signum in (*STOP_SIGNALS, signal.SIGHUP):
                signal.signal(signum, lambda signum, _: self._signals.append(signum))
            try:
                yield ours
            finally:
                signal.set_wakeup_fd(-1)
                for signum in (*STOP_SIGNALS, signal.SIGHUP):
                    signal.signal(signum, signal.SIG_IGN)

    # Starting

    def _fill_places(self) -> None:
        """Start workers where one is due, with the last good settings if the file is bad."""
        factory = self.config.app
        assert isinstance(factory, WorkerFactory)
        self.config.app = factory.refreshed()
        somebody_serves = self._somebody_serves
        for place in self._places:
            delay = restart_delay(place.brief_lives, somebody_serves=somebody_serves)
            if place.worker is None and time.monotonic() >= place.empty_since + delay:
                self._start(place)

    def _start(self, place: _Place) -> None:
        with ExitStack() as stack:
            try:
                ours, theirs = map(stack.enter_context, socketpair())
                process = _SPAWN.Process(
                    target=run_worker,
                    args=(self.config, self.sockets, theirs, self.how.drain_seconds),
                )
                resource_tracker.ensure_running()  # as it unblocks what is blocked below
                # A worker that cannot handle them yet shall not die of them with a traceback.
                signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
                try:
                    process.start()
                finally:
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            except OSError as exc:  # no descriptors, no memory, too many processes
                place.brief_lives = count_brief_lives(place.brief_lives, 0)
                place.empty_since = time.monotonic()
                log.error("worker_not_started", reason=exc.strerror)
                return
            place.worker = _Worker(process, ours)
            ours.settimeout(0)
            theirs.close()
            stack.pop_all()

    # Looking after them

    def _hear_workers(self, wake_up: socket) -> None:
        """Wait until there is something to read, but not for long, and read what workers say."""
        sentinels = [worker.process.sentinel for worker in self._workers]
        pipes = [worker.pipe for worker in self._workers if not worker.has_hung_up]
        ready = connection.wait([wake_up, *pipes, *sentinels], _TICK_SECONDS)
        with suppress(BlockingIOError):
            wake_up.recv(4096)
        now = time.monotonic()
        # Where all processes have been paused, nobody could have said anything.
        passed, self._looked = min(now - self._looked, 2 * _TICK_SECONDS), now
        for worker in self._workers:
            worker.silent_seconds += passed
            if worker.pipe not in ready:
                continue
            said = b""
            with suppress(OSError):  # it ended before it had read everything
                said = worker.pipe.recv(4096)
            if said:
                worker.silent_seconds = 0
                worker.serving_since = worker.serving_since or now
                self._has_served = True
            else:
                worker.has_hung_up = True

    def _clear_places(self) -> None:
        ended = [
            (place, place.worker)
            for place in self._places
            if place.worker is not None and not place.worker.process.is_alive()
        ]
        for place, worker in ended:
            worker.pipe.close()
            now = place.empty_since = time.monotonic()
            served = 0 if worker.serving_since is None else now - worker.serving_since
            place.worker = None
            place.brief_lives = count_brief_lives(place.brief_lives, served)
        for place, worker in ended:
            status = worker.process.exitcode
            if self._phase is not Phase.SERVING:
                log.info("worker_ended", pid=worker.pid, status=status)
            elif status and status > 0 and not self._has_served:
                log.error("worker_failed_to_start", pid=worker.pid, status=status)
                self._status = STARTUP_FAILURE
                self._advance_to(Phase.ENDING)
            else:
                delay = restart_delay(place.brief_lives, somebody_serves=self._somebody_serves)
                log.error(
                    "worker_ended", pid=worker.pid, status=status, restarted_after_seconds=delay
                )
            worker.process.close()

    def _end_silent(self) -> None:
        for worker in self._workers:
            limit = self.how.worker_timeout
            if worker.serving_since is None:
                limit = max(limit, _START_SECONDS)
            if worker.silent_seconds > limit:
                log.error("worker_silent", pid=worker.pid, seconds=round(worker.silent_seconds))
                worker.process.kill()
                worker.silent_seconds = 0

    # Ending

    def _obey_signals(self) -> None:
        while self._signals:
            signum = self._signals.pop(0)
            if signum != signal.SIGHUP:
                self._advance_to(phase_after(self._phase, signum))
                continue
            # Workers that serve read their settings again; one that starts would die of SIGHUP.
            for worker in self._workers:
                is_serving = worker.serving_since is not None and worker.process.is_alive()
                if is_serving:  # pragma: no branch - no test can hit the moment of a start
                    os.kill(worker.pid, signal.SIGHUP)

    def _advance_to(self, phase: Phase) -> None:
        """Tell all workers at once that a phase begins."""
        if phase is Phase.DRAINING and not self.how.drain_seconds:
            phase = Phase.STOPPING
        if phase <= self._phase:
            return
        self._phase = phase
        if phase is Phase.DRAINING:
            seconds = self.how.drain_seconds
            log.info("draining", seconds=seconds)
        else:
            limit = self.config.timeout_graceful_shutdown or 0
            if phase is Phase.ENDING:
                limit = 0
            seconds = limit + (_STOP_MARGIN_SECONDS if limit else _END_SECONDS)
            log.info("stopping", seconds=limit)
            if self.how.is_last:
                drop_new_handshakes(self.sockets)
        self._phase_ends = time.monotonic() + seconds
        for worker in self._workers:
            with suppress(OSError):
                worker.pipe.send(bytes([phase]))
            if phase is not Phase.DRAINING and worker.serving_since is None:
                worker.process.kill()  # it has no clients yet
        if phase is not Phase.DRAINING:
            for each in self.sockets:
                each.close()
            self.sockets = []

    def _end_phase(self) -> None:
        if self._phase is Phase.SERVING or time.monotonic() < self._phase_ends:
            return
        if self._phase is Phase.DRAINING:
            self._advance_to(Phase.STOPPING)
            return
        for worker in self._workers:
            worker.process.kill()


def run_worker(
    config: uvicorn.Config, sockets: list[socket], pipe: socket, drain_seconds: float
) -> None:
    """Serve in a process of its own, as its supervisor says."""
    for each in (pipe, *sockets):
        each.set_inheritable(False)
    config.configure_logging()  # which uvicorn does where a configuration is made
    link = SupervisorLink(pipe)
    Server(config, drain_seconds=drain_seconds, is_last=False, supervisor=link).run(sockets)


def run_workers(config: uvicorn.Config, sockets: list[socket], how: Supervision) -> int:
    """Serve with several workers until told to stop, and return the exit status."""
    with ExitStack() as stack:
        with suppress(OSError):  # without the directory each worker shows its own metrics
            # In memory, because a write to a mapped file on a full disk kills the process.
            in_memory = os.access(_SHARED_MEMORY, os.W_OK)
            parent = _SHARED_MEMORY if in_memory else Path(tempfile.gettempdir())
            shared = stack.enter_context(metrics_directory(parent))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
        say_where(config.host, sockets)  # connections wait for the first worker
        return Supervisor(config, sockets, how).run()
