"""
All settings, with their defaults and docstrings, and in which order their sources win.

`python -m tests.docs` writes deploy/SETTINGS.md from the docstrings.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from proxy.config.setting_types import (
    AdminToken,
    BaseUrl,
    ConsolePrefix,
    HostPattern,
    Key,
    KeyDigest,
    LocalPath,
    Name,
    NotifyUrl,
    Owner,
    OwnHeader,
    OwnHeaders,
    PathPrefix,
    Pattern,
    Seconds,
    Secret,
    SigningSecret,
    StoreSize,
    StoreUrl,
    TokenHash,
    Word,
)
from proxy.private_files import claim_directory
from proxy.rollout.rule_schema import Capture, Override, Prefill, RuleSettings, Strictness
from proxy.traffic import default_url
from translators import AdjustmentKind

_OTLP_PROTOCOL: Final = "http/protobuf"
ENV_PREFIX: Final = "HOLDOVER_"
"""Prefix of the environment variables, and of the files in a secrets directory."""
WRITTEN: Final = ContextVar[Mapping[str, object]]("written", default=MappingProxyType({}))
"""The settings that a file gives, for the `Settings` that are made meanwhile."""


class ModelFacts(BaseModel):
    """Corrections to what is known about a model; None corrects nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_output_tokens: int | None = Field(default=None, gt=0)
    """Most tokens that the model writes in one answer."""
    prefill: bool | None = None
    """Set to `false` if the model refuses a conversation that ends with an assistant turn."""
    sampling: Literal["all", "one_of", "none"] | None = None
    """Sampling fields that the model takes: `all`, `one_of` temperature and top_p, or `none`."""
    thinking: Literal["off", "on", "between_tools", "always"] | None = None
    """Thinking that the model does unasked: `off` for none, `on` where a request can turn it off,
    `between_tools` where that value is the least that can be asked for, `always` where nothing
    turns it off."""
    retires: date | None = None
    """Date on which the model stops answering."""
    successor: str | None = None
    """Model that is asked instead once this one has retired."""


class PriceSettings(BaseModel):
    """Prices of a model, in dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    """Dollars per million input tokens."""
    output: float = Field(ge=0)
    """Dollars per million output tokens."""


class KeyFrom(BaseModel):
    """Place of a key that is kept outside the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    """Name of an environment variable that holds the key."""
    file: LocalPath | None = None
    """Path of a file that holds the key."""

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        return self


KeyOrPlace = Annotated[
    Annotated[Key, Tag("key")] | Annotated[KeyFrom, Tag("place")],
    Discriminator(lambda written: "place" if isinstance(written, dict | KeyFrom) else "key"),
]


class CallerSettings(BaseModel):
    """A named caller: its token, and the keys that are sent upstream for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: TokenHash | None = None
    """SHA-256 of the key or token that the caller sends, as `holdover keys hash` and `holdover keys
    new` print it."""
    digest: KeyDigest | None = None
    """In place of `token`: the digest of the caller's key, as the log shows it and `holdover keys
    digest` prints it. It gives a name to a caller whose key you do not hold, and opens no key of
    yours. It needs `digest_key`."""
    upstream_key: KeyOrPlace | None = None
    """Key that upstream is asked with for this caller, in place of the caller's own: the key
    itself, `{ env = "..." }` or `{ file = "..." }`."""
    legacy_key: KeyOrPlace | None = None
    """Key that the legacy upstream is asked with for this caller, written like `upstream_key`."""
    weight: float = Field(default=1, gt=0, le=1000)
    """Turns that this caller gets for each turn of others while requests wait."""
    owner: Owner | None = None
    """Person or team that changes this caller, in up to 100 characters. Reports and the console
    show it."""

    @model_validator(mode="after")
    def _is_known_by_one(self) -> Self:
        if (self.token is None) == (self.digest is None):
            raise ValueError("give exactly one of token and digest")
        for name in ("upstream_key", "legacy_key"):
            if self.token is None and getattr(self, name) is not None:
                raise ValueError(f"{name}: needs `token`, because a digest opens no key; give that")
        return self

    @property
    def known_by(self) -> tuple[str, str]:
        """The field that the caller is known by, and its value."""
        return ("token", self.token) if self.token else ("digest", self.digest or "")


def _state_dir() -> Path:
    """Return the directory from systemd (`StateDirectory=`) or the XDG base directories."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given)
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "holdover"
    except RuntimeError:  # the user has no home, as in a container
        pass
    try:
        path = Path(tempfile.gettempdir()) / f"holdover-{os.geteuid()}"
        claim_directory(path)  # in a shared directory, before another user can
    except OSError as exc:
        raise ValueError(f"state_dir: {exc.strerror or exc}; set it to another directory") from exc
    return path


class Settings(BaseSettings):
    """The settings, with defaults and docstrings."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    """Address to listen on. Other machines reach every address that is not a loopback address."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    allowed_hosts: frozenset[HostPattern] = frozenset()
    """Names that are served if a request has them in `Host` (shell patterns without a port); pages
    from these hosts may send requests even where a key is held. On a loopback `host`, loopback
    names are served besides these and no others. On any other `host`, every name is served while
    the list is empty, and addresses are always served."""
    mount_prefix: PathPrefix = ""
    """Path prefix in front of all paths, such as `/anthropic`. Requests without it are served
    too."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that share the port."""
    worker_timeout: Seconds = 30
    """Seconds of silence after which one of several workers is killed and replaced: nothing else
    in it runs either. A start may take a minute."""
    reuse_port: bool = False
    """Share the port with other servers of the same user that have this set too, so that a new one
    can begin before the old one ends. Without it a second server on the same port does not
    start."""
    state_dir: LocalPath = Field(default_factory=_state_dir, validate_default=True)
    """Directory where workers meet, the journal waits and tripped guards are remembered over
    restarts. Default: `$STATE_DIRECTORY` (systemd sets it), else `$XDG_STATE_HOME/holdover`, else
    `~/.local/state/holdover`; a user without a home gets `holdover-UID` in the directory for
    temporary files. Set it if `holdover rollout` runs as another user than the server."""

    upstream_url: BaseUrl = "https://api.anthropic.com"
    """Base URL of the Messages API. `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured (HTTP
    proxies, no SOCKS), and so are `SSL_CERT_FILE` and `SSL_CERT_DIR`."""
    upstream_key: Secret = None
    """Key that upstream is asked with whatever the client sends. Everyone who reaches Holdover can
    then use it, unless `callers` are named."""
    upstream_auth: Literal["x-api-key", "bearer"] = "x-api-key"
    """Header that carries `upstream_key`, or a caller's: `x-api-key`, or `Authorization: Bearer`.
    A client's own key is sent as the client sends it."""
    upstream_headers: OwnHeaders = Field(default_factory=dict)
    """Headers that every request for `upstream_url` gets, in place of the client's:
    `anthropic-workspace-id` for Claude Platform on AWS, say."""
    legacy_url: BaseUrl | None = None
    """Base URL of a legacy upstream, which rules with `action = "forward"` need."""
    legacy_key: Secret = None
    """Key that the legacy upstream is asked with whatever the client sends."""
    upstream_connect_timeout: Seconds = 10
    """Seconds until a connection to an upstream must be made."""
    upstream_read_timeout: Seconds = 600
    """Seconds of silence after which an upstream is given up. There is no limit on the whole
    answer."""
    upstream_keep_alive: Seconds = 15
    """Seconds that an idle connection to an upstream is kept; less, where the upstream's header
    `Keep-Alive: timeout=...` says less. Set it below the time after which the upstream, or a
    gateway in front of it, closes idle connections: one that closes just as it is used costs a
    second try."""

    max_body_bytes: int = Field(default=32 * 1024 * 1024, gt=0)
    """Limit on the body of a completion request; larger ones get 413, like on the API. A body of
    more than 64 KiB may hold 64 KiB beside its texts of 256 characters and more, a text may take 64
    MiB of memory, and a model, a user id or a stop sequence may have 4,096 characters; a body
    beyond these limits gets 400."""
    body_timeout: Seconds = 60
    """Seconds for the body of a completion request to arrive; then the client gets 408."""

    max_exchanges: int | None = Field(default=None, ge=1)
    """Requests that are served at a time, by all workers together; more wait for their turn.
    Default: what file descriptors and memory allow, at most 4,000 for each worker."""
    max_exchanges_per_caller: int | None = Field(default=None, ge=1)
    """Requests of one caller that are served at a time; more wait. Default: half of
    `max_exchanges`."""
    max_waiting: int | None = Field(default=None, ge=1)
    """Requests that wait at a time. While so many wait, others get 529 at once, and a caller with
    half of them gets 429. Default: as many as are served, at most 2,000 for each worker."""
    max_wait: Seconds = 10
    """Seconds that a request waits for its turn; then the client gets 529. Callers take turns, so
    that a flood of one delays the requests of others little."""
    max_held_bytes: int | None = Field(default=None, ge=1)
    """Bytes of request bodies that are held, each until its answer ends, by all workers together;
    one caller may hold half of them. Each byte takes about four of memory. Default: 256 MiB, or a
    32nd of the memory if that is less."""

    write_timeout: Seconds = 60
    """Seconds for which a client may take nothing of an answer that waits for it. Then it is let
    go, and its upstream with it; one that reads slowly is not."""
    ping_interval: Seconds = 15
    """Seconds of silence in a stream after which the client gets a `ping`, in the dialect of
    2023-06-01 and once upstream's headers are there. Before that, an error can still be answered as
    an HTTP error."""
    v1_pings: bool = False
    """Send pings in the dialect of 2023-01-01 too, in the recorded form. Some old clients crash on
    them."""

    strictness: Strictness = "lenient"
    """`strict` refuses what the documentation of the legacy API said would be refused, in its
    words; `lenient` repairs it."""
    prefill: Prefill = "continue"
    """Strategy for models that take no prefill. `continue` sends the prefill as an assistant turn
    and asks in a user turn to go on, `instruct` asks for it in the system prompt, `reroute` asks
    `prefill_model` instead, and `reject` answers 400."""
    prefill_model: str | None = Field(default=None, min_length=1)
    """Model that takes prefills, for `prefill = "reroute"`."""
    leading_space: Literal["legacy", "raw"] = "legacy"
    """`legacy` begins a completion with a space, as the legacy API always did, unless it is empty;
    `raw` leaves the text as the model wrote it."""
    echoed_model: Literal["asked", "answered"] = "asked"
    """Model that an answer names: the one that was `asked` for, with aliases resolved as the legacy
    API did, or the one that `answered`."""
    beta_header: Literal["drop", "pass"] = "drop"
    """Treatment of the `anthropic-beta` header of completion requests: left out (`drop`) or sent on
    (`pass`)."""
    forward_headers: frozenset[OwnHeader] = frozenset()
    """Headers that a translated request keeps of the client's, besides `x-...` of the application,
    `anthropic-...` and `traceparent`. All others end at Holdover, as does what browsers, proxies
    and CDNs say about the way to it: upstream refuses some, and addresses are none of its
    business."""
    refusal: Literal["completion", "error"] = "completion"
    """Answer to the client when a model refuses: a `completion` with the text that the model wrote,
    or an `error` (a 400, or an error event once text was sent)."""
    refuse: frozenset[AdjustmentKind] = frozenset()
    """Adjustments that are not made. A request that needs one gets a 400 that names it and says
    what to change."""
    models: dict[str, str] = Field(default_factory=dict)
    """Models to ask instead, by shell pattern of the model that was asked for: `"claude-instant-*"
    = "claude-haiku-4-5"`."""
    model_facts: dict[str, ModelFacts] = Field(default_factory=dict)
    """Corrections to the table of models (`holdover models`), by model."""
    lesson_seconds: Seconds = 3600
    """Seconds for which a correction is believed that a refusal by upstream has taught."""

    rollout: tuple[RuleSettings, ...] = ()
    """Rules that decide which way a request goes, in order: `[[rollout]]`."""
    rollout_override: Override = None
    """Kill switch: sends every request one way, whatever the rules say. An action (`translate`,
    `forward`, `refuse`), or a table `[rollout-override]`."""
    callers: dict[Name, CallerSettings] = Field(default_factory=dict)
    """Callers by name: `[callers.NAME]`."""
    shadow_queue: int = Field(default=100, ge=1, le=10_000)
    """Shadows that may wait in each worker; more are skipped and counted."""
    shadow_connections: int = Field(default=4, ge=1, le=256)
    """Shadows that each worker asks at a time."""

    traffic: bool = True
    """Keep a record of every completion request, under `state_dir` or in `traffic_url`."""
    traffic_url: StoreUrl = None
    """Store of the records: `sqlite:////path/to/file.db`, or for several machines
    `postgresql://user:password@host/database` (install `holdover[postgres]`; write `@` and `/` in a
    password as `%40` and `%2F`). Default: a SQLite file under `state_dir`."""
    traffic_content_days: int = Field(default=0, ge=0, le=36_500)
    """Days after which bodies are removed; 0 keeps them as long as their records, and they are
    never kept longer."""
    traffic_days: int = Field(default=90, ge=0, le=36_500)
    """Days after which records are removed, with their bodies; 0 keeps them whatever their age. On
    PostgreSQL a day is removed when all of it is too old."""
    traffic_rollup_days: int = Field(default=730, ge=0, le=36_500)
    """Days after which rollups are removed, the sums of which reports are made; 0 keeps them
    whatever their age. They are never removed before their records."""
    traffic_max_bytes: StoreSize = 10 * 1024**3
    """Limit on the size of the store: 0 for none, else at least 16 MiB. Above it the oldest bodies
    are removed first, then the oldest records, and rollups last; on PostgreSQL whole days of
    them, except of today and yesterday. There the room of removed rows is used again, so files can
    be larger than that by what was written since yesterday."""
    traffic_text_index: bool = False
    """Keep an index of the texts in records and bodies, so that `holdover log --text` reads few of
    them. It takes about a quarter of the space of the bodies."""
    capture: Capture = "off"
    """Part of prompts and answers that is kept: nothing (`off`), their sizes and keyed digests
    (`digest`), or the redacted bodies (`full`)."""
    redact: dict[Word, Pattern] = Field(default_factory=dict)
    """Patterns of your own to redact, on top of the built-in ones: regular expressions by the word
    that stands in their place, as in `[redact]` `ticket = "T-[0-9]{6}"`. A pattern that backtracks
    without end holds up its worker."""
    journal_max_bytes: int = Field(default=1024**3, ge=1024**2)
    """Limit on the bytes that wait under `state_dir` for the store. Above it the oldest bodies are
    dropped first, and records only after all of them."""
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    """Prices that you pay, by shell pattern of the model, in dollars per million tokens:
    `"claude-haiku-4-5*" = { input = 1.0, output = 5.0 }`. Reports prefer them to the list prices
    that they know."""

    admin_token: AdminToken = None
    """Token of 16 characters or more that opens the pages under `/holdover/` to `Authorization:
    Bearer`. Without it these pages do not exist. Anyone who may send requests can try tokens, so
    make it long and random: `openssl rand -hex 32`."""
    console_host: str = "127.0.0.1"
    """Address on which `holdover console` listens. On any that other machines reach, it needs
    `admin_token` to sign in with. Without one, `holdover console` prints an address that works
    once."""
    console_port: int = Field(default=8081, ge=0, le=65535)
    """Port on which `holdover console` listens; 0 takes a free one."""
    console_prefix: ConsolePrefix = ""
    """Path under which a reverse proxy shows the console, such as `/console`; it may take the path
    off or leave it on."""
    console_readonly: bool = False
    """Let the console show everything and change nothing."""
    console_server_url: BaseUrl | None = None
    """Address at which the console asks the server how it is. Default: `host` and `port`."""
    digest_key: Secret = None
    """Key of the digests that stand for callers in logs and records. Default: a random one, kept in
    `state_dir/digest.key`. Set it to get the same digests on several machines, or to name digests
    in rules and `callers`; set to what that file holds, it leaves the digests as they are."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console`, or `auto`: JSON unless the log goes to a terminal. Both spell out what a
    terminal would act on."""
    traces: bool = False
    """Send a span of every exchange and of each of its requests to an upstream to an OpenTelemetry
    collector (install `holdover[otel]`). The standard variables `OTEL_EXPORTER_OTLP_ENDPOINT`,
    `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME` and the like say where to and how many."""
    log_client_address: bool = False
    """Add `peer` to the `exchange` lines of the log: the address that the connection came from,
    which is that of a proxy in front of Holdover if there is one. It is kept nowhere else."""
    notify_url: NotifyUrl = None
    """URL that gets a signed notice (one JSON `POST`) when something goes wrong that needs a
    person, and when it is over: a guard has tripped, the settings file is invalid, upstream refuses
    a key of yours, records do not get into the store. It is treated as a secret."""
    notify_secret: SigningSecret = None
    """Secret that signs notices, as Standard Webhooks spells it: `whsec_` and 24 to 64 bytes in
    Base64. `notify_url` needs it."""
    drain_seconds: float = Field(default=0, ge=0, le=86_400)
    """Seconds after SIGTERM in which `/readyz` already answers 503 and every connection is closed
    after its answer, but new ones are still taken, so that a load balancer can turn away. SIGINT
    does without."""
    shutdown_timeout: Seconds = 30
    """Seconds that running exchanges get to end once no new ones are taken."""

    @model_validator(mode="after")
    def _reroutes_somewhere(self) -> Self:
        if self.prefill == "reroute" and self.prefill_model is None:
            raise ValueError("prefill: reroute needs prefill_model")
        return self

    @model_validator(mode="after")
    def _can_send_traces(self) -> Self:
        if not self.traces:
            return self
        exporter = None
        with suppress(ModuleNotFoundError):
            exporter = find_spec("opentelemetry.exporter.otlp.proto.http")
        if exporter is None:
            raise ValueError("traces: needs OpenTelemetry: pip install 'holdover[otel]'")
        for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
            if (protocol := os.environ.get(name, _OTLP_PROTOCOL)) != _OTLP_PROTOCOL:
                raise ValueError(
                    f"traces: {name} asks for {protocol}, but Holdover sends {_OTLP_PROTOCOL} only;"
                    " unset it, and name the collector's port for that (usually 4318)"
                )
        return self

    @model_validator(mode="after")
    def _signs_notices(self) -> Self:
        if self.notify_url is not None and self.notify_secret is None:
            raise ValueError("notify_url: needs notify_secret, which signs what is sent there")
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
            InitSettingsSource(settings_cls, init_kwargs=dict(WRITTEN.get())),
        )


def store_url_of(settings: Settings, state_dir: Path, *, demo: bool = False) -> str:
    """Return the URL of the store; the demo always uses the local one."""
    given = settings.traffic_url
    return default_url(state_dir) if given is None or demo else given.get_secret_value()
