"""
What an operator can set: TOML file, `HOLDOVER_*` environment, flags.

A flag beats the environment, the environment beats a secrets directory, that
beats the file. Every setting is in README's table; a test keeps it complete.
What is wrong with the file is said with its line.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from proxy.config.toml_source import Place, TomlSource
from proxy.errors import InvalidSettings
from proxy.private_files import claim_directory
from proxy.rollout import validate_rules
from proxy.rollout.rule_schema import Capture, Override, Prefill, RuleSettings, Strictness
from proxy.traffic import checked_url, default_url

Seconds = Annotated[float, Field(gt=0, le=86_400)]
_PREFIX: Final = "HOLDOVER_"
# What Kubernetes puts into every container beside a service called `holdover`.
_OF_KUBERNETES: Final = re.compile(r"service_(?:host|port)|port_\d")
_MIN_TOKEN_LENGTH: Final = 16
_MIN_STORE_BYTES: Final = 16 * 1024**2
_LATIN_1_ENDS: Final = "\xff"
_NOT_SETTINGS: Final = frozenset({"config", "secrets"})


def _http_url(url: str) -> str:
    parsed = TypeAdapter(AnyHttpUrl).validate_python(url)
    for part in ("username", "password", "query", "fragment"):
        if getattr(parsed, part) is not None:
            raise ValueError(f"a base url has no {part}")
    return str(parsed).rstrip("/")


def _trimmed(secret: object) -> object:
    """Without what an editor, a shell or a mounted file has left around it."""
    text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    return text.strip() if isinstance(text, str) else text


def _or_none(secret: object) -> object:
    """An empty secret is one that was not given: `${TOKEN:-}` makes such."""
    return None if secret == "" else secret


def check_printable(secret: str) -> str:
    """The secret, if it is one line of text; else `ValueError`, which does not show it."""
    if not secret.isprintable():
        raise ValueError("has a control character in it, or another that cannot be seen")
    return secret


def header_value(secret: str) -> str:
    """Return the secret if it can stand in a header field (RFC 9110, section 5.5)."""
    if any(character > _LATIN_1_ENDS for character in check_printable(secret)):
        raise ValueError("has a character in it that cannot stand in a header")
    return secret


def _printable(secret: SecretStr | None) -> SecretStr | None:
    return secret and SecretStr(check_printable(secret.get_secret_value()))


def _header_value(secret: SecretStr | None) -> SecretStr | None:
    return secret and SecretStr(header_value(secret.get_secret_value()))


def _admin_token(token: SecretStr | None) -> SecretStr | None:
    """Nobody can be kept from trying; so it is its length that keeps them out."""
    if token is not None:
        text = token.get_secret_value()
        if len(text) < _MIN_TOKEN_LENGTH or len(text.split()) != 1:
            raise ValueError(
                f"give at least {_MIN_TOKEN_LENGTH} characters without white space, e.g. what "
                "`openssl rand -hex 24` prints"
            )
    return token


def _store_url(url: SecretStr | None) -> SecretStr | None:
    return url and SecretStr(checked_url(url.get_secret_value()))


_Given = Annotated[SecretStr | None, BeforeValidator(_or_none), BeforeValidator(_trimmed)]
Secret = Annotated[_Given, AfterValidator(_header_value)]
"""One that stands, or may stand, in a header."""
StoreUrl = Annotated[_Given, AfterValidator(_printable), AfterValidator(_store_url)]


def _none_or_some(size: int) -> int:
    if size != 0 and size < _MIN_STORE_BYTES:
        raise ValueError(f"give 0, or at least {_MIN_STORE_BYTES}")
    return size


def _pattern(pattern: str) -> str:
    """One that a `Redactor` can use."""
    try:
        takes_nothing = re.compile(pattern).search("") is not None
    except re.error as exc:
        raise ValueError(f"is no regular expression: {exc}") from exc
    if takes_nothing:
        raise ValueError("matches the empty text")
    return pattern


Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Pattern = Annotated[str, AfterValidator(_pattern)]


def _path(path: Path) -> Path:
    """A path that files and other processes can be told of; raises `ValueError`."""
    try:
        named = str(path).encode()
    except UnicodeEncodeError as exc:
        raise ValueError("is not UTF-8") from exc
    if b"\0" in named:
        raise ValueError("holds a character that no path does")
    return path


def _prefix(prefix: str) -> str:
    stripped = prefix.strip("/")
    return f"/{stripped}" if stripped else ""


class ModelFacts(BaseModel):
    """What an operator knows better about a model; None leaves what is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_output_tokens: int | None = Field(default=None, gt=0)
    prefill: bool | None = None
    sampling: Literal["all", "one_of", "none"] | None = None
    thinking: Literal["off", "on", "between_tools", "always"] | None = None
    retires: date | None = None
    successor: str | None = None


class PriceSettings(BaseModel):
    """What a model costs, in dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class KeyFrom(BaseModel):
    """Where a key is kept, if not in the file itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    file: Annotated[Path, AfterValidator(_path)] | None = None

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give env or file")
        return self


def _is_place(written: object) -> str:
    return "place" if isinstance(written, dict | KeyFrom) else "key"


def _not_empty(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("is empty")
    return secret


Key = Annotated[
    SecretStr,
    BeforeValidator(_trimmed),
    AfterValidator(_header_value),
    AfterValidator(_not_empty),
]
KeyOrPlace = Annotated[
    Annotated[Key, Tag("key")] | Annotated[KeyFrom, Tag("place")], Discriminator(_is_place)
]


class CallerSettings(BaseModel):
    """A caller by name: what it sends, and with which keys the upstreams are asked for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    upstream_key: KeyOrPlace | None = None
    legacy_key: KeyOrPlace | None = None


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]


def _state_dir() -> Path:
    """Where systemd says (`StateDirectory=`), or where the XDG base directories say."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given)
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "holdover"
    except RuntimeError:  # nobody's home: a container without a user
        return _own_directory()


def _own_directory() -> Path:
    """A directory where everybody may make one: it is made now, so that nobody else can."""
    try:
        path = Path(tempfile.gettempdir()) / f"holdover-{os.geteuid()}"
        claim_directory(path)
    except OSError as exc:
        raise ValueError(f"state_dir: {exc.strerror or exc}: name another") from exc
    return path


HostPattern = Annotated[str, Field(pattern=r"^[a-z0-9.*?_~\[\]:-]+$")]


class Settings(BaseSettings):
    """All settings, with the defaults of the README."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    allowed_hosts: frozenset[HostPattern] = frozenset()
    mount_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    workers: int = Field(default=1, ge=1, le=64)
    state_dir: Annotated[Path, AfterValidator(_path)] = Field(
        default_factory=_state_dir, validate_default=True
    )

    upstream_url: Annotated[str, AfterValidator(_http_url)] = "https://api.anthropic.com"
    upstream_key: Secret = None
    legacy_url: Annotated[str, AfterValidator(_http_url)] | None = None
    legacy_key: Secret = None
    upstream_connect_timeout: Seconds = 10
    upstream_read_timeout: Seconds = 600

    max_body_bytes: int = Field(default=32 * 1024 * 1024, gt=0)
    body_timeout: Seconds = 60

    ping_interval: Seconds = 15
    v1_pings: bool = False

    strictness: Strictness = "lenient"
    prefill: Prefill = "continue"
    prefill_model: str | None = Field(default=None, min_length=1)
    leading_space: Literal["legacy", "raw"] = "legacy"
    echoed_model: Literal["asked", "answered"] = "asked"
    beta_header: Literal["drop", "pass"] = "drop"
    refusal: Literal["completion", "error"] = "completion"
    refuse: frozenset[str] = frozenset()
    models: dict[str, str] = Field(default_factory=dict)
    model_facts: dict[str, ModelFacts] = Field(default_factory=dict)
    lesson_seconds: Seconds = 3600

    rollout: tuple[RuleSettings, ...] = ()
    rollout_override: Override = None
    callers: dict[Name, CallerSettings] = Field(default_factory=dict)
    shadow_queue: int = Field(default=100, ge=1, le=10_000)
    shadow_connections: int = Field(default=4, ge=1, le=256)

    traffic: bool = True
    traffic_url: StoreUrl = None
    traffic_days: int = Field(default=90, ge=0, le=36_500)
    traffic_max_bytes: Annotated[int, AfterValidator(_none_or_some)] = 10 * 1024**3
    capture: Capture = "off"
    redact: dict[Word, Pattern] = Field(default_factory=dict)
    journal_max_bytes: int = Field(default=1024**3, ge=1024**2)
    prices: dict[str, PriceSettings] = Field(default_factory=dict)

    admin_token: Annotated[Secret, AfterValidator(_admin_token)] = None
    digest_key: Secret = None
    log_format: Literal["auto", "json", "console"] = "auto"
    shutdown_timeout: Seconds = 30

    @model_validator(mode="after")
    def _reroutes_somewhere(self) -> Self:
        if self.prefill == "reroute" and self.prefill_model is None:
            raise ValueError("prefill: reroute needs prefill_model")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources, strongest first."""
        return (
            init_settings,
            env_settings,
            file_secret_settings,
            InitSettingsSource(settings_cls, init_kwargs=cls._written()),
        )

    @classmethod
    def _written(cls) -> dict[str, object]:
        """What the file says; there is none here."""
        return {}


def load_settings(
    config: Path | TomlSource | None = None, *, secrets: Path | None = None, **flags: object
) -> Settings:
    """Read all sources; raise `InvalidSettings`. A flag that is None was not given."""
    file = TomlSource.read(config) if isinstance(config, Path) else config
    _refuse_misspelt(os.environ, "environment")
    if secrets is not None:
        _refuse_unreadable(secrets)
    given = {name: value for name, value in flags.items() if value is not None}
    tree = file.tree() if file else {}

    class FromFile(Settings):
        model_config = SettingsConfigDict(secrets_dir=secrets)

        @classmethod
        def _written(cls) -> dict[str, object]:
            return tree

    written = file or TomlSource(Path())
    try:
        settings = FromFile(**given)  # type: ignore[arg-type] # validated just here
    except ValidationError as exc:
        raise InvalidSettings(*_sentences(exc, written)) from exc
    except (SettingsError, ValueError) as exc:
        raise InvalidSettings(f"{file.path if file else 'environment'}: {exc}") from exc
    if findings := [written.describe_error(*finding) for finding in _contradictions(settings)]:
        raise InvalidSettings(*findings)
    return settings


def _contradictions(settings: Settings) -> Iterable[tuple[Place, str]]:
    return validate_rules(
        settings.rollout,
        settings.rollout_override,
        has_legacy_url=settings.legacy_url is not None,
        callers=settings.callers,
        keeps_digests=settings.digest_key is not None,
    )


def _refuse_unreadable(secrets: Path) -> None:
    """A secret that is there and cannot be read would be one that was not given."""
    try:
        if not secrets.is_dir():
            raise InvalidSettings(f"{secrets}: no such directory")
        files = list(secrets.iterdir())
    except OSError as exc:
        raise InvalidSettings(f"{secrets}: {exc.strerror}") from exc
    _refuse_misspelt((file.name for file in files), str(secrets))
    for file in files:
        if file.name.upper().startswith(_PREFIX):
            TomlSource.read(file)


def _refuse_misspelt(names: Iterable[str], where: str) -> None:
    """A name with our prefix that is no setting would be ignored in silence."""
    for name in names:
        setting = name.upper().removeprefix(_PREFIX).lower()
        known = setting in Settings.model_fields or setting in _NOT_SETTINGS
        if name.upper().startswith(_PREFIX) and not known and not _OF_KUBERNETES.match(setting):
            raise InvalidSettings(f"{where}: {name}: there is no such setting")


def _sentences(problem: ValidationError, file: TomlSource) -> list[str]:
    return [file.describe_error(error["loc"], error["msg"]) for error in problem.errors()]


def store_url_of(settings: Settings, state_dir: Path, *, demo: bool = False) -> str:
    """Where the store is; that of the demo is on this machine whatever the settings say."""
    given = settings.traffic_url
    return default_url(state_dir) if given is None or demo else given.get_secret_value()
