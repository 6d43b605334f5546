"""The composition root: builds every object of the proxy once and passes it on."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.admission import Admission, AdmissionReporter, AskedLimits, Limits, Machine
from proxy.comparison.token_budget import SharedDailyTokenBudget
from proxy.config.build import digester_of
from proxy.config.reload import ConfigReloader, ConfigSource
from proxy.config.settings import Settings
from proxy.cooperative import CooperativeRunner
from proxy.endpoints import (
    AdminToken,
    CompleteEndpoint,
    ForwardEndpoint,
    Front,
    HealthPages,
    admin_pages,
    admin_routes,
    not_found,
)
from proxy.endpoints.health import health_checks, retiring_now
from proxy.exchange.finalize import ExchangeFinalizer
from proxy.exchange.handler import CompletionHandler
from proxy.exchange.shadow import ShadowRunner
from proxy.loop_delay import LoopDelay
from proxy.notices.notifier import Notifier
from proxy.notices.problems import ProblemFinder, RecentLosses
from proxy.observability.log_config import finish_log, observe_lost_lines
from proxy.observability.metrics import Metrics
from proxy.security.hosts import HostCheck, is_loopback
from proxy.security.redaction import Digester, Redactor
from proxy.server.descriptors import most_connections
from proxy.server.memory import return_memory
from proxy.server.resources import descriptor_limit, memory_bytes, process_usage
from proxy.traffic import JournalWriter, journal_directory
from proxy.traffic.redact_bodies import BodyRecorder
from proxy.traffic.status import Recording
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.upstream.transport import Timeouts
from proxy.workers.guards import Guards
from proxy.workers.key_health import KeyHealth
from proxy.workers.lessons import LessonSharing
from proxy.workers.model_users import ModelUsers
from proxy.workers.shared_state import SharedState, directory_for

if TYPE_CHECKING:
    from proxy.observability.spans import Tracing

_CUT_OFF_SECONDS: Final = 1
_SHOW_SECONDS: Final = 1
_USAGE_SECONDS: Final = 5


def create_app(
    settings: Settings, source: ConfigSource | None = None, digester: Digester | None = None
) -> ASGIApp:
    """
    Build the proxy; it connects to nothing before its first request.

    With a `source` the proxy reloads its settings file when that changes. Workers must
    share one `digester`. Raises `InvalidSettings`.
    """
    digester = digester or digester_of(settings)
    metrics = Metrics()
    observe_lost_lines(metrics.log_lines_dropped)
    loop_delay = LoopDelay(metrics.loop_delayed)
    shared_state = SharedState(
        directory_for(settings.state_dir, source.file.path if source else None)
    )
    guards = Guards(shared_state, metrics)
    reloader = ConfigReloader(settings, digester, guards, source, metrics)
    keys, runner = KeyHealth(shared_state, metrics), CooperativeRunner()
    model_users = ModelUsers(shared_state)
    dispatcher = _dispatcher_for(settings, runner, keys)
    admission = Admission(_limits_of(settings), is_late=lambda: loop_delay.is_late)
    admission_reporter = AdmissionReporter(admission, metrics)
    shadowed = _dispatcher_for(settings, runner, keys)
    budget = SharedDailyTokenBudget(shared_state)
    redactor = Redactor(settings.redact)
    tracing = _tracing(redactor) if settings.traces else None
    losses = RecentLosses(metrics)
    evidence = _recording(settings, losses, digester) if settings.traffic else None
    shadows = ShadowRunner(
        shadowed,
        budget,
        metrics,
        queue=settings.shadow_queue,
        keep=evidence.journal_writer.add if evidence else lambda _: None,  # recording is off
        keep_answer=evidence.contents.write_later if evidence else lambda _: None,
        redactor=redactor,
    )
    traffic = _Traffic(
        complete=CompleteEndpoint(
            handler=CompletionHandler(
                present=reloader,
                dispatcher=dispatcher,
                admission=admission,
                shadows=shadows,
                runner=runner,
                v1_pings=settings.v1_pings,
            ),
            finalizer=ExchangeFinalizer(
                evidence=evidence,
                redactor=redactor,
                metrics=metrics,
                guards=guards,
                model_users=model_users,
            ),
            max_body_bytes=settings.max_body_bytes,
            body_timeout=settings.body_timeout,
            ping_interval=settings.ping_interval,
            log_client_address=settings.log_client_address,
            tracing=tracing,
        ),
        forward=ForwardEndpoint(
            dispatcher=dispatcher,
            admission=admission,
            present=reloader,
            redactor=redactor,
            metrics=metrics,
        ),
    )

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            work = [
                loop_delay.keep_measuring(),
                reloader.watch_file(),
                guards.keep_judging(),
                budget.keep_up(),
                keys.keep_up(),
                model_users.keep_up(),
                LessonSharing(
                    shared_state,
                    dispatcher.learned,
                    settings.lesson_seconds,
                    lambda: reloader.config.keyring.messages.url,
                ).keep_up(),
                admission_reporter.keep_reporting(),
                _show_connections(metrics, exchanges=dispatcher, shadows=shadowed),
                _show_usage(metrics),
                return_memory(lambda: bool(admission.bodies.held)),
                notifier.keep_looking(),
                notifier.keep_sending(),
                *([evidence.journal_writer.keep_ending_old()] if evidence else []),
                *(shadows.run() for _ in range(settings.shadow_connections)),
            ]
            background = [group.create_task(each) for each in work]
            with _reload_on_signal(reloader, group):
                yield
            await traffic.wait_for_cut_off()
            for task in background:
                task.cancel()
        notifier.close()
        shadows.drop_all()
        await dispatcher.close()
        await shadowed.close()
        if evidence is not None:
            evidence.close()
        if tracing is not None:
            await tracing.close()
        finish_log()

    checks = health_checks(
        loop_delay,
        admission,
        evidence,
        state_dir=settings.state_dir,
        journal_max_bytes=settings.journal_max_bytes,
    )
    retiring = partial(retiring_now, reloader, model_users)
    find_problems = ProblemFinder(
        reloader=reloader,
        guards=guards,
        keys=keys,
        recording=evidence,
        losses=losses,
        checks=checks,
        retiring=retiring,
    )
    notifier = Notifier(
        receiver=lambda: reloader.config.receiver,
        find_problems=find_problems,
        shared_state=shared_state,
        observer=metrics,
    )
    health_pages = HealthPages(
        reloader=reloader,
        guards=guards,
        keys=keys,
        metrics=metrics,
        recording=evidence,
        loop_delay=loop_delay,
        checks=checks,
        find_problems=find_problems,
        retiring=retiring,
    )
    admin_token = AdminToken(settings.admin_token)
    # A bare router, because the middleware of `Starlette` would wrap every `send`.
    pages = Router(
        [
            *health_pages.routes(),
            *admin_routes(admin_token, admin_pages(reloader, guards, dispatcher.learned), metrics),
        ],
        redirect_slashes=False,
        lifespan=lifespan,
    )
    pages.default = not_found
    return Front(
        complete=traffic.serve_completion,
        forward=traffic.serve_forward,
        pages=pages,
        mount_prefix=settings.mount_prefix,
        hosts=HostCheck(is_local=is_loopback(settings.host), allowed=settings.allowed_hosts),
        present=reloader,
        admin_token=admin_token,
        metrics=metrics,
        redactor=redactor,
        admission=admission,
        admission_reporter=admission_reporter,
    )


def _recording(settings: Settings, losses: RecentLosses, digester: Digester) -> Recording:
    directory = journal_directory(settings.state_dir)
    writer = JournalWriter(directory, losses, max_bytes=settings.journal_max_bytes)
    contents = BodyRecorder(writer, digester)
    return Recording(directory=directory, journal_writer=writer, contents=contents)


def _tracing(redactor: Redactor) -> Tracing:
    from proxy.observability.spans import Tracing  # noqa: PLC0415 - needs `holdover[otel]`

    return Tracing(version("holdover"), redactor)


def _limits_of(settings: Settings) -> Limits:
    asked = AskedLimits(
        exchanges=settings.max_exchanges,
        exchanges_per_caller=settings.max_exchanges_per_caller,
        waiting=settings.max_waiting,
        max_wait=settings.max_wait,
        body_bytes=settings.max_held_bytes,
    )
    machine = Machine(
        connections=most_connections(descriptor_limit()),
        memory=memory_bytes(),
        workers=settings.workers,
    )
    return Limits.derived(asked, machine)


async def _show_connections(metrics: Metrics, **dispatchers: Dispatcher) -> None:
    while True:
        for purpose, dispatcher in dispatchers.items():
            counts = dispatcher.connections
            metrics.connections_now(
                purpose, active=counts.active, idle=counts.idle, awaited=counts.awaited
            )
        await asyncio.sleep(_SHOW_SECONDS)


async def _show_usage(metrics: Metrics) -> None:
    before = 0.0
    while True:
        now = process_usage()
        metrics.process_uses(
            memory_bytes=now.memory_bytes,
            descriptors_ratio=now.descriptors / descriptor_limit(),
            cpu_seconds=now.cpu_seconds - before,
        )
        before = now.cpu_seconds
        await asyncio.sleep(_USAGE_SECONDS)


def _dispatcher_for(settings: Settings, runner: CooperativeRunner, keys: KeyHealth) -> Dispatcher:
    timeouts = Timeouts(
        connect=settings.upstream_connect_timeout,
        read=settings.upstream_read_timeout,
        keep_alive=settings.upstream_keep_alive,
    )
    learned = LearnedCapabilities(seconds=settings.lesson_seconds)
    return Dispatcher(settings.upstream_url, timeouts, learned, runner, keys.observe)


@contextmanager
def _reload_on_signal(reloader: ConfigReloader, group: asyncio.TaskGroup) -> Iterator[None]:
    """Read the settings file again at SIGHUP; only the main thread can handle signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(reloader.read_again()))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """The endpoints for API requests, and the tasks that are serving them."""

    complete: ASGIApp
    forward: ASGIApp
    running: set[asyncio.Task[object]] = field(default_factory=set)

    async def serve_completion(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._run(self.complete, scope, receive, send)

    async def serve_forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._run(self.forward, scope, receive, send)

    async def _run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            await app(scope, receive, send)
        finally:
            self.running.discard(task)

    async def wait_for_cut_off(self) -> None:
        """Give exchanges that shutdown cuts off time to send an error and to be recorded."""
        if self.running:
            await asyncio.wait(self.running, timeout=_CUT_OFF_SECONDS)
