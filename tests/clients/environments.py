"""
An isolated environment for every client: uv for Python, npm for Node.

Each is built once into `.environments/` beside this file and used again while its recipe stays
the same. A lock per environment lets several test runs share the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CONSTRAINTS: Final = HERE / "constraints.txt"
_ENVIRONMENTS: Final = HERE / ".environments"
_RECIPE: Final = "recipe.txt"  # written last: its presence says that the rest is whole
_BUILD_SECONDS: Final = 300
_BUILDS_AT_ONCE: Final = 4

# The oldest releases need what newer Pythons no longer have; this one also has wheels for all.
_PYTHON: Final = "3.11"

Command = tuple[str, ...]


class CannotBuild(Exception):
    """An environment could not be built; the text is what the installer said."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where one client lives."""

    name: str

    @property
    def folder(self) -> Path:
        return _ENVIRONMENTS / self.name

    @property
    def missing_tool(self) -> str | None:
        """What this machine need not have, and has not; then there is nothing to build."""
        return None


@dataclass(frozen=True, slots=True)
class PythonEnvironment(Environment):
    requirements: tuple[str, ...]
    constraints: Path | None = CONSTRAINTS

    @property
    def recipe(self) -> str:
        constraints = self.constraints.read_text() if self.constraints else ""
        return "\n".join([_PYTHON, *self.requirements, constraints])

    def steps(self) -> Iterator[Command]:
        uv, python = _uv() or "uv", str(self.folder / "bin" / "python")
        yield (uv, "venv", "--quiet", "--no-project", "--python", _PYTHON, str(self.folder))
        yield (
            *(uv, "pip", "install", "--quiet", "--python", python),
            *(("--constraints", str(self.constraints)) if self.constraints else ()),
            *self.requirements,
        )

    def command(self, program: Path) -> Command:
        return (str(self.folder / "bin" / "python"), str(program))

    def variables(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class NodeEnvironment(Environment):
    package: str

    @property
    def missing_tool(self) -> str | None:
        return next((tool for tool in ("node", "npm") if shutil.which(tool) is None), None)

    @property
    def recipe(self) -> str:
        return self.package

    def steps(self) -> Iterator[Command]:
        yield (
            *("npm", "install", "--silent", "--prefix", str(self.folder)),
            *("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"),
            self.package,
        )

    def command(self, program: Path) -> Command:
        return ("node", str(program))

    def variables(self) -> dict[str, str]:
        return {"NODE_PATH": str(self.folder / "node_modules")}


AnyEnvironment = PythonEnvironment | NodeEnvironment


def build_all(environments: set[AnyEnvironment]) -> dict[str, Future[None]]:
    """Build what is not there yet, several at once; return when all have ended, well or not."""
    with ThreadPoolExecutor(max_workers=_BUILDS_AT_ONCE) as builders:
        return {each.name: builders.submit(_build, each) for each in environments}


def _build(environment: AnyEnvironment) -> None:
    with _locked(environment):
        built_from = environment.folder / _RECIPE
        if built_from.is_file() and built_from.read_text() == environment.recipe:
            return
        shutil.rmtree(environment.folder, ignore_errors=True)
        for step in environment.steps():
            environment.folder.mkdir(exist_ok=True)
            _run(step)
        built_from.write_text(environment.recipe)


def _run(step: Command) -> None:
    try:
        subprocess.run(
            step, cwd=_ENVIRONMENTS, check=True, capture_output=True, timeout=_BUILD_SECONDS
        )
    except FileNotFoundError as exc:
        raise CannotBuild(f"{step[0]} is not installed") from exc
    except subprocess.CalledProcessError as exc:
        said = (exc.stdout + exc.stderr).decode(errors="replace")
        raise CannotBuild(f"{' '.join(step)}\n{said}") from exc
    except subprocess.TimeoutExpired as exc:
        raise CannotBuild(f"{' '.join(step)}\ntook over {_BUILD_SECONDS} s") from exc


@contextmanager
def _locked(environment: Environment) -> Iterator[None]:
    _ENVIRONMENTS.mkdir(exist_ok=True)
    with (_ENVIRONMENTS / f"{environment.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv() -> str | None:
    # `uv run` says where it is; it need not be on the path.
    return os.environ.get("UV") or shutil.which("uv")
