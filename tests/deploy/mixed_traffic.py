"""A Holdover with rules of every kind, and traffic of every kind for it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from proxy.security.keyring import hash_token
from tests.fleet import Fleet, rule, running_fleet
from tests.harness import ADMIN, ADMIN_TOKEN, V2
from tests.webhook import Webhook, receiving

CALLERS: Final = ("billing", "nightly-batch", "search")
_WORKERS: Final = 2
_MODEL: Final = "claude-haiku-4-5"
_CROWD: Final = 60


def token_of(caller: str) -> str:
    """Return the token that a caller sends."""
    return f"holdover-{caller}-{'x' * 20}"


def callers() -> str:
    """Return the callers of the settings, each with keys that are held here."""
    keys = 'upstream_key = "sk-up"\nlegacy_key = "sk-legacy"\n'
    return "\n".join(
        f'[callers.{name}]\ntoken = "sha256:{hash_token(token_of(name).encode())}"\n{keys}'
        for name in CALLERS
    )


def rules(share: float) -> str:
    """Return a rule of each kind; the canary takes so many percent."""
    retires = datetime.now(UTC).date() + timedelta(days=30)
    return "\n".join(
        [
            f'[model_facts."{_MODEL}"]\nretires = {retires}\nsuccessor = "claude-sonnet-5"\n',
            callers(),
            rule(
                "canary",
                *('action = "translate"', f'model = "{_MODEL}"', f"share = {share}"),
                *('by = "random"', 'shadow = { model = "claude-sonnet-5", control = true }'),
            ),
            rule("canary", 'action = "forward"').replace('"canary"\nmatch', '"rest"\nmatch'),
            rule("legacy", 'action = "forward"'),
            rule("twice", 'action = "translate"', 'on_failure = "forward"'),
            rule("thrifty", 'action = "translate"', "shadow = { daily_tokens = 1 }"),
            rule("shadow-fails", 'action = "translate"', 'shadow = { model = "claude-nowhere" }'),
            rule("gone", 'action = "refuse"'),
            rule(
                "failing",
                *('action = "translate"', 'model = "claude-nowhere"'),
                "guard = { errors_above = 10, min_count = 5 }",
            ),
        ]
    )


def settings(webhook: Webhook) -> str:
    """Return the settings before the rules."""
    return (
        f'{webhook.toml}admin_token = "{ADMIN_TOKEN}"\nmax_exchanges = 16\nmax_waiting = 8\n'
        "max_wait = 0.2\n"
    )


@contextmanager
def watched_fleet(directory: Path) -> Iterator[MixedTraffic]:
    """Run such a Holdover, and a webhook for its notices."""
    with receiving() as webhook:
        text = settings(webhook) + rules(50)
        with running_fleet(directory, text, workers=_WORKERS) as fleet:
            yield MixedTraffic(fleet, webhook)


@dataclass(frozen=True, slots=True)
class MixedTraffic:
    """A Holdover, and what can be sent to it."""

    fleet: Fleet
    webhook: Webhook

    def ask(self, case: str, caller: str = CALLERS[0], /, **fields: Any) -> int:
        """Ask once as a caller by the rule of that name, and return the status."""
        headers = fields.pop("headers", {}) | {"x-api-key": token_of(caller)}
        given = {"model": "claude-2.1"} | fields
        return self.fleet.ask(case, headers=headers, **given).status_code

    def round(self, chance: random.Random) -> None:
        """Send a few requests of each kind."""
        for caller in CALLERS:
            self.ask("canary", caller, prompt="\n\nHuman: Hi\n\nAssistant: So")
            self.ask("canary", caller, stream=True, headers={"simulate-delay-events": "20"})
        for case in ("legacy", "thrifty", "shadow-fails", "gone", "none"):
            self.ask(case, chance.choice(CALLERS), stop_sequences=["\n"], top_k=-1)
        self.ask("twice", headers={"simulate-error": "529"})
        given = {"x-api-key": token_of("search")} | V2
        self.fleet.client.get(f"{self.fleet.url}/v1/models", headers=given)

    def trouble(self) -> None:
        """Send requests that fail in each way."""
        for error in ("500", "529", "401"):
            self.ask("none", headers={"simulate-error": error})
        wrong = {"authorization": f"{ADMIN['authorization']}x"}
        self.fleet.client.get(f"{self.fleet.url}/holdover/rollout", headers=wrong)

    def trip_the_guard(self) -> None:
        """Let the rule with a guard fail, beside others that do well."""
        for _ in range(8 * _WORKERS):
            self.ask("failing")
            self.ask("none")

    def crowd(self) -> None:
        """Send more requests at once than are served."""
        slow = {"simulate-delay-headers": "400"}
        with ThreadPoolExecutor(_CROWD) as crowd:
            asked = [
                crowd.submit(self.ask, "none", CALLERS[number % len(CALLERS)], headers=slow)
                for number in range(_CROWD)
            ]
        assert {each.result() for each in asked} >= {200}

    def move_share(self, share: float) -> None:
        """Change the canary's share."""
        self.fleet.follow(rules(share), settings(self.webhook))
