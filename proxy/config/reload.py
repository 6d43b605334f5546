"""
Reload the settings when their file changes, and keep the old ones if the new are invalid.

The file is polled twice a second and read when two polls in a row find it
unchanged, so that a half-written file is not read. A signal reads it at once.
Running exchanges keep the configuration that they began with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, TypeAlias

import structlog

from proxy.config.build import build_runtime_config
from proxy.config.changes import changes_between
from proxy.config.history import SettingsHistory
from proxy.config.runtime import RuntimeConfig
from proxy.config.settings import Settings
from proxy.config.toml_source import TomlSource, signature_of, version_of
from proxy.errors import InvalidSettings
from proxy.security.redaction import Digester, describe_crash
from proxy.upstream.egress import check_egress
from proxy.workers.guards import Guards

log = structlog.get_logger()

Load: TypeAlias = Callable[[TomlSource], Settings]

_POLL_SECONDS: Final = 0.5
_LIVE: Final = (
    *("rollout", "rollout_override", "callers"),
    # A key and the url that it belongs to change together, or one would go to the other's host.
    *("upstream_url", "upstream_key", "legacy_url", "legacy_key"),
    *("upstream_auth", "upstream_headers", "forward_headers"),
    *("models", "model_facts", "strictness", "prefill", "prefill_model", "refuse", "refusal"),
    *("leading_space", "echoed_model", "beta_header", "capture", "notify_url", "notify_secret"),
    "prices",  # only reports use them, and read them from the file
)
"""Settings that take effect while the process runs; all others wait for a restart."""


class ReloadObserver(Protocol):
    """Counter of reloads."""

    def settings_read(self, *, good: bool) -> None:
        """Count a reload, and whether the file was valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """The settings file, and the function that loads it."""

    file: TomlSource
    """Contents of the file at the start of the process; the file may have changed since."""
    load: Load
    history: SettingsHistory | None = None
    """History in which changes are written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVersion:
    """Version of the settings in effect, and the problem with a newer one."""

    digest: str | None
    """Digest of the file's text; None if there is no file."""
    loaded: datetime
    problem: str | None = None
    """Error in the current file, which is therefore ignored."""
    waiting: tuple[str, ...] = ()
    """Settings that have changed in the file and wait for a restart."""


class ConfigReloader:
    """The current configuration in a worker, reloaded when the file changes."""

    def __init__(
        self,
        settings: Settings,
        digester: Digester,
        guards: Guards,
        source: ConfigSource | None,
        observer: ReloadObserver,
    ) -> None:
        self._started_with = self._followed = settings
        self._digester = digester
        self._guards = guards
        self._source = source
        self._observer = observer
        self._seen: object = None
        self._read: object = None
        if source is not None:
            self._seen = signature_of(source.file.path)
            with suppress(InvalidSettings):  # else it has changed since, and will be read
                if TomlSource.read(source.file.path) == source.file:
                    self._read = self._seen
        self._reading = asyncio.Lock()
        """Serializes reloads: a slow reload of an old file must not undo a newer one."""
        self.config = build_runtime_config(settings, digester)
        """Last valid configuration; the first one raises `InvalidSettings` if it is invalid."""
        digest = version_of(source.file) if source else None
        self.version = ConfigVersion(digest=digest, loaded=datetime.now(UTC))
        guards.watch(self.config.rollout.guards)

    @property
    def tripped(self) -> frozenset[str]:
        """Rules whose guards have taken their shares to zero."""
        return self._guards.tripped

    async def watch_file(self) -> None:
        """Poll the file until cancelled."""
        while True:
            if self._source is not None:
                signature = await asyncio.to_thread(signature_of, self._source.file.path)
                is_at_rest, self._seen = signature == self._seen, signature
                if is_at_rest and signature != self._read:
                    await self.read_again()
            await asyncio.sleep(_POLL_SECONDS)

    async def read_again(self) -> None:
        """Read the file now, even if it is unchanged."""
        if self._source is None:
            return
        async with self._reading:
            self._read = self._seen = await asyncio.to_thread(signature_of, self._source.file.path)
            changes = self._apply(*await asyncio.to_thread(self._load, self._source))
            if changes is not None and self._source.history is not None:
                digest = self.version.digest or ""
                await asyncio.to_thread(self._source.history.add, digest, changes)

    def _load(
        self, source: ConfigSource
    ) -> tuple[Settings, RuntimeConfig, str] | tuple[None, None, str]:
        try:
            file = TomlSource.read(source.file.path)
            if not file.text.strip():
                raise InvalidSettings(f"{source.file.path}: is empty")
            settings = source.load(file)
            config = build_runtime_config(settings, self._digester)
            check_egress(settings.legacy_url, config.receiver.origin if config.receiver else None)
            return settings, config, version_of(file)
        except InvalidSettings as exc:
            return None, None, str(exc)
        except Exception as exc:  # noqa: BLE001 - a bug in reading must not end the serving
            log.error("settings_crashed", **describe_crash(exc))
            return None, None, f"{source.file.path}: {type(exc).__name__}"

    def _apply(
        self, settings: Settings | None, config: RuntimeConfig | None, said: str
    ) -> tuple[str, ...] | None:
        """
        Apply the new settings and return what has changed, or log the problem.

        `said` is a digest or the problem.
        """
        before = self.version
        self._observer.settings_read(good=settings is not None)
        if settings is None or config is None:
            log.error("settings_bad", problem=said, following=before.digest)
            self.version = ConfigVersion(
                digest=before.digest, loaded=before.loaded, problem=said, waiting=before.waiting
            )
            return None
        self.config = config
        self._guards.watch(config.rollout.guards)
        waiting = tuple(
            name
            for name in type(settings).model_fields
            if name not in _LIVE and getattr(self._started_with, name) != getattr(settings, name)
        )
        self.version = ConfigVersion(digest=said, loaded=datetime.now(UTC), waiting=waiting)
        changes = changes_between(self._followed, settings)
        self._followed = settings
        log.info(
            "settings_read",
            changes=changes,
            version=said,
            rules=len(config.rollout.rules),
            override=config.rollout.override.action if config.rollout.override else None,
            waiting_for_restart=waiting,
        )
        for warning in config.warnings(datetime.now(UTC).date().isoformat()):
            log.warning("risky_setting", risk=warning)
        return changes
