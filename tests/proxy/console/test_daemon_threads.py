"""Calls wait for a free thread, and those that nobody wants any more are not begun."""

import threading
import time

import pytest

from proxy.console.daemon_threads import DaemonThreads
from tests.waiting import PATIENCE_SECONDS


def test_a_call_that_is_cancelled_before_a_thread_is_free_is_not_made():
    threads, released, made = DaemonThreads(1), threading.Event(), list[str]()
    running = threads.submit(released.wait, PATIENCE_SECONDS)
    cancelled = threads.submit(made.append, "cancelled")
    wanted = threads.submit(made.append, "wanted")

    assert cancelled.cancel()
    released.set()
    assert running.result(PATIENCE_SECONDS)
    wanted.result(PATIENCE_SECONDS)
    threads.end(time.monotonic() + PATIENCE_SECONDS)

    assert made == ["wanted"]
    with pytest.raises(RuntimeError, match="after the shutdown"):
        threads.submit(made.append, "late")
