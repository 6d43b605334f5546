"""Build the application of a worker, in the worker, from settings that may change meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from starlette.types import ASGIApp

from proxy.config.build import build_runtime_config
from proxy.config.history import history_of
from proxy.config.reload import ConfigSource
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from proxy.observability.log_config import configure_logs
from proxy.security.redaction import Digester
from proxy.server.connection.reason_phrases import name_unnamed_statuses
from proxy.server.memory import freeze_gc, tune_malloc

CreateApp = Callable[[Settings, ConfigSource | None, Digester], ASGIApp]
"""Builds the application; a function of a module, so that it can be sent to another process."""


@dataclass(frozen=True)
class WorkerFactory:
    """Builds a worker's application, in the worker; the supervisor sends it there by pickling."""

    create_app: CreateApp
    last_good: TomlSource | None = field(repr=False)
    """The last valid settings file, for a worker that has to start while the file is bad."""
    secrets: Path | None
    flags: dict[str, object]
    digest_key: str = field(repr=False)
    last_tried: TomlSource | None = field(default=None, repr=False)
    """The settings file as it was last tried, good or bad."""

    def __call__(self) -> ASGIApp:
        """Build the application from the settings file as it is now, or was when last valid."""
        current = self.refreshed()
        settings = current.load(current.last_good)
        configure_logs(settings.log_format)
        name_unnamed_statuses()
        file = current.last_good
        source = None
        if file is not None:
            history = history_of(settings.state_dir, file.path)
            source = ConfigSource(file=file, load=self.load, history=history)
        app = self.create_app(settings, source, Digester(self.digest_key))
        freeze_gc()
        tune_malloc()
        return app

    def load(self, file: TomlSource | None) -> Settings:
        """Read settings as at the start; raises `InvalidSettings`."""
        return load_settings(file, secrets=self.secrets, **self.flags)

    def refreshed(self) -> Self:
        """Return a factory with the file as it is now if that is valid, else this one."""
        if self.last_good is None:
            return self
        try:
            file = TomlSource.read(self.last_good.path)
        except InvalidSettings:
            return self
        if file in {self.last_good, self.last_tried} or not file.text.strip():
            return self
        try:
            build_runtime_config(self.load(file), Digester(self.digest_key))
        except Exception:  # noqa: BLE001 - the workers log what is wrong; the supervisor goes on
            return replace(self, last_tried=file)
        return replace(self, last_good=file, last_tried=file)
