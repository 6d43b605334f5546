"""Recorded requests asked again, once it has been said what that takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import msgspec

from proxy.cli.embedded_simulator import embedded_simulator
from proxy.cli.load_config import KEY_OF_ENVIRONMENT, or_exit, settings_or_exit
from proxy.cli.log import filter_of
from proxy.cli.open_store import open_evidence
from proxy.cli.replay_progress import ProgressObserver, progress
from proxy.cli.replay_report import estimate_lines, report_lines
from proxy.cli.replay_settings import (
    addresses,
    default_name,
    of_simulators,
    with_key_of_environment,
    with_model,
    with_rules,
    with_stand_in,
)
from proxy.cli.time_options import InvalidMoment
from proxy.config.build import build_runtime_config, digester_of
from proxy.config.runtime import RuntimeConfig
from proxy.config.settings import Settings
from proxy.cooperative import CooperativeRunner
from proxy.errors import InvalidSettings
from proxy.observability.log_config import configure_logs
from proxy.replay import Asker, Run, TokenBudget, build_replay_report, is_simulator
from proxy.report.prices import Price
from proxy.security.redaction import Redactor
from proxy.terminal import say, stop, tell
from proxy.terminal_text import json_line
from proxy.traffic.store.filters import Filter, InvalidFilter
from proxy.traffic.store.replay_results import ReplayPlan, ReplayStore
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.upstream.transport import Timeouts

_INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the options say."""

    since: str | None = None
    until: str | None = None
    caller: str | None = None
    model: str | None = None
    rules: Path | None = None
    limit: int | None = None
    budget_tokens: int | None = None
    concurrency: int = 4
    name: str | None = None
    yes: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replay:
    """The order, with everything looked up."""

    order: Order
    settings: Settings
    config: RuntimeConfig
    wanted: Filter
    name: str

    @property
    def prices(self) -> Mapping[str, Price]:
        """The operator's."""
        given = self.settings.prices.items()
        return {name: Price(price.input, price.output) for name, price in given}

    def by(self, settings: Settings) -> Self:
        """Asked by other settings; raises `InvalidSettings`."""
        return replace(self, settings=settings, config=_runtime_config(settings))


def run_replay(config: Path | None, secrets: Path | None, order: Order, *, demo: bool) -> None:
    """Show the estimate; ask, if that may be; show what it came to."""
    settings = settings_or_exit(config, secrets)
    configure_logs(settings.log_format, level=logging.WARNING)
    with or_exit(), ExitStack() as until_then:
        replay = _looked_up(settings, order, secrets)
        if demo:  # which has never asked anybody else
            url = until_then.enter_context(embedded_simulator())
            replay = replay.by(with_stand_in(replay.settings, url))
        _replay(replay, config, secrets, demo=demo)


def _replay(replay: _Replay, config: Path | None, secrets: Path | None, *, demo: bool) -> None:
    order = replay.order
    with open_evidence(config, secrets, demo=demo) as opened:
        store = ReplayStore(opened, replay.name, replay.wanted, order.limit)
        found = store.found()
        is_simulated = _show_estimate(replay, found)
        if found.left:
            _run(_with_keys_or_exit(replay, is_simulated=is_simulated), store, found)
        report = build_replay_report(replay.name, store.results(), replay.prices)
    if order.as_json:
        say(json_line(msgspec.to_builtins(report)))
        return
    say(*report_lines(report))


def _looked_up(settings: Settings, order: Order, secrets: Path | None) -> _Replay:
    label = "present"
    settings = with_key_of_environment(settings)  # it belongs to the upstream of these
    if order.rules is not None and order.model is not None:
        raise InvalidSettings("--model and --rules: give one of them")
    if order.rules is not None:
        label, settings = order.rules.stem, with_rules(settings, order.rules, secrets)
    if order.model is not None:
        label, settings = order.model, with_model(settings, order.model)
    words = {"since": order.since, "until": order.until, "caller": order.caller}
    try:
        wanted = filter_of(words, datetime.now(UTC))
    except (InvalidFilter, InvalidMoment) as exc:
        raise InvalidSettings(str(exc)) from exc
    return _Replay(
        order=order,
        settings=settings,
        config=_runtime_config(settings),
        wanted=wanted,
        name=order.name or default_name(label, settings, tuple(words.values())),
    )


def _runtime_config(settings: Settings) -> RuntimeConfig:
    return build_runtime_config(settings, digester_of(settings))


def _show_estimate(replay: _Replay, found: ReplayPlan) -> bool:
    """Show it; whether only simulators are asked."""
    urls = list(addresses(replay.settings))
    is_simulated = all(asyncio.run(is_simulator(url)) for url in urls)
    who = " and ".join(urls) + (" (a simulator)" if is_simulated else "")
    tell(f"Replay {replay.name}: asks {who}")
    tell(*estimate_lines(found, replay.order.model, replay.prices))
    tell("What is asked again is the text that was kept: redacted.")
    for rule in replay.settings.rollout:
        if rule.match.header:
            tell(f"Rule {rule.name} looks at headers, which are not kept: here it matches nothing.")
    return is_simulated


def _with_keys_or_exit(replay: _Replay, *, is_simulated: bool) -> _Replay:
    """With a key where there is none; status 2 where nothing may be sent."""
    if is_simulated:
        return replay.by(of_simulators(replay.settings))
    if not replay.order.yes:
        stop("nothing was sent; add --yes to send it")
    if not replay.config.keyring.holds_keys:
        stop(
            "there is no key: clients' keys are not kept, so set upstream_key, "
            f"or {KEY_OF_ENVIRONMENT} in the environment. Where the file of --rules names "
            "another upstream, neither is sent there: write upstream_key into that file"
        )
    return replay


def _run(replay: _Replay, store: ReplayStore, found: ReplayPlan) -> None:
    store.begin()
    order = replay.order
    budget = TokenBudget(order.budget_tokens, store.used())
    try:
        with progress(sum(left.requests for left in found.left)) as heard:
            is_whole = asyncio.run(_ask(replay, store, budget, heard))
    except KeyboardInterrupt:
        said = "interrupted. What is done is kept; the same command goes on with the rest."
        stop(said, status=_INTERRUPTED)
    if not is_whole:
        tell(
            f"holdover: the next request might pass the budget of {order.budget_tokens:,} tokens; "
            "the same command with a larger one goes on"
        )


async def _ask(
    replay: _Replay, store: ReplayStore, budget: TokenBudget, heard: ProgressObserver
) -> bool:
    """Ask all; False if the budget has ended it."""
    settings = replay.settings
    timeouts = Timeouts(
        connect=settings.upstream_connect_timeout, read=settings.upstream_read_timeout
    )
    lessons = LearnedCapabilities(seconds=settings.lesson_seconds)
    dispatcher = Dispatcher(settings.upstream_url, timeouts, lessons, CooperativeRunner())
    asker = Asker(config=replay.config, dispatcher=dispatcher, redactor=Redactor(settings.redact))
    concurrency = replay.order.concurrency
    run = Run(store=store, asker=asker, budget=budget, concurrency=concurrency, heard=heard)
    try:
        return await run.run()
    finally:
        await dispatcher.close()
