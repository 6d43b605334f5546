"""The import contracts notice what they forbid, in every package, also in those of tomorrow."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.without_coverage

ROOT: Final = Path(__file__).parents[2]
MAY: Final = {
    "httpx": {"upstream"},
    "starlette": {"app", "cli", "console", "endpoints", "error_app", "server", "simulator"},
    "sqlalchemy": {"traffic"},
    "proxy.config.settings": {"app", "cli", "config", "console", "risks", "server"},
    "proxy.config.sources": {"cli", "config", "server"},
}
"""Who may import what; everybody else breaks a contract."""
TOMORROW: Final = "brand_new"


def rooms(package: Path) -> dict[str, Path]:
    """A module of each package and the modules beside them, by the name of the room."""
    packages = {path.parent.name: path.parent for path in package.glob("*/__init__.py")}
    inside = {name: next(iter(sorted(path.glob("[a-z]*.py")))) for name, path in packages.items()}
    beside = {path.stem: path for path in package.glob("[a-z]*.py")}
    return inside | beside


@pytest.mark.thorough
def test_a_forbidden_import_breaks_a_contract_in_every_room(tmp_path: Path):
    for name in ("proxy", "translators"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    tomorrow = tmp_path / "proxy" / TOMORROW
    tomorrow.mkdir()
    (tomorrow / "__init__.py").write_text("")
    (tomorrow / "anything.py").write_text("")
    found = rooms(tmp_path / "proxy")
    for path in found.values():
        path.write_text(path.read_text() + "".join(f"\nimport {name}" for name in MAY))

    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as l; l()"]
    run = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)

    assert run.returncode == 1
    broken = set(re.findall(r"^-? +proxy\.(\w+)\S* -> (\S+) \(l\.", run.stdout, re.MULTILINE))
    wanted = {(room, name) for name, may in MAY.items() for room in found.keys() - may}
    assert wanted - broken == set()
