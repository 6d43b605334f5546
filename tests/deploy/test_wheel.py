"""
The wheel, installed as somebody else would install it: clean environments outside of the checkout.

It is built once. Each test runs in each environment: the oldest and the newest Python with
the pinned versions, and the oldest with the lowest versions that `pyproject.toml` allows.
"""

import os
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.deploy.pythons import OLDEST, find_python, newest_python
from tests.serve_once import serve_once

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(900)  # builds and installs on a busy machine
PINNED = ROOT / "deploy" / "constraints.txt"
TEST_TOOLS = ("anyio", "h11", "hypothesis", "pytest", "pytest-timeout", "pytest-xdist")
SUITES = ("translators/test_corpus.py", "end_to_end/test_streams.py", "end_to_end/test_records.py")
"""Tests of the checkout that are run once more against what is installed."""


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel."""

    directory: Path

    def program(self, name: str) -> str:
        return str(self.directory / "bin" / name)

    def run(self, *command: str, **environment: str) -> str:
        """Run a program of the environment, far from the checkout; return what it prints."""
        done = subprocess.run(
            [self.program(command[0]), *command[1:]],
            cwd=self.directory.parent,
            env=clean_environment() | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def packages(self) -> Path:
        return next((self.directory / "lib").glob("python*/site-packages"))


def clean_environment() -> dict[str, str]:
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")
    return {name: value for name, value in os.environ.items() if name not in ours}


def uv(*arguments: str | Path) -> None:
    subprocess.run(["uv", *arguments, "--quiet"], check=True, env=clean_environment(), cwd=ROOT)


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built from it."""
    directory = tmp_path_factory.mktemp("dist")
    uv("build", "--out-dir", directory)
    return directory


@pytest.fixture(scope="session", params=["oldest", "newest", "lowest versions"])
def installed(
    request: pytest.FixtureRequest, dist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    directory = tmp_path_factory.mktemp("installed")
    versions = PINNED
    if request.param == "lowest versions":
        versions = directory / "lowest.txt"
        uv(
            *("pip", "compile", "--resolution", "lowest-direct", "--python-version", OLDEST),
            *("--all-extras", "--output-file", versions, ROOT / "pyproject.toml"),
        )
    python = newest_python() if request.param == "newest" else find_python(OLDEST)
    assert python is not None
    environment = Installed(directory / "environment")
    uv("venv", "--python", python, environment.directory)
    wheel = next(dist.glob("*.whl"))
    uv(
        *("pip", "install", "--python", environment.directory, "--compile-bytecode"),
        *("--constraints", versions, f"{wheel}[postgres]"),
    )
    return environment


def test_the_wheel_has_one_import_name_types_and_what_is_no_code(dist: Path):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = wheel.namelist()

    tops = {name.partition("/")[0] for name in names}
    assert tops == {"holdover", f"holdover-{version('holdover')}.dist-info"}
    files = ("py.typed", "proxy/report/page/page.html", "proxy/traffic/store/migrations/env.py")
    assert {f"holdover/{file}" for file in files} <= set(names)
    assert not [name for name in names if "tests/" in name or name.endswith(".pyc")]


def test_the_sdist_has_what_it_takes_to_test_it(dist: Path):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"tests/test_packaging.py", "deploy/constraints.txt", "LICENSE", ".ci/run"} <= names


def test_it_says_its_version_by_both_of_its_names(installed: Installed):
    said = installed.run("holdover", "--version")

    assert said.startswith(f"holdover {version('holdover')} (")
    assert said == installed.run("python", "-m", "holdover", "--version")


def test_the_demo_runs(installed: Installed, tmp_path: Path):
    state = {"XDG_STATE_HOME": str(tmp_path)}
    said = installed.run("holdover", "demo", "--once", "--port", "0", **state)

    assert "The Messages request" in said
    assert "report" in installed.run("holdover", "report", "--demo", "--format", "html", **state)


def test_workers_serve_and_the_loader_records_beside_others_of_these_names(
    installed: Installed, tmp_path: Path
):
    """PyPI's `translators` and `proxy.py` have packages that are named like ours."""
    uv(
        *("pip", "install", "--python", installed.directory, "--no-deps"),
        *("translators", "proxy.py"),
    )

    serve_once(
        [installed.program("holdover")],
        tmp_path,
        log=tmp_path / "log",
        workers=2,
        environment=clean_environment(),
    )
    installed.run("holdover", "--version")
    theirs = ("proxy/http/proxy", "translators/server.py", "proxy/__init__.py")
    assert [(installed.packages / name).exists() for name in theirs] == [True] * 3
    assert "holdover" not in installed.run("python", "-c", "import proxy; print(proxy.__file__)")


def test_tests_of_the_checkout_pass_with_what_is_installed(installed: Installed, tmp_path: Path):
    uv(
        *("pip", "install", "--python", installed.directory, "--constraints", PINNED),
        *TEST_TOOLS,
    )
    for name in ("tests", "deploy", "pyproject.toml"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)

    installed.run(
        *("python", "-m", "pytest", "--quiet", "-n", "2", "--rootdir", str(tmp_path)),
        *("--override-ini", "filterwarnings=default"),  # old versions use what new ones deprecate
        *(str(tmp_path / "tests" / suite) for suite in SUITES),
        PYTHONPATH=str(installed.packages / "holdover"),
    )
