"""Notices of a whole server: one for both workers, and never in the way of an exchange."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.fleet import running_fleet
from tests.servers import free_port
from tests.waiting import wait_for
from tests.webhook import Received, Webhook, receiving

pytestmark = pytest.mark.unmeasured


def test_two_workers_that_cannot_read_the_settings_send_one_notice(tmp_path: Path):
    with receiving() as webhook, running_fleet(tmp_path, webhook.toml, workers=2) as fleet:
        fleet.write(fleet.text("nonsense = 1", webhook.toml))
        fleet.wait_for_problem("nonsense")
        webhook.wait_for("settings_bad.began")
        wait_for(lambda: fleet.number("holdover_notices_total", outcome="sent") == 1)
        workers = fleet.workers
        fleet.line("notice_sent")
        fleet.stop()

    (received,) = webhook.received
    assert received.is_signed
    assert "nonsense" in received.notice["text"]
    assert worker_of(received) in workers
    assert "hidden" not in fleet.log.read_text()


def test_a_key_that_is_refused_is_told_without_the_key(tmp_path: Path):
    with receiving() as webhook:
        settings = f'{webhook.toml}upstream_key = "sk-ant-wrong-and-secret"\n'
        with running_fleet(tmp_path, settings, workers=2) as fleet:
            fleet.post({"simulate-error": "401"})
            (received,) = webhook.wait_for("key_refused.began")

    assert "upstream_key" in received.notice["text"]
    assert b"sk-ant" not in received.body


def test_a_receiver_that_hangs_costs_no_answer_and_no_time_at_the_end(tmp_path: Path):
    webhook = Webhook(hangs=threading.Event())
    with receiving(webhook), running_fleet(tmp_path, webhook.toml, workers=2) as fleet:
        fleet.write(fleet.text("nonsense = 1", webhook.toml))
        wait_for(lambda: webhook.received)
        answers = [fleet.post().status_code for _ in range(20)]
        began = time.monotonic()
        status = fleet.stop()
        took = time.monotonic() - began

    assert answers == [200] * 20
    assert status == 0
    assert took < 8  # an attempt may take ten


def test_a_receiver_that_is_named_while_the_server_runs_hears_what_is_wrong_already(
    tmp_path: Path,
):
    webhook = Webhook(port=free_port())
    with receiving(webhook), running_fleet(tmp_path, 'upstream_key = "sk-1"', workers=2) as fleet:
        fleet.post({"simulate-error": "401"})
        with fleet.changing():
            fleet.write(fleet.text("", f'{webhook.toml}upstream_key = "sk-1"'))
        webhook.wait_for("key_refused.began")


def test_where_the_worker_that_sends_is_killed_another_one_goes_on_and_repeats_nothing(
    tmp_path: Path,
):
    key = 'upstream_key = "sk-1"\n'
    with receiving() as webhook:
        settings = webhook.toml + key
        with running_fleet(tmp_path, settings, workers=2) as fleet:
            fleet.write(fleet.text("nonsense = 1", settings))
            (first,) = webhook.wait_for("settings_bad.began")
            fleet.line("notice_sent")  # else the other one would send it again, to be sure
            sender = worker_of(first)
            os.kill(sender, signal.SIGKILL)
            fleet.wait_for_successor(sender)
            fleet.post({"simulate-error": "401"})
            _, second = webhook.wait_for("settings_bad.began", "key_refused.began")

    assert worker_of(second) != sender


def worker_of(received: Received) -> int:
    """The process that has sent this."""
    instance: str = received.notice["data"]["instance"]
    return int(instance.partition("/")[2])
