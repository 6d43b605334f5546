"""A PostgreSQL of our own, from Debian's binaries: a real one, which can be stopped and started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.processes import children_of
from tests.waiting import PATIENCE_SECONDS

PASSWORD = "pass word@1/2"
IN_URL = "pass%20word%401%2F2"
"""The same in an address."""
_NUMBERS = count(1)
# What a test keeps need not outlive it.
_OPTIONS = "-c fsync=off -c full_page_writes=off -c max_connections=40"


@dataclass
class Postgres:
    """A server on loopback; its user is `holdover`, and anybody needs a password."""

    programs: Path
    directory: Path
    port: int
    is_running: bool = field(default=False)

    def start(self) -> None:
        """Start it, or start it again; it is ready when this returns."""
        options = (
            f"{_OPTIONS} -c listen_addresses=127.0.0.1 -c port={self.port}"
            f" -c unix_socket_directories={self.directory}"
        )
        log = self.directory / "log"
        self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", log, "-o", options)
        self.is_running = True

    def stop(self) -> None:
        """Stop it as a machine that goes down would; connections break."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-w", "-D", self.data)
        self.is_running = False

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let none of its processes run, as on a machine that hangs; connections stay."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        everybody = [first, *children_of(first)]
        try:
            for pid in everybody:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in everybody:
                os.kill(pid, signal.SIGCONT)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def new_database(self) -> str:
        """The address of one with nothing in it."""
        name = f"test{next(_NUMBERS)}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str, *, user: str = "holdover", password: str = IN_URL) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, database: str, *statements: str) -> None:
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="holdover",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
        ) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str | Path) -> None:
        # The server keeps what it is given as output: a pipe would be read for ever.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [*_as_somebody(), self.programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd="/",
                timeout=PATIENCE_SECONDS,
                check=False,
            )
            said.seek(0)
            assert done.returncode == 0, said.read().decode(errors="replace")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for as long as this lasts; skips the test where there is none on this machine."""
    programs = _programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL on this machine: apt-get install postgresql")
    # Short: it holds a socket, and names of sockets are.
    directory = Path(tempfile.mkdtemp(prefix="holdover-pg-"))
    server = Postgres(programs, directory, _free_port())
    try:
        password = directory / "password"
        password.write_text(PASSWORD)
        if _as_somebody():
            shutil.chown(directory, "postgres")
            shutil.chown(password, "postgres")
        server._run(
            "initdb",
            *("-D", server.data, "-U", "holdover", "--pwfile", password, "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        server.start()
        yield server
    finally:
        if server.is_running:
            server.stop()
        shutil.rmtree(directory)


def _programs() -> Path | None:
    """Of the newest version; what else is on the path may be anything."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3])
    )
    on_path = shutil.which("pg_ctl")
    best = found[-1] if found else on_path and Path(on_path)
    return best.parent if best else None


def _as_somebody() -> list[str]:
    """The server refuses to be root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
