"""Shadows alone: what is counted when something of ours is broken, or nobody waits any more."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.comparison.token_budget import DailyTokenBudget
from proxy.config.build import build_runtime_config, digester_of
from proxy.config.sources import load_settings
from proxy.exchange.context import ExchangeContext
from proxy.exchange.shadow import ShadowRunner
from proxy.rollout import Question, decide
from proxy.security.redaction import Redactor
from proxy.traffic import ShadowRecord
from proxy.upstream.legacy_request import LegacyRequest
from tests.harness import KEY, V2, body
from tests.waiting import PATIENCE_SECONDS

BROKEN: Any = None
ANSWER = b'{"completion":" Hi","stop_reason":"stop_sequence"}'


class Counts:
    """What shadows have come to."""

    def __init__(self) -> None:
        self.of = Counter[str]()
        self.two_failed = asyncio.Event()

    def shadow_skipped(self, rule: str, reason: str) -> None:
        self.of[f"{rule} skipped: {reason}"] += 1

    def shadow_failed(self, rule: str, leg: str) -> None:
        self.of[f"{rule} failed: {leg}"] += 1
        if self.of[f"{rule} failed: {leg}"] == 2:
            self.two_failed.set()

    def shadow_compared(self, rule: str, leg: str, comparison: object) -> None:
        del comparison
        self.of[f"{rule} compared: {leg}"] += 1


class Bench:
    """One rule with a shadow, whose upstreams are broken."""

    def __init__(self, tmp_path: Path, *, queue: int = 9, **shadow: object) -> None:
        rule = {"name": "r", "action": "forward", "shadow": {"action": "translate"} | shadow}
        settings = load_settings(
            rollout=[rule], legacy_url="http://127.0.0.1:9", state_dir=tmp_path
        )
        self.config = build_runtime_config(settings, digester_of(settings))
        self.counts, self.budget = Counts(), DailyTokenBudget()
        self.kept: list[ShadowRecord] = []
        self.shadows = ShadowRunner(
            BROKEN,
            self.budget,
            self.counts,
            queue=queue,
            keep=self.kept.append,
            keep_answer=BROKEN,
            redactor=Redactor(),
        )

    def exchange(self, problem: BaseException | None = None) -> None:
        """One that ends well, or not."""
        headers = [(name.encode(), value.encode()) for name, value in (KEY | V2).items()]
        caller = self.config.keyring.identify(headers)
        asked = LegacyRequest.read(caller, headers, b"", json.dumps(body()).encode())
        request = asked.completion_request
        now = datetime.now(UTC)
        question = Question(caller=caller, headers=headers, request=request, now=now)
        decision = decide(self.config.rollout, question, frozenset())
        notes = ExchangeContext(path="/v1/complete", headers=headers)
        drawn = self.shadows.draw(decision)
        if drawn is None:
            return
        if problem is not None:
            self.shadows.skip(drawn, problem)
            return
        notes.answer_copy = [ANSWER]
        self.shadows.schedule(drawn, asked, notes)

    async def send_until_two_failed(self) -> None:
        """Send what waits."""
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            sending = group.create_task(self.shadows.run())
            await self.counts.two_failed.wait()
            sending.cancel()


def test_a_bug_of_ours_costs_one_shadow_which_is_counted(tmp_path):
    bench = Bench(tmp_path)
    for _ in range(2):
        bench.exchange()

    asyncio.run(bench.send_until_two_failed())
    assert bench.counts.of == {"r failed: shadow": 2}


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (asyncio.CancelledError(), "client_gone"),
        (RuntimeError(), "primary_failed"),
        (KeyboardInterrupt(), "primary_failed"),
    ],
)
def test_a_shadow_is_not_sent_for_an_exchange_that_failed(tmp_path, problem, reason):
    bench = Bench(tmp_path)

    bench.exchange(problem)
    assert bench.counts.of == {f"r skipped: {reason}": 1}


def test_what_waits_at_the_end_is_dropped_and_counted(tmp_path):
    bench = Bench(tmp_path, queue=2)
    for _ in range(3):
        bench.exchange()
    bench.shadows.drop_all()
    bench.shadows.drop_all()

    assert bench.counts.of == {"r skipped: queue_full": 1, "r skipped: shutdown": 2}
