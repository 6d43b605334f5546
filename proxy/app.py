"""The composition root: every object is built here, once, and handed down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.endpoints import (
    CompleteEndpoint,
    ForwardEndpoint,
    admin_routes,
    healthz,
    is_completion_path,
    readyz,
    without_prefix,
)
from proxy.exchange import Exchange
from proxy.lessons import LessonStore
from proxy.redaction import Digester
from proxy.settings import InvalidSettings, ModelFacts, Settings
from proxy.upstream import Timeouts, Upstream
from translators import (
    KNOWN_MODELS,
    AdjustmentKind,
    Capabilities,
    Catalogue,
    Model,
    Policy,
    Sampling,
    Thinking,
)

_LAST_WORDS_SECONDS = 1


def create_app(settings: Settings) -> ASGIApp:
    """Build the proxy; it connects to nothing before its first request."""
    upstream = Upstream(
        settings.upstream_url,
        Timeouts(connect=settings.upstream_connect_timeout, read=settings.upstream_read_timeout),
    )
    policy, lessons = policy_of(settings), LessonStore(seconds=settings.lesson_seconds)
    exchange = Exchange(
        upstream=upstream,
        policy=policy,
        lessons=lessons,
        digester=Digester(settings.digest_key.get_secret_value() if settings.digest_key else None),
        v1_pings=settings.v1_pings,
    )
    traffic = _Traffic(
        complete=CompleteEndpoint(
            exchange=exchange,
            max_body_bytes=settings.max_body_bytes,
            body_timeout=settings.body_timeout,
            ping_interval=settings.ping_interval,
        ),
        forward=ForwardEndpoint(upstream=upstream),
    )

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await traffic.last_words()
        await upstream.close()

    # A bare router: Starlette's own middleware would wrap every `send`.
    router = Router(
        [
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *admin_routes(settings.admin_token, policy, lessons),
        ],
        redirect_slashes=False,
        lifespan=lifespan,
    )
    router.default = traffic
    return _Mounted(router, settings.mount_prefix) if settings.mount_prefix else router


def policy_of(settings: Settings) -> Policy:
    """What the settings say about translation; raises `InvalidSettings`."""
    known = replace(KNOWN_MODELS, overrides=settings.models)
    facts = [_model(known, name, facts) for name, facts in settings.model_facts.items()]
    return Policy(
        catalogue=known.with_models(facts),
        strictness=settings.strictness,
        prefill=settings.prefill,
        prefill_model=settings.prefill_model,
        leading_space=settings.leading_space,
        echoed_model=settings.echoed_model,
        beta_header=settings.beta_header,
        refusal=settings.refusal,
        refuse=frozenset(map(_kind, settings.refuse)),
    )


def _model(known: Catalogue, name: str, facts: ModelFacts) -> Model:
    model = known.find(name) or Model(id=name)
    better = Capabilities(
        max_output_tokens=facts.max_output_tokens,
        prefill=facts.prefill,
        sampling=Sampling(facts.sampling) if facts.sampling else None,
        thinking=Thinking(facts.thinking) if facts.thinking else None,
    )
    return replace(
        model,
        capabilities=model.capabilities.corrected(better),
        retires=facts.retires.isoformat() if facts.retires else model.retires,
        successor=facts.successor or model.successor,
    )


def _kind(name: str) -> AdjustmentKind:
    try:
        return AdjustmentKind(name)
    except ValueError:
        known = ", ".join(kind.value for kind in AdjustmentKind)
        raise InvalidSettings(f"refuse: {name!r} is no adjustment; there are {known}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """All that is not Holdover's own: completions are translated, the rest is forwarded."""

    complete: ASGIApp
    forward: ASGIApp
    running: set[asyncio.Task[object]] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_completion = scope["method"] == "POST" and is_completion_path(scope["path"])
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            await (self.complete if is_completion else self.forward)(scope, receive, send)
        finally:
            self.running.discard(task)

    async def last_words(self) -> None:
        """Let exchanges that shutdown cut off tell their clients so, and be logged."""
        if self.running:
            await asyncio.wait(self.running, timeout=_LAST_WORDS_SECONDS)


@dataclass(frozen=True, slots=True)
class _Mounted:
    """An application under a path prefix; a client that lost it on the way is served too."""

    app: ASGIApp
    prefix: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw_path = without_prefix(scope["raw_path"].decode("latin-1"), self.prefix)
            path = without_prefix(scope["path"], self.prefix)
            scope = {**scope, "path": path, "raw_path": raw_path.encode("latin-1")}
        await self.app(scope, receive, send)
