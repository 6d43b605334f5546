"""Real servers: the proxy, or the simulator alone."""

from __future__ import annotations

from pathlib import Path

import typer
import uvicorn
from starlette.types import ASGIApp

from proxy.app import create_app, policy_of
from proxy.log_config import configure_logs
from proxy.server_protocol import ServerProtocol, name_unnamed_statuses
from proxy.settings import InvalidSettings, Settings, load_settings
from translators import Policy


def policy_or_exit(settings: Settings) -> Policy:
    """What the settings say about translation, or status 2."""
    try:
        return policy_of(settings)
    except InvalidSettings as exc:
        typer.echo(f"holdover: {exc}", err=True)
        raise typer.Exit(2) from exc


def settings_or_exit(config: Path | None, secrets: Path | None, **flags: object) -> Settings:
    """Load the settings; say what is wrong with them and stop with status 2 if they are bad."""
    try:
        return load_settings(config, secrets=secrets, **flags)
    except InvalidSettings as exc:
        typer.echo(f"holdover: {exc}", err=True)
        raise typer.Exit(2) from exc


def run_proxy(config: Path | None, secrets: Path | None, **flags: object) -> None:
    """Serve until told to stop."""
    settings = settings_or_exit(config, secrets, **flags)
    configure_logs(settings.log_format)
    policy_or_exit(settings)
    app = create_app(settings)
    server_for(app, settings.host, settings.port, shutdown=settings.shutdown_timeout).run()


def run_simulator(host: str, port: int) -> None:
    """Serve the simulator until told to stop."""
    from proxy.simulator import create_simulator  # noqa: PLC0415 - the proxy does not need it

    configure_logs("auto")
    server_for(create_simulator(), host, port).run()


def server_for(app: ASGIApp, host: str, port: int, *, shutdown: float = 5) -> uvicorn.Server:
    """A uvicorn that adds nothing of its own to what the application says."""
    name_unnamed_statuses()
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=ServerProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(shutdown),
            timeout_keep_alive=75,
        )
    )
