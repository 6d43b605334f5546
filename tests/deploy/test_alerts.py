"""The alerts: real Prometheus rules, over metrics that there are, each with an entry to read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from proxy.observability.metrics import Metrics
from proxy.traffic.status import RecordingStatus
from tests.current_state import current_state

ROOT: Final = Path(__file__).parents[2]
ALERTS: Final = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
CASES: Final = ROOT / "tests/deploy/alerts.test.yaml"
NAMES: Final = re.findall(r"- alert: (\w+)", ALERTS)


def test_alerts_fire_when_they_should_and_only_then():
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("there is no promtool on this machine: apt-get install prometheus")
    done = subprocess.run(
        [promtool, "test", "rules", CASES], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case():
    cases = CASES.read_text()

    assert [name for name in NAMES if f'alertname="{name}"' not in cases] == []


def test_every_alert_has_its_entry_in_the_runbook():
    headings = re.findall(r"^## (.*)$", (ROOT / "deploy/RUNBOOK.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
    linked = re.findall(r"runbook: RUNBOOK\.md#(\S+)", ALERTS)

    assert len(linked) == len(NAMES)
    assert [anchor for anchor in linked if anchor not in anchors] == []


def test_every_metric_of_an_alert_is_exported():
    recording = RecordingStatus(
        problem=None, waiting_bytes=0, loader=None, silent_seconds=0, behind_seconds=0
    )
    text = Metrics().as_text(current_state(recording)).decode()
    exported = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))

    assert sorted(set(re.findall(r'(?<!")holdover_\w+', ALERTS)) - exported) == []
