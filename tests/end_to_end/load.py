"""
About fifty requests a second, each told apart from all others, and an account of them.

Clients ask one after the other; upstream takes its time, as long as it is told
to by the request, and that is all that paces them.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.fleet import Fleet, marked
from tests.harness import body
from tests.servers import new_client
from tests.waiting import wait_for

_CLIENTS: Final = 6
_UPSTREAM_TAKES: Final = {"simulate-delay-headers": "100"}
_MAX: Final = 150
"""Of each client: an upstream remembers no more than a thousand requests."""
_KINDS: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    ({}, {}),
    ({}, {"stream": True}),
    ({"anthropic-version": ...}, {}),
    ({"anthropic-version": ...}, {"stream": True}),
]
_LAST_FRAMES: Final = ('"stop_reason":"stop_sequence"', "[DONE]\r\n\r\n")


@dataclass(slots=True)
class Load:
    """What came of each request, by its marker, in the order in which they ended."""

    outcomes: dict[str, str] = field(default_factory=dict[str, str])
    """The rule that decided, or what went wrong."""

    def latest(self, count: int) -> set[str]:
        """How the last ones ended."""
        return set(list(self.outcomes.values())[-count:])

    def wait_for_more(self, count: int = 2 * _CLIENTS) -> None:
        """Wait until so many more have ended: by default more than were running."""
        enough = len(self.outcomes) + count
        wait_for(lambda: len(self.outcomes) >= enough)

    def is_accounted_for(self, fleet: Fleet) -> bool:
        """Whether each request was asked of one upstream once, and logged once."""
        once = Counter(self.outcomes)
        asked = Counter(dict(request["headers"])["x-marker"] for request in fleet.arrived())
        markers = ((line["user_agent"] or "").partition("/")[2] for line in fleet.lines("exchange"))
        logged = Counter(marker for marker in markers if marker in once)
        return asked == logged == Counter(dict.fromkeys(once, 1))


@contextmanager
def load_on(fleet: Fleet) -> Iterator[Load]:
    """Ask all the while; at the end every request has its answer."""
    fleet.forget()
    load, stop = Load(), threading.Event()
    clients = [threading.Thread(target=_ask, args=(fleet.url, load, stop)) for _ in range(_CLIENTS)]
    for client in clients:
        client.start()
    try:
        load.wait_for_more()
        yield load
        load.wait_for_more()
    finally:
        stop.set()
        for client in clients:
            client.join()


def _ask(url: str, load: Load, stop: threading.Event) -> None:
    with new_client() as client:
        for headers, fields in itertools.islice(itertools.cycle(_KINDS), _MAX):
            if stop.is_set():
                return
            given = marked(headers | _UPSTREAM_TAKES)
            content = body(model="claude-2.1", **fields)
            try:
                answer = client.post(f"{url}/v1/complete", headers=given, json=content)
            except httpx.HTTPError as exc:
                outcome = repr(exc)
            else:
                outcome = _outcome(answer, is_streamed="stream" in fields)
            load.outcomes[given["x-marker"]] = outcome


def _outcome(answer: httpx.Response, *, is_streamed: bool) -> str:
    is_whole = not is_streamed or any(mark in answer.text[-400:] for mark in _LAST_FRAMES)
    if answer.status_code != 200 or not is_whole:
        return f"{answer.status_code}: {answer.text[-400:]}"
    rule: str = answer.headers.get("holdover-rule", "no rule")
    return rule
