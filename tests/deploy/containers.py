"""
The image, built by buildah and run by podman, with an image store of its own.

Where no base image can be pulled, one is made by debootstrap, once in a run of the tests. Each
obstacle skips the tests with the reason: not every machine can nest containers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = ("buildah", "podman", "crun", "unshare")
BASE: Final = "docker.io/library/python:3.13-slim"
OWN_BASE: Final = "localhost/holdover-base"
IMAGE: Final = "localhost/holdover"
_SUITE: Final = "trixie"  # has Python 3.13, as the image that it stands in for
_CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_TRUST: Final = ("SSL_CERT_FILE", "PIP_CERT")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
# A mount namespace of our own, in which the tree of cgroups is the one that crun knows.
_IN_NAMESPACE: Final = """
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null ||
    { umount --lazy /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup; }
exec "$@"
"""


@dataclass(frozen=True)
class ImageStore:
    """Images and containers below one directory, which nothing else uses."""

    directory: Path

    def buildah(self, *arguments: str) -> list[str]:
        """Return the command that runs buildah."""
        return ["buildah", *self._options(), *arguments]

    def podman(self, *arguments: str) -> list[str]:
        """Return the command that runs podman, also where cgroups are not ours to manage."""
        how = ("--cgroup-manager", "cgroupfs", "--events-backend", "none")
        podman = ["podman", *self._options(), *how, *arguments]
        return ["unshare", "--mount", "sh", "-c", _IN_NAMESPACE, "sh", *podman]

    def run(self, *arguments: str) -> list[str]:
        """Return the command that runs a container with the least that it needs."""
        network = ("--network", "host", "--cgroups=disabled", "--no-healthcheck")
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
        rights = ("--cap-drop", "all", "--security-opt", "no-new-privileges")
        root = ("--read-only", "--read-only-tmpfs=false")
        return self.podman("run", "--rm", *network, *limits, *rights, *root, *arguments)

    def _options(self) -> list[str]:
        places = {"--root": self.directory / "images", "--runroot": self.directory / "run"}
        named = [word for option, path in places.items() for word in (option, str(path))]
        return [*named, "--storage-driver", "overlay"]


def base_image(store: ImageStore) -> str:
    """Return the name of a base image that is in the store and can be run, or skip the test."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("containers are run as root here, for their mount namespace")
    pull = subprocess.run(store.buildah("pull", "--quiet", BASE), capture_output=True, check=False)
    base = BASE if pull.returncode == 0 else _made_base(store)
    output_or_skip(store.run(base, "python3", "--version"))
    return base


def output_or_skip(command: Sequence[str]) -> str:
    """Run what a machine may not let us do; return what it prints, or skip the test and say why."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{' '.join(command)}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout.strip()


def _made_base(store: ImageStore) -> str:
    if shutil.which("debootstrap") is None:
        pytest.skip(f"{BASE} cannot be pulled, and there is no debootstrap to make one")
    container = output_or_skip(store.buildah("from", "scratch"))
    root = Path(output_or_skip(store.buildah("mount", container)))
    packages = "--include=python3,python3-venv,ca-certificates"
    output_or_skip(["debootstrap", "--variant=minbase", packages, _SUITE, str(root)])
    shutil.copyfile(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
    environment = {name: str(_CERTIFICATES) for name in _TRUST} | {"PATH": _PATH}
    options = [f"--env={name}={value}" for name, value in environment.items()]
    output_or_skip(store.buildah("config", *options, container))
    output_or_skip(store.buildah("commit", "--quiet", "--rm", container, OWN_BASE))
    return OWN_BASE
