import asyncio
import shutil
import time
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.endpoints.health import StateDirectoryCheck, late_loop, loader_behind
from proxy.loop_delay import LATE_SECONDS, LoopDelay
from proxy.observability.metrics import Metrics
from proxy.security.redaction import Digester
from proxy.traffic import JournalWriter, journal_directory
from proxy.traffic.redact_bodies import BodyRecorder
from proxy.traffic.status import LoaderStatus, Recording, loader_state_in, write_status
from tests.harness import ProxyUnderTest, running_proxy
from tests.record_factory import record
from tests.waiting import wait_for

_MAX_BYTES = 10_000


def recording(state_dir: Path, *, age: float = 0, status: LoaderStatus | None = None) -> Recording:
    """Of a worker that began so many seconds ago, beside a loader that has just said this."""
    directory = journal_directory(state_dir)
    journal_writer = JournalWriter(directory, Metrics(), max_bytes=_MAX_BYTES)
    if status is not None:
        write_status(loader_state_in(directory), status)
    return Recording(
        directory=directory,
        journal_writer=journal_writer,
        contents=BodyRecorder(journal_writer, Digester("k")),
        began=time.monotonic() - age,
    )


def test_a_store_that_has_everything_is_no_reason(tmp_path: Path):
    status = LoaderStatus(at="now", complete_until="2026-11-29T12:00:00.000+00:00")

    assert loader_behind(recording(tmp_path, status=status), max_bytes=_MAX_BYTES) is None


def test_a_store_that_is_not_complete_for_minutes_is_one_and_turns_nobody_away(tmp_path: Path):
    status = LoaderStatus(at="now", problem="disk full", complete_until="2026-11-29T12:00:00+00:00")
    reason = loader_behind(recording(tmp_path, age=200, status=status), max_bytes=_MAX_BYTES)

    assert reason is not None
    assert (reason.name, reason.turns_away) == ("loader_behind", False)
    assert "200 seconds ago (disk full)" in reason.message


def test_so_is_a_journal_that_is_half_full(tmp_path: Path):
    half_full = recording(tmp_path)
    while not (reason := loader_behind(half_full, max_bytes=_MAX_BYTES)):
        half_full.journal_writer.add(record())

    assert _MAX_BYTES / 2 < half_full.state.waiting_bytes < _MAX_BYTES
    assert "(the loader is slow)" in reason.message


def test_a_loop_is_a_reason_to_turn_away_once_it_is_late():
    late = LoopDelay(lambda _: None)
    for _ in range(4):
        late._delays.append(LATE_SECONDS)
    for_a_moment = late_loop(late)
    late._delays.append(LATE_SECONDS)
    reason = late_loop(late)

    assert for_a_moment is None
    assert reason is not None
    assert (reason.name, reason.turns_away) == ("loop_late", True)
    assert "is 0.250 seconds late" in reason.message


def test_readyz_names_a_state_directory_that_is_gone_and_stays_ready(tmp_path: Path):
    with running_proxy(state_dir=tmp_path / "state", traffic=False) as proxy:
        (tmp_path / "state").mkdir()
        before = ready(proxy)
        shutil.rmtree(tmp_path / "state")
        after = ready(proxy)

    assert (before.status_code, before.json()["reasons"]) == (200, [])
    assert (after.status_code, after.json()["status"]) == (200, "ready")
    (reason,) = after.json()["reasons"]
    assert reason["name"] == "state_directory_missing"
    assert f"{tmp_path}/state" in reason["message"]


def test_a_state_directory_that_was_made_again_is_a_reason_until_the_restart(tmp_path: Path):
    check = StateDirectoryCheck(tmp_path / "state")
    (tmp_path / "state").mkdir()
    first = check()
    (tmp_path / "state").rename(tmp_path / "moved")
    (tmp_path / "state").mkdir()
    again = check()

    assert first is None
    assert again is not None
    assert (again.name, again.turns_away) == ("state_directory_replaced", False)
    assert StateDirectoryCheck(tmp_path / "state")() is None


def ready(proxy: ProxyUnderTest) -> httpx.Response:
    return proxy.client.get(f"{proxy.url}/readyz")


class Blocking:
    """An application in front of another one, with a page that keeps the loop busy from then on."""

    is_over = False

    def __call__(self, app: ASGIApp) -> ASGIApp:
        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("path") == "/block":
                self.block(asyncio.get_running_loop())
            await app(scope, receive, send)

        return front

    def block(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take longer than a loop may be late, and do so again."""
        until = time.monotonic() + 2 * LATE_SECONDS
        while time.monotonic() < until and not self.is_over:
            pass
        if not self.is_over:
            loop.call_later(0.01, self.block, loop)


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_a_late_loop_is_told_by_the_worker_that_has_it():
    blocking = Blocking()
    with running_proxy(None, blocking, traffic=False) as proxy:
        proxy.client.get(f"{proxy.url}/block")
        unready = wait_for(lambda: answer if (answer := ready(proxy)).status_code == 503 else None)
        alive = proxy.client.get(f"{proxy.url}/healthz")
        blocking.is_over = True
        wait_for(lambda: ready(proxy).status_code == 200)
        metrics = proxy.client.get(f"{proxy.url}/metrics").text

    assert unready.json()["status"] == "not_ready"
    assert "loop_late" in {reason["name"] for reason in unready.json()["reasons"]}
    assert (alive.status_code, alive.json()["status"]) == (200, "alive")
    assert alive.json()["loop_delay"]["worst_seconds"] >= LATE_SECONDS
    assert "holdover_loop_delay_seconds 0.0\n" not in metrics
