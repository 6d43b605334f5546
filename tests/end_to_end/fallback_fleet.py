"""A Holdover whose rules try twice, between upstreams whose legs fail as a request asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from proxy.simulator import create_simulator
from tests.faulty_upstreams import ForModel, Moody
from tests.fleet import Fleet, rule, running_fleet
from tests.harness import frames
from tests.servers import serving

SPARE = "claude-haiku-4-5"
RULES = "\n".join(
    [
        # so that there is something to learn
        '[model_facts."claude-opus-4-8"]\nsampling = "all"',
        rule(
            "to-legacy",
            'action = "translate"',
            'on_failure = { action = "forward", timeout = 0.7 }',
        ),
        rule(
            "to-model",
            'action = "translate"',
            f'on_failure = {{ action = "translate", model = "{SPARE}", timeout = 0.7 }}',
        ),
        rule(
            "from-legacy",
            'action = "forward"',
            'on_failure = { action = "translate", timeout = 0.7 }',
        ),
        rule(
            "strict",
            *('action = "translate"', 'strictness = "strict"', 'on_failure = "forward"'),
        ),
        rule("alone", 'action = "translate"'),
        rule("legacy-alone", 'action = "forward"'),
    ]
)


@contextmanager
def two_legs(directory: Path, settings: str = RULES, **environment: Any) -> Iterator[Fleet]:
    """A rule for each way to try twice; the legs are told apart by whom they ask."""
    simulator, legacy = create_simulator(), create_simulator(legacy_models_alive=True)
    upstream = ForModel(Moody(simulator, b"x-first"), SPARE, Moody(simulator, b"x-second"))
    with (
        serving(upstream) as upstream_url,
        serving(Moody(legacy, b"x-legacy")) as legacy_url,
        running_fleet(
            directory, settings, upstream_url=upstream_url, legacy_url=legacy_url, **environment
        ) as fleet,
    ):
        yield fleet


def moods(case: str, first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    """The headers that make the legs of a case behave like that."""
    names = {
        "to-legacy": ("x-first", "x-legacy"),
        "to-model": ("x-first", "x-second"),
        "from-legacy": ("x-legacy", "x-first"),
    }[case]
    return {name: json.dumps(mood) for name, mood in zip(names, (first, second), strict=True)}


def ask(fleet: Fleet, case: str, first: dict[str, str], **more: Any) -> httpx.Response:
    """Ask for a model that both upstreams know; the first leg behaves like that."""
    second = more.pop("second", {})
    headers = moods(case, first, second) | more.pop("headers", {})
    return fleet.ask(case, model="claude-2.1", headers=headers, **more)


def times_asked(fleet: Fleet, answer: httpx.Response) -> tuple[int, int]:
    """How often an exchange has asked upstream, and the legacy one."""
    urls = (fleet.upstream_url, fleet.legacy_url)
    one, other = (len(fleet.received(url, answer)) for url in urls)
    return one, other


def said(answer: httpx.Response) -> str:
    """The text of an answer, whatever its form."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return str(answer.json()["completion"])
    events = [data for _, data in frames(answer.content) if isinstance(data, dict)]
    texts = [data["completion"] for data in events if "completion" in data]
    return "".join(texts) if "type" in events[-1] else str(texts[-1])


TWICE = {"to-legacy": (1, 1), "to-model": (2, 0), "from-legacy": (1, 1)}
ONCE = {"to-legacy": (1, 0), "to-model": (1, 0), "from-legacy": (0, 1)}
