"""The systemd unit and the Compose file, as far as they can be judged without running them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import dashboard

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = ("holdover.service", "holdover-console.service")
COMPOSE = DEPLOY / "compose" / "compose.yaml"


@pytest.fixture
def _systemd() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine")


@pytest.mark.usefixtures("_systemd")
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_exposes_little(unit: str):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", DEPLOY / unit],
        capture_output=True,
        text=True,
        check=True,
    )
    level = re.search(rf"exposure level for {unit}: ([\d.]+)", done.stdout)

    assert level
    assert float(level[1]) <= 2


@pytest.mark.usefixtures("_systemd")
def test_units_have_no_mistakes(tmp_path: Path):
    for name in (*UNITS, "holdover.socket"):
        # A program that is there takes the place of ours, which is not installed.
        text = (DEPLOY / name).read_text().replace("/opt/holdover/bin/holdover", "/bin/true")
        (tmp_path / name).write_text(text)
    files = sorted(tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line for line in done.stderr.splitlines() if str(tmp_path) in line] == []
    assert done.returncode == 0, done.stderr


def test_the_console_has_the_user_and_the_state_of_the_server():
    """A unit with DynamicUser=yes and no User= has a user of its own name."""
    server, console = ((DEPLOY / unit).read_text() for unit in UNITS)
    same = r"^(?:DynamicUser|StateDirectory\w*|UMask|LoadCredential=HOLDOVER_DIGEST_KEY)[=:].*"

    assert "User=holdover\n" in console
    assert "\nUser=" not in server
    found = [re.findall(same, text, re.MULTILINE) for text in (server, console)]
    assert len(found[0]) == 5
    assert sorted(found[0]) == sorted(found[1])


def test_the_compose_file_is_one():
    done = subprocess.run(
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_grafana_is_given_the_dashboard_and_its_data_source_and_can_change_neither():
    service = yaml.safe_load(COMPOSE.read_text())["services"]["grafana"]
    binds = {each["target"]: each for each in service["volumes"] if each["type"] == "bind"}
    provisioning = COMPOSE.parent / binds["/etc/grafana/provisioning"]["source"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/holdover.yaml").read_text())[
        "providers"
    ]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    dashboards = COMPOSE.parent / binds[provider["options"]["path"]]["source"]

    assert all(each["read_only"] for each in binds.values())
    assert [each.resolve() for each in dashboards.iterdir()] == [dashboard.FILE]
    assert source["type"] == "prometheus"
    assert source["isDefault"]  # so that the dashboard's variable begins with it


def test_what_compose_mounts_is_there_or_made_by_the_documented_commands():
    compose = yaml.safe_load(COMPOSE.read_text())
    text = (DEPLOY / "README.md").read_text()
    mounts = [each for service in compose["services"].values() for each in service["volumes"]]
    binds = [each["source"] for each in mounts if each["type"] == "bind"]
    secrets = [each["file"] for each in compose["secrets"].values()]

    for source in (*binds, *secrets):
        is_there = (COMPOSE.parent / source).exists()
        assert is_there or Path(source).name in text or source.startswith("../"), source
    assert all(
        port.startswith("127.0.0.1:")
        for each in compose["services"].values()
        for port in each.get("ports", ())
    )
