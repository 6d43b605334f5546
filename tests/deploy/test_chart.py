"""The Helm chart: linted, rendered with three sets of values, and each object validated."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from tests import dashboard
from tests.deploy.charts import CASES, CHART, find_helm, helm, rendered, snapshot_of
from tests.test_packaging import read

SCHEMAS = "kubernetes-validate==1.37.0"
CUSTOM = {"ServiceMonitor"}
"""Kinds that Kubernetes itself does not know."""


@pytest.fixture(autouse=True, scope="module")
def _helm() -> None:
    if find_helm() is None:
        pytest.skip("there is no helm on this machine, and npm cannot get one")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def objects(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects by kind and name."""
    found = [each for each in yaml.safe_load_all(text) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def made(case: str, *options: str) -> dict[tuple[str, str], dict[str, Any]]:
    done = rendered(CASES[case], *options)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def pod_of(found: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    pod: dict[str, Any] = found["Deployment", "example-holdover"]["spec"]["template"]["spec"]
    return pod


def test_lint_has_nothing_to_say(case: str):
    done = helm("lint", "", "--strict", "--values", str(CASES[case]))

    assert done.returncode == 0, done.stdout + done.stderr


def test_objects_are_those_of_the_snapshot(case: str):
    """After a change that is meant: `python -m tests.deploy.charts`."""
    assert made(case) == objects(snapshot_of(case).read_text())


def test_every_object_is_valid_to_kubernetes(case: str, tmp_path: Path):
    files = []
    for (kind, name), each in made(case).items():
        if kind not in CUSTOM:
            file = tmp_path / f"{kind}-{name}.yaml"
            file.write_text(yaml.safe_dump(each))
            files.append(str(file))
    command = ["uvx", "--quiet", "--from", SCHEMAS, "kubernetes-validate", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_time_to_end_is_draining_and_the_last_exchanges_and_ten(case: str):
    pod = pod_of(made(case))
    env = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}

    seconds = int(env["HOLDOVER_DRAIN_SECONDS"]) + int(env["HOLDOVER_SHUTDOWN_TIMEOUT"]) + 10
    assert pod["terminationGracePeriodSeconds"] == seconds


def test_containers_are_told_settings_that_there_are(case: str):
    known = {f"HOLDOVER_{name.upper()}" for name in Settings.model_fields}
    known |= {"HOLDOVER_CONFIG", "HOLDOVER_SECRETS", "HTTPS_PROXY"}
    pods = [
        each["spec"]["template"]["spec"]
        for each in made(case).values()
        if "template" in each.get("spec", {})
    ]

    assert {each["name"] for pod in pods for each in pod["containers"][0]["env"]} <= known


def test_settings_in_the_config_map_can_be_loaded(case: str, tmp_path: Path):
    config = made(case).get(("ConfigMap", "example-holdover"))
    file = tmp_path / "holdover.toml"
    file.write_text(config["data"]["holdover.toml"] if config else "")

    assert load_settings(file)


def test_the_dashboard_is_a_config_map_for_grafanas_sidecar_if_it_is_wanted():
    options = ("--set", "dashboard.enabled=true", "--set", "dashboard.annotations.folder=Holdover")
    name = ("ConfigMap", "example-holdover-dashboard")
    config_map = made("small", *options)[name]

    assert name not in made("small")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config_map["metadata"]["annotations"] == {"folder": "Holdover"}
    assert config_map["data"] == {"holdover.json": dashboard.FILE.read_text()}


@pytest.mark.parametrize(
    "given",
    [
        "replica=2",
        "replicas=0",
        "drainSeconds=1.5",
        "image.digest=latest",
        "service.type=Cluster",
        "autoscaling.enabled=true,autoscaling.targetCPU=0",
        "replicas=2",
        "replicas=2,secrets.existingSecret=keys,state.existingClaim=state",
    ],
)
def test_values_that_cannot_work_are_refused(given: str):
    done = rendered(CASES["small"], "--set", given)

    assert done.returncode != 0
    assert re.search(r"additional propert|values\.|minimum|replica|/", done.stderr)


def test_the_version_is_that_of_holdover():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = re.search(r'^version = "(.*)"$', read("pyproject.toml"), re.MULTILINE)

    assert version
    assert (chart["version"], chart["appVersion"]) == (version[1], version[1])
