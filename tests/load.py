"""Clients who ask all the time while something happens to those who answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.fleet import marked
from tests.harness import KEY, body
from tests.servers import new_client
from tests.waiting import wait_for

_KINDS: Final = [(keeps, stream) for keeps in (True, False) for stream in (True, False)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked, and what it saw; the problem is None if the answer was whole."""

    marker: str
    key: str
    problem: str | None
    began: float
    ended: float


@dataclass(slots=True)
class Load:
    """Clients who ask without a pause, each on one connection or on a new one each time."""

    url: str
    keys: Sequence[str] = (KEY["x-api-key"],)
    model: str = "claude-haiku-4-5"
    asked: list[Asked] = field(default_factory=list)
    is_enough: threading.Event = field(default_factory=threading.Event)

    @property
    def problems(self) -> list[str]:
        """What went wrong, exchange by exchange."""
        return [one.problem for one in self.asked if one.problem is not None]

    def keep_asking(self, *, keeps: bool, stream: bool) -> None:
        """Ask again and again, for one key after another."""
        with new_client() as kept:
            while not self.is_enough.is_set():
                if keeps:
                    self._ask(kept, stream=stream)
                else:
                    with new_client() as fresh:
                        self._ask(fresh, stream=stream)

    def _ask(self, client: httpx.Client, *, stream: bool) -> None:
        key = self.keys[len(self.asked) % len(self.keys)]
        pace = {"simulate-delay-events": "20"} if stream else {"simulate-delay-headers": "50"}
        headers = marked({"x-api-key": key} | pace)
        asked = body(model=self.model, stream=stream)
        problem, began = None, time.monotonic()
        try:
            answer = client.post(f"{self.url}/v1/complete", headers=headers, json=asked)
            is_whole = '"stop_reason":"stop_sequence"' in answer.text
            if answer.status_code != 200 or not is_whole:
                problem = f"{answer.status_code} {answer.text}"
        except httpx.TransportError as exc:
            problem = repr(exc)
        self.asked.append(Asked(headers["x-marker"], key, problem, began, time.monotonic()))

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more exchanges have ended."""
        enough = len(self.asked) + count
        wait_for(lambda: len(self.asked) >= enough)


@contextmanager
def asked_all_the_time(load: Load, *, of_each_kind: int = 2) -> Iterator[Load]:
    """So many clients of each kind ask while the block runs."""
    with ThreadPoolExecutor(of_each_kind * len(_KINDS)) as threads:
        clients = [
            threads.submit(load.keep_asking, keeps=keeps, stream=stream)
            for keeps, stream in _KINDS * of_each_kind
        ]
        try:
            yield load
        finally:
            load.is_enough.set()
    for client in clients:
        client.result()
