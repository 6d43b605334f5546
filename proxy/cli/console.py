"""`holdover console`: pages in a browser that show the migration, and move it."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.cli.demo_settings import FILE_NAME
from proxy.cli.load_config import or_exit, settings_or_exit
from proxy.config.settings import Settings, store_url_of
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.console.access.one_time_address import OneTimeAddress
from proxy.console.app import create_console, path_under
from proxy.console.server_client import ServerClient
from proxy.console.site import SettingsReader, Site
from proxy.console.store_reader import StoreReader
from proxy.errors import InvalidSettings
from proxy.observability.log_config import configure_logs
from proxy.security.hosts import HostCheck, is_loopback
from proxy.server.connection.reason_phrases import name_unnamed_statuses
from proxy.server.listening import listen_or_exit
from proxy.server.serving import Server, config_for
from proxy.terminal import print_lines
from proxy.traffic import import_store

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_SETTINGS: Final = "`console_host`, `console_port`"


def run_console(
    config: Path | None, secrets: Path | None, *, host: str | None, port: int | None, demo: bool
) -> None:
    """Serve the console until told to stop; exit with 2 if it cannot or must not start."""
    flags: dict[str, object] = {"console_host": host, "console_port": port}
    settings = settings_or_exit(config, secrets, **flags)
    if demo:
        flags["state_dir"] = directory = settings.state_dir / "demo"
        written = directory / FILE_NAME
        config = written if os.access(written, os.F_OK) else None
        settings = settings_or_exit(config, secrets, **flags)
    with or_exit():
        reader = SettingsReader(
            path=config.absolute() if config else None,
            load=partial(_load, secrets, flags),
            secrets=secrets,
        )
    sockets = listen_or_exit(settings.console_host, settings.console_port, settings=_SETTINGS)
    with ExitStack() as stack:
        for each in sockets:
            stack.enter_context(each)
        with or_exit():
            app, lines = console_for(settings, reader, sockets, demo=demo)
        configure_logs(settings.log_format)
        # A page gives a store that does not answer two seconds, and importing may take as long.
        import_store(store_url_of(settings, settings.state_dir, demo=demo))
        print_lines(*lines)
        name_unnamed_statuses()
        config_of_server = config_for(app, settings.console_host, settings.console_port, shutdown=1)
        Server(config_of_server).run(sockets)


def console_for(
    settings: Settings,
    reader: SettingsReader,
    listeners: list[socket.socket],
    *,
    demo: bool = False,
) -> tuple[ASGIApp, list[str]]:
    """
    Build the console for sockets that listen; return it, and lines about how to open it.

    Raises `InvalidSettings` if it must not start.
    """
    host = settings.console_host
    is_local = all(is_loopback(each.getsockname()[0]) for each in listeners)
    if settings.admin_token is None and not is_local:
        raise InvalidSettings(
            f"console_host: other machines reach {host or 'all addresses'}, so people have to sign "
            "in: set admin_token, or listen on 127.0.0.1"
        )
    if page := path_under(settings.console_prefix):
        raise InvalidSettings(
            f"console_prefix: the console has a page {page} of its own; use another path"
        )
    site = Site(
        reader=reader,
        store=StoreReader(url=store_url_of(settings, settings.state_dir, demo=demo)),
        server=ServerClient(settings.console_server_url or _server_url(settings)),
        is_readonly=settings.console_readonly,
        prefix=settings.console_prefix,
    )
    port = listeners[0].getsockname()[1]
    once = OneTimeAddress(
        base=f"http://{_in_url(_reachable(host))}:{port}{settings.console_prefix}",
        announce=_announce,
    )
    app = create_console(
        site,
        hosts=HostCheck(is_local=is_local, allowed=settings.allowed_hosts),
        token=settings.admin_token,
        once=once,
    )
    lines = [f"The console is at {once.base if settings.admin_token else once}"]
    if settings.admin_token is None:
        lines.append("This address works once; whoever opens it is signed in for twelve hours.")
    if why := site.why_readonly():
        lines.append(f"Nothing can be changed there. {why}")
    return app, lines


def _announce(address: str) -> None:
    print_lines(f"Somebody has opened the console. For the next person: {address}")


def _load(secrets: Path | None, flags: dict[str, object], file: TomlSource | None) -> Settings:
    return load_settings(file, secrets=secrets, **flags)


def _server_url(settings: Settings) -> str:
    return f"http://{_in_url(_reachable(settings.host))}:{settings.port}{settings.mount_prefix}"


def _reachable(host: str) -> str:
    """Return an address of this machine to ask where something listens on all of them."""
    everywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked
    return everywhere.get(host, host)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
