"""What a replay needs, on loopback: rules, upstreams, recorded requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine
from starlette.requests import Request
from starlette.responses import Response

from proxy.config.build import build_runtime_config, digester_of
from proxy.config.sources import load_settings
from proxy.cooperative import CooperativeRunner
from proxy.replay import Asker
from proxy.security.redaction import Redactor
from proxy.traffic import compress
from proxy.traffic.store.replay_results import RecordedExchange, ReplayResult
from proxy.traffic.store.schema import metadata
from proxy.traffic.store.store import Store
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.upstream.transport import Timeouts
from tests.harness import body
from tests.record_factory import record

COMPLETION = {"completion": " Hi", "stop_reason": "stop_sequence"}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


@contextmanager
def stored(path: Any) -> Iterator[Store]:
    """A store of its own, with its tables."""
    engine = create_engine(f"sqlite:///{path / 'traffic.db'}")
    metadata.create_all(engine)
    store = Store(engine)
    try:
        yield store
    finally:
        store.close()


def recorded(
    answer: object = None, *, request: bytes | None = None, **fields: Any
) -> RecordedExchange:
    """One exchange; what is no field of a record is one of the request."""
    asked = {name: fields.pop(name) for name in ("prompt", "stream", "model") if name in fields}
    return RecordedExchange(
        record=record(**fields),
        tokens=20,
        legacy_in=compress(request or json.dumps(body(**asked)).encode()),
        legacy_back=compress(json.dumps(answer or COMPLETION).encode()),
    )


class Scripted:
    """An upstream that answers with so many errors first, and remembers what it was sent."""

    def __init__(self, *errors: tuple[int, dict[str, str]], answer: object = MESSAGE) -> None:
        self._errors = list(errors)
        self._answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.received: list[tuple[str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        self.received.append((request.url.path, dict(request.headers), await request.body()))
        response = Response(self._answer, media_type="application/json")
        if self._errors:
            status, headers = self._errors.pop(0)
            response = Response(b"{}", status, headers)
        await response(scope, receive, send)


def ask(
    upstream_url: str,
    *asked: RecordedExchange,
    key: bytes | None = b"sk-ant-api03-mine",
    **settings: Any,
) -> list[ReplayResult]:
    """Ask all of them, one after the other, without pauses."""

    async def run() -> list[ReplayResult]:
        given = {"upstream_key": key.decode()} if key is not None else {}
        read = load_settings(upstream_url=upstream_url, **(given | settings))
        timeouts = Timeouts(connect=1, read=1)
        dispatcher = Dispatcher(
            upstream_url, timeouts, LearnedCapabilities(seconds=60), CooperativeRunner()
        )
        asker = Asker(
            config=build_runtime_config(read, digester_of(read)),
            dispatcher=dispatcher,
            redactor=Redactor(),
            pauses=(0, 0),
        )
        try:
            return [await asker.ask(each) for each in asked]
        finally:
            await dispatcher.close()

    return asyncio.run(run())
