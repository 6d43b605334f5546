"""The image, built from `deploy/Dockerfile` and run with a read-only root and no rights."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

import httpx
import pytest
import yaml

from proxy.simulator import create_simulator
from proxy.traffic import default_url
from tests.deploy.containers import IMAGE, ROOT, ImageStore, base_image
from tests.harness import KEY, V2, body
from tests.postgres import postgres
from tests.serve_once import records_in
from tests.servers import fetch, free_port, serving
from tests.waiting import PATIENCE_SECONDS, wait_for

USER = 10001
pytestmark = pytest.mark.timeout(900)  # builds and installs on a busy machine


@pytest.fixture(scope="session")
def store() -> Iterator[ImageStore]:
    """An image store that holds the image of this checkout."""
    # Not below pytest's own directory: names of sockets in it would be too long.
    directory = Path(tempfile.mkdtemp(prefix="holdover-images-"))
    images = ImageStore(directory)
    try:
        base = base_image(images)
        subprocess.run(
            images.buildah(
                *("bud", "--quiet", "--format", "docker", "--isolation", "chroot"),
                *("--pull-never", "--build-arg", f"BASE={base}"),
                *("--build-arg", f"VERSION={version('holdover')}", "--tag", IMAGE),
                *("--file", str(ROOT / "deploy" / "Dockerfile"), str(ROOT)),
            ),
            check=True,
        )
        yield images
    finally:
        subprocess.run(images.buildah("rm", "--all"), check=False, capture_output=True)
        subprocess.run(images.buildah("rmi", "--all"), check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True)
class Container:
    """A container that serves."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running(store: ImageStore, directory: Path, **settings: str) -> Iterator[Container]:
    """Run the image with its state in `directory / "state"`; end it if the test has not."""
    port = free_port()
    state, log = directory / "state", directory / "log"
    state.mkdir(mode=0o700)
    os.chown(state, USER, USER)
    given = {"HOLDOVER_PORT": str(port), "HOLDOVER_HOST": "127.0.0.1", "HOLDOVER_WORKERS": "2"}
    options = [f"--env={name}={value}" for name, value in (given | settings).items()]
    command = store.run(*options, "--volume", f"{state}:/var/lib/holdover", IMAGE)
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(lambda: "startup complete" in log.read_text() or process.poll(), log.read_text)
        assert process.poll() is None, log.read_text()
        yield Container(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def test_it_says_what_it_is_and_that_it_is_not_root(store: ImageStore):
    described = subprocess.run(
        store.buildah("inspect", "--type", "image", IMAGE), capture_output=True, check=True
    )
    config = json.loads(described.stdout)["Docker"]["config"]

    assert config["User"] == f"{USER}:{USER}"
    assert config["Labels"]["org.opencontainers.image.version"] == version("holdover")
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Entrypoint"] == ["/opt/holdover/bin/holdover"]


def test_it_serves_is_healthy_and_drains_when_told_to_end(store: ImageStore, tmp_path: Path):
    with (
        serving(create_simulator()) as upstream_url,
        running(
            store, tmp_path, HOLDOVER_UPSTREAM_URL=upstream_url, HOLDOVER_DRAIN_SECONDS="3"
        ) as container,
    ):
        answer = fetch("POST", f"{container.url}/v1/complete", json=body(), headers=KEY | V2)
        assert answer.status_code == 200
        assert fetch("GET", f"{container.url}/readyz").json()["status"] == "ready"
        assert healthcheck(store, container) == 0

        container.process.send_signal(signal.SIGTERM)
        wait_for(lambda: fetch("GET", f"{container.url}/readyz").status_code == 503)
        late = fetch("POST", f"{container.url}/v1/complete", json=body(), headers=KEY | V2)
        status = container.process.wait(PATIENCE_SECONDS)

    assert late.status_code == 200
    assert status == 0
    wait_for(lambda: records_in(default_url(tmp_path / "state")) == 2)


def healthcheck(store: ImageStore, container: Container) -> int:
    """Run the image's own health check in a second container, beside the one that serves."""
    described = subprocess.run(
        store.buildah("inspect", "--type", "image", IMAGE), capture_output=True, check=True
    )
    config = json.loads(described.stdout)["Docker"]["config"]
    program, *arguments = config["Healthcheck"]["Test"][1:]
    port = container.url.rpartition(":")[2]
    command = store.run("--env", f"HOLDOVER_PORT={port}", "--entrypoint", program, IMAGE)
    return subprocess.run([*command, *arguments], check=False).returncode


def test_it_reaches_postgresql(store: ImageStore, tmp_path: Path):
    with postgres() as server, serving(create_simulator()) as upstream_url:
        url = server.new_database()
        with running(
            store, tmp_path, HOLDOVER_UPSTREAM_URL=upstream_url, HOLDOVER_TRAFFIC_URL=url
        ) as container:
            fetch("POST", f"{container.url}/v1/complete", json=body(), headers=KEY | V2)
            # Not afterwards: the loader ends with the container.
            wait_for(lambda: records_in(url) == 1, container.log.read_text)


def test_compose_runs_it_with_what_the_documented_commands_make(store: ImageStore, tmp_path: Path):
    port = free_port()
    with postgres() as server, serving(create_simulator()) as upstream_url:
        url = server.new_database()
        compose = documented_compose(store, tmp_path, port, upstream_url)
        secret = tmp_path / "deploy" / "compose" / "secrets" / "HOLDOVER_TRAFFIC_URL"
        assert secret.read_text().startswith("postgresql://holdover:")
        secret.write_text(url.replace("@127.0.0.1:", "@postgres:"))
        log = tmp_path / "log"
        try:
            with log.open("wb") as output:
                compose("up", "--detach", "--no-build", "--no-deps", "holdover", output=output)
            wait_for(lambda: is_ready(port))
            answer = fetch(
                "POST", f"http://127.0.0.1:{port}/v1/complete", json=body(), headers=KEY | V2
            )
            wait_for(lambda: records_in(url) == 1, log.read_text)
            with log.open("wb") as output:
                compose("logs", "holdover", output=output)
        finally:
            compose("down", "--volumes")

    assert answer.status_code == 200
    assert '"event":"starting"' in log.read_text()
    assert "risky_setting" not in log.read_text()


def is_ready(port: int) -> bool:
    try:
        return fetch("GET", f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def documented_compose(
    store: ImageStore, directory: Path, port: int, upstream_url: str
) -> Callable[..., None]:
    """Do what `deploy/README.md` says before `docker compose up`; return how to call compose.

    Networks cannot be made on every machine, so that the service has the machine's own.
    """
    shutil.copytree(ROOT / "deploy", directory / "deploy")
    text = (ROOT / "deploy" / "README.md").read_text()
    commands = text[text.index("cd deploy/compose") : text.index("docker compose up")]
    subprocess.run(["bash", "-euc", commands], check=True, cwd=directory)
    service = {
        "network_mode": "host",
        "extra_hosts": ["postgres:127.0.0.1"],
        "environment": {"HOLDOVER_PORT": str(port), "HOLDOVER_UPSTREAM_URL": upstream_url},
    }
    here = directory / "here.yaml"
    without = "".join(f"    {name}: !reset null\n" for name in ("networks", "ports", "depends_on"))
    service_text = yaml.safe_dump({"services": {"holdover": service}}).rstrip()
    here.write_text(f"{service_text}\n{without}")
    podman = directory / "podman"
    podman.write_text(f'#!/bin/sh\nexec {shlex.join(store.podman())} "$@"\n')
    podman.chmod(0o700)
    limits = "--cgroups=disabled --ulimit nofile=1024:1024 --ulimit nproc=1000:1000"
    program = [
        *("podman-compose", "--podman-path", str(podman), "--in-pod", "false"),
        *("--podman-run-args", f"{limits} --no-healthcheck"),
        *("--file", "compose.yaml", "--file", str(here)),
    ]

    def compose(*arguments: str, output: IO[bytes] | None = None) -> None:
        place = directory / "deploy" / "compose"
        subprocess.run([*program, *arguments], check=True, cwd=place, stdout=output, stderr=output)

    return compose


def test_without_a_place_for_its_state_it_does_not_start(store: ImageStore):
    command = store.run("--env", f"HOLDOVER_PORT={free_port()}", IMAGE)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 2
    assert "/var/lib/holdover" in done.stderr
