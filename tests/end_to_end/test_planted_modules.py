"""
Whoever may write into the working directory of a server runs nothing with its rights.

All names of the standard library and of what is installed are planted there, as
modules that leave a mark. The server, its workers and its loader do their work.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve_once import serve_once

pytestmark = pytest.mark.unmeasured

ROOT = Path(__file__).parents[2]
OURS = {"holdover", "proxy", "translators", "sitecustomize", "usercustomize"}
INSTALLED = {
    path.name.partition(".")[0]
    for place in map(Path, sys.path)
    if place.name == "site-packages"
    for path in place.iterdir()
    if path.suffix not in {".dist-info", ".pth"} and path.name != "__pycache__"
}
NAMES = sorted({*sys.stdlib_module_names, *INSTALLED, *OURS} - {"__main__"})
PLANTED = """
import os
with open({marks!r}, "a") as file:
    file.write(f"{{os.getpid()}} {{__name__}}\\n")
"""

CONSOLE_SCRIPT = [sys.executable, str(Path(sys.executable).with_name("holdover"))]
SAFE_MODULE = [sys.executable, "-P", "-m", "holdover"]
BY_PATH = "import sys; sys.path.insert(0, {root!r}); from proxy.cli import main; main()"


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A directory that looks like everything that could be imported."""
    directory = tmp_path / "planted"
    directory.mkdir()
    text = PLANTED.format(marks=str(tmp_path / "marks"))
    for name in NAMES:
        (directory / f"{name}.py").write_text(text)
    for name in OURS:
        (directory / name).mkdir()
        (directory / name / "__init__.py").write_text(text)
    return directory


def marks(planted: Path) -> str:
    file = planted.with_name("marks")
    return file.read_text() if file.exists() else ""


def work(command: list[str], planted: Path, *, workers: int = 1) -> None:
    """Serve from there until an exchange is in the store."""
    serve_once(command, planted, log=planted.with_name("log"), workers=workers)


def test_python_takes_what_is_planted_if_it_is_let(planted: Path):
    """Else these tests would not tell."""
    subprocess.run([sys.executable, "-c", "import msgspec"], cwd=planted, check=True)

    assert "msgspec" in marks(planted)


@pytest.mark.parametrize(
    ("command", "workers"),
    [(CONSOLE_SCRIPT, 1), (CONSOLE_SCRIPT, 2), (SAFE_MODULE, 2)],
    ids=["script", "script and workers", "module and workers"],
)
def test_a_server_imports_nothing_of_its_working_directory(
    planted: Path, command: list[str], workers: int
):
    work(command, planted, workers=workers)

    assert marks(planted) == ""


def test_nor_does_one_that_is_importable_by_its_own_path_alone(planted: Path, tmp_path: Path):
    checkout = tmp_path / "checkout"
    for package in ("proxy", "translators"):
        shutil.copytree(ROOT / package, checkout / package)
    program = BY_PATH.format(root=str(checkout))
    work([sys.executable, "-P", "-c", program], planted, workers=2)

    assert marks(planted) == ""


def test_nor_does_a_loader_of_a_server_that_is_its_own_working_directory(tmp_path: Path):
    """A checkout in which something of the standard library, and of what is needed, is planted."""
    checkout = tmp_path / "planted"
    for package in ("proxy", "translators"):
        shutil.copytree(ROOT / package, checkout / package)
    for name in ("json", "msgspec", "sqlalchemy", "typer", "multiprocessing", "pickle"):
        text = PLANTED.format(marks=str(tmp_path / "marks"))
        (checkout / f"{name}.py").write_text(text)
    work([sys.executable, "-m", "proxy"], checkout, workers=2)

    assert marks(checkout) == ""
