"""
Nothing that a client saw finished is lost: workers are killed, and the store goes away meanwhile.

Clients ask at full speed, streamed and whole, in both dialects. Everything of
Holdover is killed at once and without a warning, and started again; in the end
the store has to hold each exchange of which a client saw the end, once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow

import msgspec
import pytest
from sqlalchemy import select

from proxy.traffic import StoreError, open_store
from proxy.traffic.store.schema import exchanges
from tests.command_line import HOLDOVER
from tests.harness import KEY, PROMPT
from tests.hypothesis_profiles import scaled
from tests.postgres import postgres
from tests.servers import free_port
from tests.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured]

EXCHANGES = scaled(2_500, at_least=500)
KILLS = scaled(5, at_least=2)
CLIENTS = 16
STORE_GONE_SECONDS = scaled(10, at_least=2)
_STEP_SECONDS = 0.05
_KINDS = [(version, stream) for version in (None, "2023-06-01") for stream in (False, True)]


@dataclass(slots=True)
class Witness:
    """What the clients saw."""

    port: int
    finished: set[str] = field(default_factory=set[str])
    """Markers of exchanges whose end was seen."""
    asked: int = 0
    is_over: Callable[[], bool] = lambda: True
    """Whether what happens meanwhile has happened."""

    async def run(self) -> None:
        """One client: asks one after the other until all together have seen enough."""
        reader = writer = None
        while len(self.finished) < EXCHANGES or not self.is_over():
            self.asked += 1
            marker = f"witness/{self.asked}"
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                assert reader is not None
                writer.write(_request(marker, *_KINDS[self.asked % len(_KINDS)]))
                await _read_answer(reader)
                self.finished.add(marker)
            except (OSError, EOFError, ValueError):
                if writer is not None:
                    writer.close()
                reader = writer = None
                await asyncio.sleep(_STEP_SECONDS)
        if writer is not None:
            writer.close()


def _request(marker: str, version: str | None, stream: bool) -> bytes:
    asked = {"model": "claude-2.1", "prompt": PROMPT, "max_tokens_to_sample": 20, "stream": stream}
    body = msgspec.json.encode(asked)
    head = [
        "POST /v1/complete HTTP/1.1",
        "host: localhost",
        f"user-agent: {marker}",
        f"x-api-key: {KEY['x-api-key']}",
        f"content-length: {len(body)}",
        *([f"anthropic-version: {version}"] if version else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def _read_answer(reader: asyncio.StreamReader) -> None:
    """Read a good answer to its end; `ValueError` if it is none, `EOFError` if it breaks off."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(head)
    if b"transfer-encoding: chunked" not in head.lower():
        (length,) = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
        await reader.readexactly(int(length.partition(b":")[2]))
        return
    text = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        text = text[-400:] + await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    if b"event: error" in text or b'"stop_reason":"' not in text:
        raise ValueError(text)


@contextmanager
def process(*arguments: str, log: Path) -> Iterator[None]:
    """A command in a group of its own, killed with all that it has started."""
    with log.open("ab") as output:
        command = [*HOLDOVER, *arguments]
        started = subprocess.Popen(command, stderr=output, stdout=output, start_new_session=True)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait(timeout=PATIENCE_SECONDS)


async def until(is_so: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not is_so():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(_STEP_SECONDS)


async def nothing() -> None:
    """The store stays."""


def in_store(url: str) -> Counter[str]:
    """How often each marker is in the store; a loader that was killed soon has made none."""
    try:
        store = open_store(url, read_only=True)
    except StoreError:
        return Counter()
    try:
        with store.engine.connect() as connection:
            return Counter(connection.scalars(select(exchanges.c.user_agent)))
    finally:
        store.close()


async def drive(
    config: Path, url: str, meanwhile: Callable[[Witness], Awaitable[None]] = lambda _: nothing()
) -> None:
    witness = Witness(int(config.stem))
    log = config.with_suffix(".log")
    other = asyncio.ensure_future(meanwhile(witness))
    witness.is_over = other.done
    clients = [asyncio.create_task(witness.run()) for _ in range(CLIENTS)]
    for round_ in range(KILLS):
        enough = EXCHANGES * (round_ + 1) // (KILLS + 1) + randbelow(EXCHANGES // 25)
        with process("serve", "--config", str(config), log=log):
            await until(lambda enough=enough: len(witness.finished) >= enough)  # type: ignore[misc]
    with process("serve", "--config", str(config), log=log):
        await asyncio.gather(*clients, other)
        await until(lambda: witness.finished <= in_store(url).keys())

    found = in_store(url)
    assert len(witness.finished) >= EXCHANGES
    assert {marker for marker in witness.finished if found[marker] != 1} == set()


def write_config(directory: Path, upstream_port: int, url: str) -> Path:
    port = free_port()
    config = directory / f"{port}.toml"
    config.write_text(
        f'port = {port}\nworkers = 2\nstate_dir = "{directory / "state"}"\nlog_format = "json"\n'
        f'upstream_url = "http://127.0.0.1:{upstream_port}"\ntraffic_url = "{url}"\n'
    )
    return config


@pytest.mark.scaled
@pytest.mark.timeout(1200)
@pytest.mark.anyio
async def test_what_clients_saw_finished_is_kept_whoever_is_killed(tmp_path):
    url, upstream = f"sqlite:///{tmp_path}/traffic.db", free_port()
    with process("simulate", "--port", str(upstream), log=tmp_path / "simulator.log"):
        await drive(write_config(tmp_path, upstream, url), url)


@pytest.mark.scaled
@pytest.mark.timeout(1200)
@pytest.mark.anyio
async def test_and_also_while_the_store_is_away(tmp_path):
    with (
        postgres() as server,
        process("simulate", "--port", str(upstream := free_port()), log=tmp_path / "simulator.log"),
    ):
        url = server.new_database()

        async def stop_the_store(witness: Witness) -> None:
            await until(lambda: len(witness.finished) > EXCHANGES // 2)
            await asyncio.to_thread(server.stop)
            before = len(witness.finished)
            await asyncio.sleep(STORE_GONE_SECONDS)
            # Those who serve may just have been killed, and be starting.
            await until(lambda: len(witness.finished) > before)
            await asyncio.to_thread(server.start)

        await drive(write_config(tmp_path, upstream, url), url, stop_the_store)
