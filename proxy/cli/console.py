"""`holdover console`: pages in a browser that show the migration, and move it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.load_config import or_exit, settings_or_exit
from proxy.config.settings import Settings, store_url_of
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.console.access.gate import OneTimeAddress
from proxy.console.app import create_console
from proxy.console.server_client import ServerClient
from proxy.console.site import SettingsReader, Site
from proxy.observability.log_config import configure_logs
from proxy.security.hosts import HostCheck, is_loopback
from proxy.server.connection.reason_phrases import name_unnamed_statuses
from proxy.server.listening import listen_or_exit
from proxy.server.serving import Server, config_for
from proxy.terminal import exit_with_error, print_lines

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp


def run_console(
    config: Path | None, secrets: Path | None, *, host: str | None, port: int | None, demo: bool
) -> None:
    """Serve the console until told to stop; exit with 2 if it cannot or must not start."""
    flags = {"console_host": host, "console_port": port}
    settings = settings_or_exit(config, secrets, **flags)
    configure_logs(settings.log_format)
    if settings.admin_token is None and not is_loopback(settings.console_host):
        exit_with_error(
            f"console_host: other machines reach {settings.console_host}, so people have to sign "
            "in: set admin_token, or listen on 127.0.0.1"
        )
    with or_exit():
        reader = SettingsReader(
            path=config.absolute() if config else None,
            load=partial(_load, secrets, flags),
            secrets=secrets,
        )
    sockets = listen_or_exit(settings.console_host, settings.console_port)
    app, address = console_for(settings, reader, sockets[0], demo=demo)
    print_lines(f"The console is at {address}")
    name_unnamed_statuses()
    Server(config_for(app, settings.console_host, settings.console_port)).run(sockets)


def console_for(
    settings: Settings, reader: SettingsReader, listener: socket.socket, *, demo: bool = False
) -> tuple[ASGIApp, str]:
    """Build the console for a socket that listens; return it and the address to open."""
    state_dir = settings.state_dir / "demo" if demo else settings.state_dir
    site = Site(
        reader=reader,
        store_url=store_url_of(settings, state_dir, demo=demo),
        server=ServerClient(settings.console_server_url or _server_url(settings)),
        is_readonly=settings.console_readonly,
        prefix=settings.console_prefix,
    )
    host = settings.console_host
    once = OneTimeAddress(
        base=f"http://{_in_url(host)}:{listener.getsockname()[1]}{settings.console_prefix}"
    )
    app = create_console(
        site,
        hosts=HostCheck(is_local=is_loopback(host), allowed=settings.allowed_hosts),
        token=settings.admin_token,
        once=once,
    )
    return app, once.base if settings.admin_token else str(once)


def _load(
    secrets: Path | None, flags: dict[str, str | int | None], file: TomlSource | None
) -> Settings:
    return load_settings(file, secrets=secrets, **flags)


def _server_url(settings: Settings) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not listened on
    host = everywhere.get(settings.host, settings.host)
    return f"http://{_in_url(host)}:{settings.port}{settings.mount_prefix}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
