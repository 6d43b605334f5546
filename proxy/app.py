"""The composition root: every object is built here, once, and handed down."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.comparison.token_budget import SharedBudget
from proxy.config.build import digester_of
from proxy.config.reload import Live, Source
from proxy.config.settings import Settings
from proxy.cooperative import Turns
from proxy.endpoints import (
    AdminToken,
    CompleteEndpoint,
    ForwardEndpoint,
    Front,
    admin_pages,
    admin_routes,
    not_found,
    probe_routes,
)
from proxy.exchange.finalize import Settlement
from proxy.exchange.handler import Exchange
from proxy.exchange.shadow import Shadows
from proxy.observability.metrics import Metrics
from proxy.security.hosts import HostCheck, is_loopback
from proxy.security.redaction import Digester, Redactor
from proxy.traffic import Keeper, ShadowRecord, journal_directory
from proxy.traffic.redact_bodies import ContentWriter
from proxy.traffic.status import Evidence
from proxy.upstream.dispatch import Upstreams
from proxy.upstream.learned_capabilities import LessonStore
from proxy.upstream.transport import Timeouts
from proxy.workers.guards import Guards
from proxy.workers.key_health import KeyHealth
from proxy.workers.shared_state import Noticeboard, directory_for

_LAST_WORDS_SECONDS: Final = 1
_JOURNAL_SECONDS: Final = 60
"""That old, a journal is ended, so that the loader removes it."""


def create_app(
    settings: Settings, source: Source | None = None, digester: Digester | None = None
) -> ASGIApp:
    """
    Build the proxy; it connects to nothing before its first request.

    With a source it follows changes of its settings file. Workers share a
    digester. Raises `InvalidSettings`.
    """
    digester = digester or digester_of(settings)
    metrics = Metrics()
    board = Noticeboard(directory_for(settings.state_dir, source.file.path if source else None))
    guards = Guards(board, metrics)
    live = Live(settings, digester, guards, source, metrics)
    keys, turns = KeyHealth(board, metrics), Turns()
    upstreams = _upstreams(settings, turns, keys)
    shadowed = _upstreams(settings, turns, keys)
    budget = SharedBudget(board)
    redactor = Redactor(settings.redact)
    evidence = _evidence(settings, metrics, digester)
    shadows = Shadows(
        shadowed,
        budget,
        metrics,
        queue=settings.shadow_queue,
        keep=evidence.keeper.keep if evidence else _forget,
        redactor=redactor,
    )
    traffic = _Traffic(
        complete=CompleteEndpoint(
            exchange=Exchange(
                present=live,
                upstreams=upstreams,
                shadows=shadows,
                turns=turns,
                v1_pings=settings.v1_pings,
            ),
            settle=Settlement(
                evidence=evidence,
                redactor=redactor,
                metrics=metrics,
                guards=guards,
            ),
            max_body_bytes=settings.max_body_bytes,
            body_timeout=settings.body_timeout,
            ping_interval=settings.ping_interval,
        ),
        forward=ForwardEndpoint(upstreams=upstreams, present=live, redactor=redactor),
    )

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(live.keep_up()),
                group.create_task(live.keep_judging()),
                group.create_task(budget.keep_up()),
                group.create_task(keys.keep_up()),
                *([group.create_task(_ending_old(evidence.keeper))] if evidence else []),
                *(group.create_task(shadows.run()) for _ in range(settings.shadow_connections)),
            ]
            with _reading_again_on_signal(live, group):
                yield
            await traffic.last_words()
            for task in background:
                task.cancel()
        shadows.drop_all()
        await upstreams.close()
        await shadowed.close()
        if evidence is not None:
            evidence.close()

    admin_token = AdminToken(settings.admin_token)
    # A bare router: Starlette's own middleware would wrap every `send`.
    pages = Router(
        [
            *probe_routes(live, guards, keys, metrics, evidence),
            *admin_routes(admin_token, admin_pages(live, guards, upstreams.lessons), metrics),
        ],
        redirect_slashes=False,
        lifespan=lifespan,
    )
    pages.default = not_found
    return Front(
        complete=traffic.completing,
        forward=traffic.forwarding,
        pages=pages,
        mount_prefix=settings.mount_prefix,
        hosts=HostCheck(is_local=is_loopback(settings.host), allowed=settings.allowed_hosts),
        present=live,
        admin_token=admin_token,
        metrics=metrics,
        redactor=redactor,
    )


def _evidence(settings: Settings, metrics: Metrics, digester: Digester) -> Evidence | None:
    if not settings.traffic:
        return None
    directory = journal_directory(settings.state_dir)
    keeper = Keeper(directory, metrics, max_bytes=settings.journal_max_bytes)
    contents = ContentWriter(keeper, digester)
    return Evidence(directory=directory, keeper=keeper, contents=contents)


async def _ending_old(keeper: Keeper) -> None:
    """Let no journal live long after its last entry: what was said stays no longer than it may."""
    while True:
        await asyncio.sleep(_JOURNAL_SECONDS)
        keeper.end_old(_JOURNAL_SECONDS)


def _forget(_: ShadowRecord) -> None:
    """Nobody wants evidence."""


def _upstreams(settings: Settings, turns: Turns, keys: KeyHealth) -> Upstreams:
    timeouts = Timeouts(
        connect=settings.upstream_connect_timeout, read=settings.upstream_read_timeout
    )
    lessons = LessonStore(seconds=settings.lesson_seconds)
    return Upstreams(settings.upstream_url, timeouts, lessons, turns, keys.hear)


@contextmanager
def _reading_again_on_signal(live: Live, group: asyncio.TaskGroup) -> Iterator[None]:
    """SIGHUP reads the settings file; only a process's main thread hears of signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(live.read_again()))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """All that is not Holdover's own: completions are translated, the rest is forwarded."""

    complete: ASGIApp
    forward: ASGIApp
    running: set[asyncio.Task[object]] = field(default_factory=set)

    async def completing(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._run(self.complete, scope, receive, send)

    async def forwarding(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._run(self.forward, scope, receive, send)

    async def _run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            await app(scope, receive, send)
        finally:
            self.running.discard(task)

    async def last_words(self) -> None:
        """Let exchanges that shutdown cut off tell their clients so, and be logged."""
        if self.running:
            await asyncio.wait(self.running, timeout=_LAST_WORDS_SECONDS)
