"""All that the pages read and change: the settings file, the store, and the running server."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeAlias, TypeVar

from proxy.config.settings import Settings
from proxy.config.toml_source import TomlSource, signature_of, version_of
from proxy.console.daemon_threads import DaemonThreads
from proxy.console.remembered import Remembered
from proxy.console.server_client import ServerClient
from proxy.console.store_reader import StoreReader
from proxy.errors import InvalidSettings
from proxy.traffic.store.filter_options import MAX_UNINDEXED_CONTENTS
from proxy.traffic.store.store import Store

T = TypeVar("T")
P = ParamSpec("P")
Load: TypeAlias = Callable[[TomlSource | None], Settings]
"""Reads the settings, from a file if there is one; raises `InvalidSettings`."""

_EARLIER: Final = 20
_THREADS: Final = 4
_CLOSING_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentSettings:
    """The settings as the file has them now, or as it had them when it was last valid."""

    settings: Settings
    version: str | None
    """Digest of the file's text; None if there is no file."""
    problem: str | None = None
    """What is wrong with the file now, so that an earlier version is shown."""


@dataclass(slots=True, kw_only=True)
class SettingsReader:
    """Reads the settings again whenever their file has changed."""

    path: Path | None
    load: Load
    secrets: Path | None = None
    current: CurrentSettings = field(init=False)
    earlier: dict[str, Settings] = field(default_factory=dict[str, Settings])
    """The last versions that were read, for people who still look at one of them."""
    _seen: object = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        file = TomlSource.read(self.path) if self.path else None
        version = version_of(file) if file else None
        self.current = CurrentSettings(settings=self.load(file), version=version)

    def read(self) -> CurrentSettings:
        """Return the settings of this moment."""
        if self.path is None:
            return self.current
        with self._lock:
            if (signature := signature_of(self.path)) != self._seen:
                self.current, self._seen = self._read(self.path), signature
            return self.current

    def _read(self, path: Path) -> CurrentSettings:
        try:
            file = TomlSource.read(path)
            settings, version = self.load(file), version_of(file)
            while len(self.earlier) >= _EARLIER:
                del self.earlier[next(iter(self.earlier))]
            self.earlier[version] = settings
            return CurrentSettings(settings=settings, version=version)
        except InvalidSettings as exc:
            before = self.current
            return CurrentSettings(
                settings=before.settings, version=before.version, problem=str(exc)
            )


@dataclass(slots=True, kw_only=True)
class Site:
    """What all visits share."""

    reader: SettingsReader
    store: StoreReader
    server: ServerClient
    is_readonly: bool = False
    """True if the console may change nothing, by its settings."""
    prefix: str = ""
    """Path under which a reverse proxy shows the console, such as `/console`."""
    remembered: Remembered = field(default_factory=Remembered)
    most_searched: int = MAX_UNINDEXED_CONTENTS
    """Exchanges whose bodies a search for a text reads, one by one, before it is refused."""
    patience_of_switches: float = 2.0
    """Seconds for which pages wait that can do without the store, and are needed most then."""
    _for_files: DaemonThreads = field(default_factory=lambda: DaemonThreads(_THREADS))

    async def settings(self) -> CurrentSettings:
        """Return the settings of this moment."""
        return await self.run(self.reader.read)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that reads files, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._for_files, lambda: function(*args, **kwargs))

    async def query(
        self, function: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function with the store, in a thread; raises `StoreError`."""
        return await self.store.query(function, *args, **kwargs)

    def why_readonly(self) -> str | None:
        """Return a sentence about why nothing can be changed here; None if it can."""
        path = self.reader.path
        if self.is_readonly:
            return "This console only shows: `console_readonly` is set."
        if path is None:
            return (
                "There is no settings file to change: start the console, and the server, with "
                "`--config holdover.toml`."
            )
        real = Path(os.path.realpath(path))
        if not real.exists():
            return f"{real} is not there any more: put it back, and this console follows it."
        may = partial(os.access, effective_ids=True)
        if not may(real.parent, os.W_OK | os.X_OK) or not may(real, os.R_OK):
            return (
                f"{real} cannot be replaced by the user of this console, so change it where it "
                "comes from, or let that user write its directory."
            )
        return None

    async def close(self) -> None:
        """Close the store and all connections; wait a second at most for what hangs."""
        deadline = time.monotonic() + _CLOSING_SECONDS
        for end in (self._for_files.end, self.store.close):
            await asyncio.to_thread(end, deadline)
