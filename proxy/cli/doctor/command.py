"""The command: load the settings, try everything, and print what was found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import structlog
import typer
from pydantic import BaseModel, SecretStr

from proxy.cli.doctor.collector import try_collector
from proxy.cli.doctor.finding import Finding, Level
from proxy.cli.doctor.machine import try_machine
from proxy.cli.doctor.upstreams import try_upstreams
from proxy.cli.doctor.webhook import try_webhook
from proxy.config.build import build_runtime_config, digester_of
from proxy.config.runtime import RuntimeConfig
from proxy.config.settings import Settings
from proxy.config.sources import load_settings, written_settings
from proxy.errors import InvalidSettings
from proxy.observability.trace_variables import check_trace_variables
from proxy.report.formatting import one_or_many
from proxy.risks import risks_of
from proxy.terminal import print_lines
from proxy.upstream.egress import check_egress, proxy_for

_FAILED_STATUS: Final = 1
_INVALID_STATUS: Final = 2


@dataclass(frozen=True, slots=True)
class _Written:
    """A setting that is not left at its default."""

    setting: str
    value: str
    """Value, or how many there are; nothing of a secret."""
    source: str


def run_doctor(config: Path | None, secrets: Path | None, *, as_json: bool) -> None:
    """
    Print each finding; exit with 1 if a check failed, and with 2 if the settings are invalid.

    Invalid settings say nothing about where to look further, so nothing else is tried then.
    """
    try:
        settings = load_settings(config, secrets=secrets)
        runtime = build_runtime_config(settings, digester_of(settings))
    except InvalidSettings as exc:
        _print([Finding(Level.FAILED, "settings", line) for line in str(exc).split("\n")], as_json)
        raise typer.Exit(_INVALID_STATUS) from None
    written = [
        _Written(name, _shown(getattr(settings, name)), source)
        for name, source in written_settings(config, secrets).items()
    ]
    with _quiet():
        findings = anyio.run(_try_everything, settings, runtime, config)
    _print(findings, as_json, written)
    if any(finding.level is Level.FAILED for finding in findings):
        raise typer.Exit(_FAILED_STATUS)


async def _try_everything(
    settings: Settings, runtime: RuntimeConfig, config: Path | None
) -> list[Finding]:
    rules = one_or_many(len(settings.rollout), "rule")
    callers = one_or_many(len(settings.callers), "caller")
    now = datetime.now(UTC)
    risks = (*risks_of(settings, config, now=now), *runtime.warnings(now.date().isoformat()))
    findings = [
        Finding(Level.OK, "settings", f"valid: {rules}, {callers}"),
        *(Finding(Level.WARNING, "settings", risk) for risk in risks),
    ]
    try:
        webhook = runtime.receiver.origin if runtime.receiver else None
        check_egress(settings.upstream_url, settings.legacy_url, webhook)
        if settings.traces:
            check_trace_variables()
    except InvalidSettings as exc:
        findings.append(Finding(Level.FAILED, "environment", str(exc)))
    else:
        urls = {"upstream_url": settings.upstream_url, "legacy_url": settings.legacy_url}
        for name, url in urls.items():
            if url is not None:
                proxy = proxy_for(url)  # which is shown without its password
                way = "directly" if proxy is None else f"through the proxy {proxy}"
                findings.append(Finding(Level.OK, "environment", f"{name} is asked {way}"))
        findings += [each async for each in try_upstreams(settings, runtime.keyring)]
        findings.append(await try_webhook(runtime.receiver))
        findings.append(await try_collector(settings))
    return [*findings, *try_machine(settings)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing meanwhile: what there is to say is among the findings."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    try:
        yield
    finally:
        structlog.configure(**before)


def _shown(value: object) -> str:
    """Return a setting's value if it is short and no secret, else how much there is of it."""
    match value:
        case SecretStr():
            return "(not shown)"
        case BaseModel():
            return "a table"
        case Mapping() | tuple() | frozenset():
            return f"{len(value)} given"
        case _:
            return json.dumps(value, default=str, ensure_ascii=False)


def _print(findings: Iterable[Finding], as_json: bool, written: Iterable[_Written] = ()) -> None:
    if as_json:
        page = {
            "findings": [asdict(each) | {"level": each.level.value} for each in findings],
            "settings": [asdict(each) for each in written],
        }
        print_lines(*json.dumps(page, indent=2).split("\n"))
        return
    for each in findings:
        print_lines(f"{each.level.value:<8} {each.check}: {each.text}")
        if each.remedy is not None:
            print_lines(f"         {each.remedy}")
    for setting in written:
        print_lines(f"setting  {setting.setting} = {setting.value} ({setting.source})")
