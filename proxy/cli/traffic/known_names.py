"""Names of callers and rules that an option may give: those of the settings and of the records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from proxy.cli.load_config import policy_or_exit, settings_or_exit
from proxy.config.settings import Settings
from proxy.spelling import nearest, or_rather
from proxy.terminal import exit_with_error
from proxy.traffic.store.filters import Filter, may_be_digest
from proxy.traffic.store.queries import names_in
from proxy.traffic.store.store import Store


def require_caller(store: Store, settings: Settings, caller: str | None) -> None:
    """Exit with status 2 if no caller has this name, in the settings or in the records."""
    if caller is None or caller in settings.callers or may_be_digest(caller):
        return
    from proxy.traffic.store.aggregates import caller_names  # noqa: PLC0415 - few need it

    with store.reading() as connection:
        known = {*settings.callers, *caller_names(connection)}
    if caller not in known:
        exit_with_error(
            f"--caller: no caller is named {caller!r}, in [callers] or in what is recorded"
            f"{or_rather(caller, known)}"
        )


def suggestions(
    store: Store, config: Path | None, secrets: Path | None, filters: Filter
) -> Iterator[str]:
    """Yield, for filters that found nothing, options that were probably meant."""
    if (filters.caller, filters.rule, filters.model) == (None, None, None):
        return
    settings = settings_or_exit(config, secrets)
    models = policy_or_exit(settings).catalogue.names
    rules = [rule.name for rule in settings.rollout]
    for option, given, known in (
        ("caller", filters.caller, [*settings.callers, *names_in(store, "caller_name")]),
        ("rule", filters.rule, [*rules, *names_in(store, "rule")]),
        ("model", filters.model, models),
    ):
        if given is not None and given not in known and (near := nearest(given, known)):
            yield f"--{option} {near}"
