"""`holdover replay`: estimate what asking recorded requests again takes, then ask and compare."""

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
from proxy.cli.load_config import KEY_VARIABLE, or_exit, settings_or_exit
from proxy.cli.traffic.known_names import require_caller
from proxy.cli.traffic.open_store import open_traffic_store
from proxy.cli.traffic.replay_progress import ProgressObserver, progress
from proxy.cli.traffic.replay_report import estimate_lines, report_lines
from proxy.cli.traffic.replay_settings import (
    default_name,
    upstream_urls,
    with_environment_key,
    with_model,
    with_rules,
    with_simulator_keys,
    with_upstream_url,
)
from proxy.config.build import build_runtime_config, digester_of, names_of_digests
from proxy.config.runtime import RuntimeConfig
from proxy.config.settings import Settings
from proxy.cooperative import CooperativeRunner
from proxy.errors import InvalidSettings
from proxy.observability.log_config import configure_logs
from proxy.replay import (
    Asker,
    Forecast,
    Run,
    TokenBudget,
    build_replay_report,
    forecast,
    is_simulator,
)
from proxy.report.prices import Price
from proxy.risks import misspelt_models
from proxy.security.redaction import Redactor
from proxy.terminal import exit_with_error, print_lines, print_to_stderr
from proxy.terminal_text import json_line
from proxy.time_options import InvalidTime
from proxy.traffic.store.filter_options import filter_of, with_names
from proxy.traffic.store.filters import Filter, InvalidFilter
from proxy.traffic.store.replay_results import ReplayPlan, ReplayStore
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.upstream.transport import Timeouts

_INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """The command's options, unvalidated."""

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
    """The options, and the settings, configuration and filter that they lead to."""

    options: ReplayOptions
    settings: Settings
    config: RuntimeConfig
    filters: Filter
    name: str

    @property
    def prices(self) -> Mapping[str, Price]:
        """Prices that the settings give."""
        given = self.settings.prices.items()
        return {name: Price(price.input, price.output) for name, price in given}

    def with_settings(self, settings: Settings) -> Self:
        """Return a copy that asks by other settings; raise `InvalidSettings`."""
        return replace(self, settings=settings, config=_runtime_config(settings))


def run_replay(
    config: Path | None, secrets: Path | None, options: ReplayOptions, *, demo: bool
) -> None:
    """Show the estimate; ask, if that is allowed; show the comparison."""
    settings = settings_or_exit(config, secrets)
    configure_logs(settings.log_format, level=logging.WARNING)
    with or_exit(), ExitStack() as stack:
        replay = _prepare(settings, options, secrets)
        if demo:  # its requests were made for a simulator, so ask only that
            url = stack.enter_context(embedded_simulator())
            replay = replay.with_settings(with_upstream_url(replay.settings, url))
        opened = stack.enter_context(open_traffic_store(config, secrets, demo=demo))
        require_caller(opened, replay.settings, replay.filters.caller)
        store = ReplayStore(opened, replay.name, replay.filters, options.limit)
        left = forecast(store.remaining(), replay.config, datetime.now(UTC))
        is_simulated = _show_estimate(replay, store.plan(), left)
        if left.requests:
            _run(_with_keys_or_exit(replay, is_simulated=is_simulated), store, left.requests)
        report = build_replay_report(replay.name, store.results(), replay.prices)
    if options.as_json:
        print_lines(json_line(msgspec.to_builtins(report)))
    else:
        print_lines(*report_lines(report))


def _prepare(settings: Settings, options: ReplayOptions, secrets: Path | None) -> _Replay:
    label = "present"
    settings = with_environment_key(settings)  # before --rules, which may name another upstream
    if options.rules is not None and options.model is not None:
        raise InvalidSettings("--model and --rules exclude each other; give only one of them")
    if options.rules is not None:
        label, settings = options.rules.stem, with_rules(settings, options.rules, secrets)
    if options.model is not None:
        label, settings = options.model, with_model(settings, options.model)
    words = {"since": options.since, "until": options.until, "caller": options.caller}
    try:
        filters = with_names(filter_of(words, datetime.now(UTC)), names_of_digests(settings))
    except (InvalidFilter, InvalidTime) as exc:
        raise InvalidSettings(str(exc)) from exc
    return _Replay(
        options=options,
        settings=settings,
        config=_runtime_config(settings),
        filters=filters,
        name=options.name or default_name(label, settings, tuple(words.values())),
    )


def _runtime_config(settings: Settings) -> RuntimeConfig:
    return build_runtime_config(settings, digester_of(settings))


def _show_estimate(replay: _Replay, found: ReplayPlan, left: Forecast) -> bool:
    """Print the estimate; return True if every upstream is a simulator."""
    urls = list(upstream_urls(replay.settings))
    is_simulated = all(asyncio.run(is_simulator(url)) for url in urls)
    targets = " and ".join(urls) + (" (a simulator)" if is_simulated else "")
    print_to_stderr(f"Replay {replay.name}: asks {targets}")
    print_to_stderr(*estimate_lines(found, left, replay.prices))
    print_to_stderr(*(f"Warning: {risk}." for risk in misspelt_models(replay.settings)))
    print_to_stderr("The recorded texts are sent as they were kept, that is, redacted.")
    for rule in replay.settings.rollout:
        if rule.match.header:
            print_to_stderr(
                f"Rule {rule.name} matches headers, which are not recorded, "
                "so it matches no request here."
            )
    return is_simulated


def _with_keys_or_exit(replay: _Replay, *, is_simulated: bool) -> _Replay:
    """Return a replay that can send, or exit with 2 if sending is not allowed or keys lack."""
    if is_simulated:
        return replay.with_settings(with_simulator_keys(replay.settings))
    if not replay.options.yes:
        exit_with_error("nothing was sent; add --yes to send it")
    if not replay.config.keyring.holds_keys:
        exit_with_error(
            "there is no key to ask with, since clients' keys are not recorded; set upstream_key, "
            f"or {KEY_VARIABLE} in the environment. If the file given with --rules names another "
            "upstream, neither key is sent there: write upstream_key into that file"
        )
    return replay


def _run(replay: _Replay, store: ReplayStore, requests: int) -> None:
    store.begin()
    options = replay.options
    budget = TokenBudget(options.budget_tokens, store.used())
    try:
        with progress(requests) as observer:
            is_complete = asyncio.run(_ask(replay, store, budget, observer))
    except KeyboardInterrupt:  # pragma: no cover - one that comes in a tracer ends the tracing
        exit_with_error(
            "interrupted. Results so far are kept; run the same command again for the rest.",
            status=_INTERRUPTED,
        )
    if not is_complete:
        print_to_stderr(
            "holdover: stopped, as the next request might exceed the budget of "
            f"{options.budget_tokens:,} tokens; run the same command with a larger one to go on"
        )


async def _ask(
    replay: _Replay, store: ReplayStore, budget: TokenBudget, observer: ProgressObserver
) -> bool:
    """Ask everything that is left; return False if the budget ended that early."""
    settings = replay.settings
    timeouts = Timeouts(
        connect=settings.upstream_connect_timeout,
        read=settings.upstream_read_timeout,
        keep_alive=settings.upstream_keep_alive,
    )
    lessons = LearnedCapabilities(seconds=settings.lesson_seconds)
    dispatcher = Dispatcher(settings.upstream_url, timeouts, lessons, CooperativeRunner())
    asker = Asker(config=replay.config, dispatcher=dispatcher, redactor=Redactor(settings.redact))
    concurrency = replay.options.concurrency
    run = Run(store=store, asker=asker, budget=budget, concurrency=concurrency, on_result=observer)
    try:
        return await run.run()
    finally:
        await dispatcher.close()
