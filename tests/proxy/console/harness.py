"""A console over a real socket, with a settings file and a store of its own, and a person at it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from proxy.config.sources import load_settings
from proxy.console.access.one_time_address import OneTimeAddress
from proxy.console.app import ALL, Contents, create_console
from proxy.console.server_client import ServerClient
from proxy.console.site import SettingsReader, Site
from proxy.console.store_reader import StoreReader
from proxy.security.hosts import HostCheck
from tests.ready_store import open_ready
from tests.servers import free_port, new_client, serving
from tests.waiting import PATIENCE_SECONDS

_CSRF: Final = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who has signed in at a console, and what they look at."""

    client: httpx.Client
    config: Path
    url: str

    def see(self, path: str, **parameters: str) -> httpx.Response:
        """Look at a page."""
        return self.client.get(path, params=parameters)

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form with what each form of the console holds; follow where it leads."""
        return self.client.post(path, data={"csrf": self.csrf} | fields)

    @property
    def csrf(self) -> str:
        """What the forms of this session hold."""
        found = _CSRF.search(self.see("/").text)
        assert found is not None
        return found[1]


def settings_file(directory: Path, text: str = "", entries: Iterable[Any] = ()) -> Path:
    """Write a settings file, and a store with these records that it names; return the file."""
    url = f"sqlite:///{directory / 'traffic.db'}"
    config = directory / "holdover.toml"
    config.write_text(f'traffic_url = "{url}"\nstate_dir = "{directory}"\n{text}')
    store = open_ready(url)
    store.add(entries)
    store.close()
    return config


@contextmanager
def console(
    config: Path,
    *,
    server_url: str | None = None,
    contents: Contents = ALL,
    has_file: bool = True,
    store: StoreReader | None = None,
    **site: Any,
) -> Iterator[tuple[str, OneTimeAddress]]:
    """
    Serve the console of a settings file; yield its URL and the address that opens it once.

    `contents` takes the place of all its pages and forms. Without a file it has the same settings.
    """
    settings = load_settings(config)
    assert settings.traffic_url is not None
    # Without a server, a port on which nobody listens.
    server = ServerClient(server_url or f"http://127.0.0.1:{free_port()}")
    reader = SettingsReader(
        path=config if has_file else None, load=lambda file: load_settings(file or config)
    )
    once = OneTimeAddress(base="")
    app = create_console(
        Site(
            reader=reader,
            store=store
            or StoreReader(url=settings.traffic_url.get_secret_value(), patience=PATIENCE_SECONDS),
            server=server,
            **{"patience_of_switches": PATIENCE_SECONDS, **site},
        ),
        hosts=HostCheck(is_local=True, allowed=settings.allowed_hosts),
        token=settings.admin_token,
        once=once,
        contents=contents,
    )
    with serving(app) as url:
        once.base = url
        yield url, once


def enter(client: httpx.Client, address: str) -> None:
    """Sign in by the address that opens a console once; what it leads to is not asked for."""
    assert client.get(address, follow_redirects=False).status_code == 303


@contextmanager
def signed_in(config: Path, **options: Any) -> Iterator[Person]:
    """Serve the console of a settings file without `admin_token`, with somebody signed in at it."""
    with console(config, **options) as (url, once):
        client = new_client(base_url=url, follow_redirects=True)
        with client:
            enter(client, str(once))
            yield Person(client=client, config=config, url=url)


def shown(text: str) -> str:
    """Return what a page says, without its markup, on one line."""
    without_markup = re.sub(r"<[^>]*>", " ", text)
    return " ".join(without_markup.split())
