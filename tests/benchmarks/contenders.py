"""
Who is compared, and all of them running at once, on one core.

One is under load at a time, so that those beside it cost it nothing, and so that rounds can go
from one to the next: what disturbs the machine disturbs each of them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.benchmarks import nginx
from tests.benchmarks.processes import LOAD_CORE, PROXY_CORE, free_port, running, wait_for
from tests.benchmarks.questions import (
    KEY,
    KINDS,
    LITELLM,
    PASSED_THROUGH,
    TRANSLATED,
    Dialect,
    Kind,
    portkey,
)

UPSTREAM: Final = "upstream"
"""The name of the upstream where it is asked directly: what all others add to."""
OF_OTHERS: Final = frozenset({"litellm", "portkey"})
SWITCHED_OFF: Final = {"HOLDOVER_TRAFFIC": "false"}
"""Everything an operator can switch off."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A proxy that is not running yet."""

    name: str
    command: tuple[str, ...]
    dialect: Dialect
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a contender is to be, and what it is to ask."""

    folder: Path
    port: int
    upstream: str


@dataclass(frozen=True, slots=True)
class Served:
    """A proxy that serves."""

    name: str
    pid: int
    port: int
    dialect: Dialect


def uvicorn(app: str) -> Callable[[Site], Contender]:
    def at(site: Site) -> Contender:
        command = (
            *(sys.executable, "-m", "uvicorn", f"tests.benchmarks.{app}:app"),
            *("--port", str(site.port), "--no-access-log", "--log-level", "warning"),
        )
        return Contender(app, command, PASSED_THROUGH, {"UPSTREAM": site.upstream})

    return at


def at_nginx(site: Site) -> Contender:
    command = nginx.proxy_command(site.folder, site.port, site.upstream)
    return Contender("nginx", command, PASSED_THROUGH)


def holdover(name: str = "holdover", **environment: str) -> Callable[[Site], Contender]:
    def at(site: Site) -> Contender:
        command = (
            *(sys.executable, "-m", "proxy", "serve", "--port", str(site.port)),
            *("--upstream-url", site.upstream),
        )
        state = {"HOLDOVER_STATE_DIR": str(site.folder / f"{name}.state")}
        return Contender(name, command, TRANSLATED, {**state, **environment})

    return at


def litellm(executable: str) -> Callable[[Site], Contender]:
    def at(site: Site) -> Contender:
        config = site.folder / "litellm.yaml"
        models = (_litellm_model(kind, site.upstream) for kind in KINDS)
        config.write_text("".join(("model_list:\n", *models)))
        command = (executable, "--config", str(config), "--port", str(site.port))
        local = {
            "LITELLM_MASTER_KEY": KEY,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
        }
        return Contender("litellm", (*command, "--host", "127.0.0.1"), LITELLM, local)

    return at


def _litellm_model(kind: Kind, upstream: str) -> str:
    parameters = "model: anthropic/claude-haiku-4-5, api_key: sk-ant-benchmark"
    address = f"api_base: '{upstream}/{kind}'"
    return f"- model_name: {kind}\n  litellm_params: {{ {parameters}, {address} }}\n"


def at_portkey(executable: str) -> Callable[[Site], Contender]:
    def at(site: Site) -> Contender:
        command = (executable, "--headless", f"--port={site.port}")
        return Contender("portkey", command, portkey(site.upstream), {"NODE_ENV": "production"})

    return at


Maker = Callable[[Site], Contender]
STANDARD: Final[tuple[Maker, ...]] = (uvicorn("naive"), uvicorn("bare"), at_nginx, holdover())


Upstream = Callable[[Path], AbstractContextManager[Served]]


@contextmanager
def canned_upstream(folder: Path) -> Iterator[Served]:
    """nginx, which answers with files."""
    port = free_port()
    command = nginx.upstream_command(folder, port)
    with _served(LOAD_CORE, Contender(UPSTREAM, command, PASSED_THROUGH), folder, port) as server:
        yield server


@contextmanager
def paced_upstream(folder: Path) -> Iterator[Served]:
    """`tests.benchmarks.upstream`, which streams as it is asked to."""
    port = free_port()
    command = (sys.executable, "-m", "tests.benchmarks.upstream", str(port))
    with _served(LOAD_CORE, Contender(UPSTREAM, command, PASSED_THROUGH), folder, port) as server:
        yield server


@contextmanager
def hostile_upstream(folder: Path) -> Iterator[Served]:
    """`tests.benchmarks.hostile_upstream`, which answers in the worst of ways."""
    port = free_port()
    command = (sys.executable, "-m", "tests.benchmarks.hostile_upstream", str(port))
    with _served(LOAD_CORE, Contender(UPSTREAM, command, PASSED_THROUGH), folder, port) as server:
        yield server


@contextmanager
def _served(core: int, contender: Contender, folder: Path, port: int) -> Iterator[Served]:
    log = folder / f"{contender.name}.log"
    with running(core, contender.command, log, contender.environment) as pid:
        wait_for(port, pid, log)
        yield Served(contender.name, pid, port, contender.dialect)


@contextmanager
def fleet(upstream: Upstream, makers: Iterable[Maker]) -> Iterator[dict[str, Served]]:
    """All of them by name, and the upstream among them; what they wrote is removed at the end."""
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="holdover-benchmark-"))
        folder = Path(name)
        source = stack.enter_context(upstream(folder))
        served = {source.name: source}
        for maker in makers:
            site = Site(folder, free_port(), f"http://127.0.0.1:{source.port}")
            contender = maker(site)
            server = stack.enter_context(_served(PROXY_CORE, contender, folder, site.port))
            served[server.name] = server
        yield served
