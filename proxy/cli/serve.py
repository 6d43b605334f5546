"""The commands that serve: the proxy, in one process or several, and the simulator alone."""

from __future__ import annotations

import secrets as dice
import signal
from datetime import UTC, datetime
from pathlib import Path

import structlog
import typer

from proxy.app import create_app
from proxy.cli.load_config import or_exit, runtime_config_or_exit, settings_or_exit
from proxy.cli.starting import starting_fields
from proxy.config.changes import rules_in_words
from proxy.config.digest_key import load_or_create_digest_key
from proxy.config.history import history_of
from proxy.config.settings import Settings
from proxy.config.toml_source import TomlSource, version_of
from proxy.import_path import children_heed_the_environment
from proxy.observability.log_config import configure_logs
from proxy.observability.trace_variables import check_trace_variables
from proxy.risks import risks_of
from proxy.server.connection.reason_phrases import name_unnamed_statuses
from proxy.server.descriptors import raise_descriptor_limit, warn_of_few_descriptors
from proxy.server.listening import listen_or_exit
from proxy.server.loader_subprocess import start_loader
from proxy.server.serving import Server, config_for
from proxy.server.socket_activation import activated_sockets
from proxy.server.state_dir import make_state_dir
from proxy.server.supervisor import Supervision, run_workers
from proxy.server.worker_factory import WorkerFactory
from proxy.terminal import exit_with_error
from proxy.upstream.egress import check_egress

log = structlog.get_logger()


def run_proxy(config: Path | None, secrets: Path | None, **flags: object) -> None:
    """Serve until told to stop; a start that fails exits with status 2 or 3."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    settings = settings_or_exit(config, secrets, **flags)
    configure_logs(settings.log_format)
    _check_or_exit(settings, config)
    raise_descriptor_limit()
    warn_of_few_descriptors()
    activated = activated_sockets()
    sockets = activated or listen_or_exit(
        settings.host, settings.port, reuse_port=settings.reuse_port
    )
    log.info("starting", **starting_fields(settings, sockets))
    given = settings.digest_key
    # A caller has the same digest in all workers, and, where a key can be kept, over restarts.
    kept = given.get_secret_value() if given else load_or_create_digest_key(settings.state_dir)
    factory = WorkerFactory(
        create_app=create_app,
        last_good=TomlSource.read(config.absolute()) if config else None,
        secrets=secrets,
        flags=flags,
        digest_key=kept or dice.token_hex(32),
    )
    if (file := factory.last_good) is not None:
        rules = ", ".join(rules_in_words(settings)) or "no rules"
        history_of(settings.state_dir, file.path).add(
            version_of(file), [f"start with {rules}"], "holdover serve"
        )
    server_config = config_for(
        factory,
        activated[0].getsockname()[0] if activated else settings.host,
        settings.port,
        shutdown=settings.shutdown_timeout,
        write_timeout=settings.write_timeout,
    )
    if settings.traffic:
        start_loader(settings, config)
    if settings.workers == 1:
        Server(server_config, drain_seconds=settings.drain_seconds, is_last=not activated).run(
            sockets
        )
        return
    supervision = Supervision(
        workers=settings.workers,
        drain_seconds=settings.drain_seconds,
        worker_timeout=settings.worker_timeout,
        is_last=not activated,
    )
    if status := run_workers(server_config, sockets, supervision):
        raise typer.Exit(status)


def _check_or_exit(settings: Settings, config: Path | None) -> None:
    """Exit now for what would stop the start half way, and log what is unwise."""
    runtime = runtime_config_or_exit(settings)
    now = datetime.now(UTC)
    with or_exit():
        webhook = runtime.receiver.origin if runtime.receiver else None
        check_egress(settings.upstream_url, settings.legacy_url, webhook)
        risks = [*risks_of(settings, config, now=now), *runtime.warnings(now.date().isoformat())]
        if settings.traces:
            check_trace_variables()
    if settings.workers > 1 and not children_heed_the_environment():
        exit_with_error(
            "Python was started with -E, so that workers would import what is here: add -P"
        )
    with or_exit():
        make_state_dir(settings)
    for risk in risks:
        log.warning("risky_setting", risk=risk)


def run_simulator(host: str, port: int, *, legacy: bool) -> None:
    """Serve the simulator until told to stop; `legacy` keeps the retired models alive in it."""
    from proxy.simulator import create_simulator  # noqa: PLC0415 - the proxy does not need it

    configure_logs("auto")
    sockets = listen_or_exit(host, port)
    app = create_simulator(legacy_models_alive=legacy)
    name_unnamed_statuses()
    Server(config_for(app, host, port)).run(sockets)
