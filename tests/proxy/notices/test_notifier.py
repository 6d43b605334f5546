"""Notices on their way: workers that share a directory, and receivers that fail."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest
from anyio.from_thread import start_blocking_portal
from structlog.testing import capture_logs

from proxy.config.build import build_runtime_config
from proxy.config.runtime import NoticeReceiver
from proxy.config.sources import load_settings
from proxy.notices.kinds import Problem
from proxy.notices.ledger import Pace
from proxy.notices.notice import trial_notice
from proxy.notices.notifier import Notifier
from proxy.security.redaction import Digester
from proxy.workers.shared_state import SharedState
from tests.servers import free_port
from tests.waiting import PATIENCE_SECONDS, wait_for
from tests.webhook import SECRET, Webhook, receiving

PACE = Pace(
    look=0.02, over=0.2, between=0.2, retry=0.02, longest_retry=0.1, give_up=PATIENCE_SECONDS
)
TRIPPED = Problem("guard_tripped", "The share of canary is zero: it failed.", "canary")
BAD = Problem("settings_bad", "The file is bad.")


class Worker:
    """A worker with problems, and the notices that it sends."""

    def __init__(self, directory: Path, webhook: Webhook, pace: Pace = PACE) -> None:
        self.problems: list[Problem] = []
        self.counted: list[str] = []
        self.receiver: NoticeReceiver | None = receiver_at(webhook.url)
        self.notifier = Notifier(
            receiver=lambda: self.receiver,
            find_problems=lambda: iter(self.problems),
            shared_state=SharedState(directory),
            observer=self,
            pace=pace,
        )

    def notice_ended(self, outcome: str) -> None:
        """Keep what is counted."""
        self.counted.append(outcome)

    @contextmanager
    def running(self) -> Iterator[Worker]:
        """Run as in a server, until it is told to stop."""
        with start_blocking_portal() as portal:
            works = (self.notifier.keep_looking, self.notifier.keep_sending)
            tasks = [portal.start_task_soon(work) for work in works]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                portal.call(self.notifier.close)


def receiver_at(url: str) -> NoticeReceiver:
    settings = load_settings(notify_url=url, notify_secret=SECRET)
    receiver = build_runtime_config(settings, Digester(None)).receiver
    assert receiver is not None
    return receiver


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with receiving() as running:
        yield running


def test_a_notice_is_signed_and_says_when_it_is_over(tmp_path: Path, webhook: Webhook):
    with Worker(tmp_path, webhook).running() as worker:
        worker.problems = [TRIPPED]
        webhook.wait_for("guard_tripped.began")
        worker.problems = []
        began, ended = webhook.wait_for("guard_tripped.began", "guard_tripped.ended")
        wait_for(lambda: len(worker.counted) == 2)  # the receiver has it before its answer is read

    assert began.is_signed
    assert ended.is_signed
    assert began.path == "/hidden/path?and=query"
    assert began.headers["content-type"] == "application/json"
    assert began.headers["webhook-id"] == began.notice["data"]["id"]
    assert began.notice["data"]["id"] != ended.notice["data"]["id"]
    assert worker.counted == ["sent", "sent"]


def test_what_is_not_taken_is_sent_again_with_the_same_id_and_in_order(
    tmp_path: Path, webhook: Webhook
):
    webhook.statuses = [503, 302, 410]
    with Worker(tmp_path, webhook).running() as worker:
        worker.problems = [TRIPPED]
        wait_for(lambda: webhook.received)
        worker.problems = [TRIPPED, BAD]
        received = webhook.wait_for(*["guard_tripped.began"] * 4, "settings_bad.began")
        wait_for(lambda: len(worker.counted) == 5)

    assert len({each.headers["webhook-id"] for each in received[:4]}) == 1
    assert all(each.is_signed and each.path.startswith("/hidden") for each in received)
    assert worker.counted == ["failed"] * 3 + ["sent"] * 2


def test_a_receiver_that_is_not_there_yet_gets_it_later(tmp_path: Path):
    later = Webhook(port=free_port())
    with capture_logs() as lines, Worker(tmp_path, later).running() as worker:
        worker.problems = [TRIPPED]
        wait_for(lambda: worker.counted)
        with receiving(later):
            later.wait_for("guard_tripped.began")
            wait_for(lambda: "sent" in worker.counted)

    failed = next(line for line in lines if line["event"] == "notice_failed")
    assert f"127.0.0.1:{later.port}: it refuses connections" in failed["reason"]
    assert "hidden" not in str(lines)
    assert "upstream_unreachable" not in str(lines)


def test_a_notice_is_dropped_after_the_limit_and_that_is_said(tmp_path: Path, webhook: Webhook):
    webhook.statuses = [500] * 10_000
    pace = Pace(look=0.02, retry=0.01, longest_retry=0.05, give_up=0.3)
    with capture_logs() as lines, Worker(tmp_path, webhook, pace).running() as worker:
        worker.problems = [TRIPPED]
        wait_for(lambda: "dropped" in worker.counted)

    dropped = next(line for line in lines if line["event"] == "notice_dropped")
    assert dropped["reason"] == f"http://127.0.0.1:{webhook.port} answered 500"
    assert dropped["notice"] == "guard_tripped.began"
    assert set(worker.counted) == {"failed", "dropped"}
    assert worker.counted.count("dropped") == 1


def test_what_lasts_is_told_anew_after_its_notice_was_dropped(tmp_path: Path, webhook: Webhook):
    pace = Pace(look=0.02, over=0.05, between=0.1, retry=0.01, longest_retry=0.05, give_up=0.3)
    webhook.statuses = [500] * 10_000
    with capture_logs() as lines, Worker(tmp_path, webhook, pace).running() as worker:
        worker.problems = [TRIPPED]
        wait_for(lambda: "dropped" in worker.counted)
        webhook.statuses = []
        wait_for(lambda: "sent" in worker.counted)
        webhook.statuses = [500] * 10_000
        worker.problems = []
        wait_for(lambda: worker.counted[-1] == "dropped")

    dropped = [line["notice"] for line in lines if line["event"] == "notice_dropped"]
    sent = [line["notice"] for line in lines if line["event"] == "notice_sent"]
    assert (dropped[0], sent, dropped[-1]) == (
        "guard_tripped.began",
        ["guard_tripped.began"],
        "guard_tripped.ended",
    )


def test_a_receiver_that_hangs_is_given_up_and_tried_again(tmp_path: Path, webhook: Webhook):
    webhook.hangs = threading.Event()
    pace = Pace(look=0.02, retry=0.01, longest_retry=0.05, attempt=0.1)
    with capture_logs() as lines, Worker(tmp_path, webhook, pace).running() as worker:
        worker.problems = [TRIPPED]
        wait_for(lambda: len(webhook.received) > 1)

    failed = next(line for line in lines if line["event"] == "notice_failed")
    assert failed["reason"] == f"http://127.0.0.1:{webhook.port} did not answer in 0.1 seconds"


def test_two_workers_that_see_the_same_send_one_notice(tmp_path: Path, webhook: Webhook):
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(tmp_path, webhook).running()) for _ in range(2)]
        for each in workers:
            each.problems = [TRIPPED]
        webhook.wait_for("guard_tripped.began")
        workers[0].problems = []
        workers[1].problems = [TRIPPED, BAD]
        webhook.wait_for("guard_tripped.began", "settings_bad.began")
        workers[1].problems = []
        wait_for(lambda: len(webhook.received) == 4, about=webhook.types)
        wait_for(lambda: sum(len(each.counted) for each in workers) == 4)

    assert sorted(webhook.types()[2:]) == ["guard_tripped.ended", "settings_bad.ended"]
    assert sorted(len(each.counted) for each in workers) == [0, 4]


def test_the_next_worker_goes_on_where_the_one_before_it_ended(tmp_path: Path, webhook: Webhook):
    webhook.statuses = [500] * 10_000
    patient = Pace(look=0.02, over=0.2, between=0.2, retry=PATIENCE_SECONDS)
    with Worker(tmp_path, webhook, patient).running() as first:
        first.problems = [TRIPPED]
        wait_for(lambda: first.counted)
    webhook.statuses = []
    with Worker(tmp_path, webhook).running() as second:
        second.problems = [TRIPPED]
        tried, sent = webhook.wait_for(*["guard_tripped.began"] * 2)
        second.problems = []
        webhook.wait_for(*["guard_tripped.began"] * 2, "guard_tripped.ended")

    assert tried.headers["webhook-id"] == sent.headers["webhook-id"]
    assert tried.body == sent.body


def test_what_another_version_has_left_is_no_hindrance(tmp_path: Path, webhook: Webhook):
    notes = SharedState(tmp_path)
    notes.publish("problems", b'[{"kind": "of_tomorrow", "text": "?"}]')
    SharedState(tmp_path).publish("problems", b"not JSON")
    notes.write("notices/kept", b'{"told": 1}')
    notes.write("notices/of_tomorrow", b"?")
    with Worker(tmp_path, webhook).running() as worker:
        worker.problems = [TRIPPED]
        webhook.wait_for("guard_tripped.began")


@pytest.mark.parametrize("when", ["yesterday", "2026-11-30T12:00:00"], ids=["no-time", "no-zone"])
def test_a_notice_of_no_known_time_ends_no_worker(tmp_path: Path, webhook: Webhook, when: str):
    notice = msgspec.to_builtins(trial_notice("web-1/1")) | {"timestamp": when}
    kept = msgspec.json.encode({"told": [], "waiting": [notice]})
    SharedState(tmp_path).write("notices/kept", kept)
    with Worker(tmp_path, webhook).running() as worker:
        worker.problems = [TRIPPED]
        webhook.wait_for("guard_tripped.began")


@pytest.mark.parametrize("is_at_work", [False, True], ids=["before", "meanwhile"])
def test_what_a_worker_that_has_ended_saw_is_forgotten(
    tmp_path: Path, webhook: Webhook, is_at_work: bool
):
    ended, at_work = SharedState(tmp_path), Worker(tmp_path, webhook)
    if is_at_work:
        at_work.notifier.look()
    ended.publish("problems", msgspec.json.encode([BAD]))
    (note,) = (tmp_path / "problems").iterdir()
    os.utime(note, (1, 1))
    at_work.problems = [TRIPPED]
    at_work.notifier.look()

    assert [each.type for each in at_work.notifier._waiting] == ["guard_tripped.began"]
    assert not note.exists()


def test_what_was_seen_before_the_clock_was_set_back_is_not_believed(
    tmp_path: Path, webhook: Webhook
):
    ended, at_work = SharedState(tmp_path), Worker(tmp_path, webhook)
    ended.publish("problems", msgspec.json.encode([BAD]))
    (note,) = (tmp_path / "problems").iterdir()
    os.utime(note, (2**33, 2**33))
    at_work.problems = [TRIPPED]
    at_work.notifier.look()

    assert [each.type for each in at_work.notifier._waiting] == ["guard_tripped.began"]


def test_too_many_that_wait_are_dropped_the_oldest_first(tmp_path: Path):
    nowhere = Webhook(port=free_port())
    worker = Worker(tmp_path, nowhere, Pace(over=0, between=0))
    for number in range(70):
        worker.problems = [Problem("guard_tripped", f"{number}.", str(number))]
        worker.notifier.look()
    waiting = [each.data.problems[0].subject for each in worker.notifier._waiting]

    assert len(waiting) == 64
    assert waiting[0] == "0"  # which may be on its way just now
    assert set(worker.counted) == {"dropped"}


def test_nobody_is_told_while_nobody_wants_to_know_and_later_what_is_still_so(
    tmp_path: Path, webhook: Webhook
):
    worker = Worker(tmp_path, webhook)
    receiver, worker.receiver = worker.receiver, None
    worker.problems = [TRIPPED, BAD]
    with worker.running():
        worker.problems = [BAD]
        worker.receiver = receiver
        webhook.wait_for("settings_bad.began")
        wait_for(lambda: worker.counted)
        worker.problems = []
        worker.receiver = None
        wait_for(lambda: not worker.notifier._has_waiting.is_set())


def test_a_bug_in_looking_or_sending_ends_neither(tmp_path: Path, webhook: Webhook):
    worker = Worker(tmp_path, webhook)
    crashes = iter([ZeroDivisionError(), KeyError("x")])
    receiver, no_bytes = worker.receiver, cast("bytes", None)
    worker.receiver = NoticeReceiver(origin=webhook.url, target=b"/", secret=no_bytes)

    def find() -> Iterator[Problem]:
        for crash in crashes:
            raise crash
        yield TRIPPED

    worker.notifier.find_problems = find
    with capture_logs() as lines, worker.running():
        wait_for(lambda: worker.counted)
        worker.receiver = receiver
        webhook.wait_for("guard_tripped.began")

    crashed = [line["error"] for line in lines if line["event"] == "notices_crashed"]
    assert crashed[:3] == ["ZeroDivisionError", "KeyError", "TypeError"]


def test_certificates_that_cannot_be_read_are_why_nothing_was_sent(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with capture_logs() as lines, Worker(tmp_path, webhook).running() as worker:
        worker.problems = [TRIPPED]
        wait_for(lambda: worker.counted)
        monkeypatch.delenv("SSL_CERT_FILE")
        webhook.wait_for("guard_tripped.began")

    failed = next(line for line in lines if line["event"] == "notice_failed")
    assert "SSL_CERT_FILE: /nowhere.pem" in failed["reason"]
