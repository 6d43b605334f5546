import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.endpoints.health import late_loop, loader_behind, missing_state_dir
from proxy.loop_delay import LATE_SECONDS, LoopDelay
from proxy.observability.metrics import Metrics
from proxy.security.redaction import Digester
from proxy.traffic import JournalWriter, journal_directory
from proxy.traffic.redact_bodies import BodyRecorder
from proxy.traffic.status import LoaderStatus, Recording, loader_state_in, write_status
from tests.harness import ProxyUnderTest, running_proxy
from tests.record_factory import record
from tests.servers import fetch
from tests.waiting import PATIENCE_SECONDS, wait_for

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
    late._delays.append(LATE_SECONDS)
    reason = late_loop(late)

    assert late_loop(LoopDelay(lambda _: None)) is None
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


def test_a_directory_that_is_there_is_no_reason(tmp_path: Path):
    assert missing_state_dir(tmp_path) is None


def ready(proxy: ProxyUnderTest) -> httpx.Response:
    return proxy.client.get(f"{proxy.url}/readyz")


class Blocking:
    """An application in front of another one that blocks the loop until it is released."""

    def __init__(self) -> None:
        self.blocked, self.released = threading.Event(), threading.Event()

    def __call__(self, app: ASGIApp) -> ASGIApp:
        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("path") == "/block":
                self.blocked.set()
                assert self.released.wait(PATIENCE_SECONDS)
            await app(scope, receive, send)

        return front

    def ask_meanwhile(self, url: str) -> httpx.Response:
        """Block the loop for longer than it may be late; return what is answered next."""
        self.blocked.clear()
        self.released.clear()
        with ThreadPoolExecutor() as clients:
            clients.submit(fetch, "GET", url.rpartition("/")[0] + "/block")
            assert self.blocked.wait(PATIENCE_SECONDS)
            asked, began = clients.submit(fetch, "GET", url), time.monotonic()
            wait_for(lambda: time.monotonic() > began + 2 * LATE_SECONDS)
            self.released.set()
        return asked.result()


def test_a_late_loop_is_told_by_the_worker_that_has_it():
    blocking = Blocking()
    with running_proxy(None, blocking, traffic=False) as proxy:

        def is_not_ready() -> bool:
            answer = blocking.ask_meanwhile(f"{proxy.url}/readyz")
            assert (answer.status_code == 503) is (answer.json()["status"] == "not_ready")
            return answer.status_code == 503

        def is_alive_but_late() -> bool:
            answer = blocking.ask_meanwhile(f"{proxy.url}/healthz")
            assert (answer.status_code, answer.json()["status"]) == (200, "alive")
            return bool(answer.json()["loop_delay"]["seconds"] >= LATE_SECONDS)

        wait_for(is_not_ready)  # the answer may be asked for when the loop is on time again
        wait_for(is_alive_but_late)
        worst = proxy.client.get(f"{proxy.url}/healthz").json()["loop_delay"]["worst_seconds"]
        metrics = proxy.client.get(f"{proxy.url}/metrics").text

    assert worst >= LATE_SECONDS
    assert "holdover_loop_delay_seconds 0.0\n" not in metrics
