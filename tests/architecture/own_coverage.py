"""
Whether each module of `translators/` is covered by its own tests, to the last branch.

    uv run python -m tests.architecture.own_coverage [MODULE ...]

Slower than the whole run, hence a command: one run of pytest per module.
Coverage by other modules' tests counts for nothing here.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
COVERAGE = (sys.executable, "-m", "coverage")


def main(*asked: str) -> int:
    modules = asked or sorted(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "translators").rglob("*.py")
        if path.name != "__init__.py"
    )
    return max(map(check, modules))


def check(module: str) -> int:
    """Run the tests of one module; 0 if they pass and cover it."""
    path = Path(module)
    tests = Path("tests", path.parent, f"test_{path.name}")
    with tempfile.TemporaryDirectory() as directory:
        data = f"--data-file={directory}/coverage"
        options = (f"--rcfile={os.devnull}", data)
        run = (*COVERAGE, "run", *options, "--branch", "--source=translators")
        pytest = ("-m", "pytest", "-q", "--no-header", "--no-summary", "-p", "no:cacheprovider")
        report = (*COVERAGE, "report", *options, f"--include={module}", "--show-missing")
        return max(
            subprocess.run((*run, *pytest, str(tests)), cwd=ROOT, check=False).returncode,
            subprocess.run((*report, "--fail-under=100"), cwd=ROOT, check=False).returncode,
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
