"""How it stands with what is on its way into the store."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.observability.metrics import Metrics
from proxy.security.redaction import Digester
from proxy.traffic import JournalWriter, journal_directory
from proxy.traffic.redact_bodies import BodyRecorder
from proxy.traffic.status import LoaderStatus, Recording, loader_state_in, write_status
from tests.current_state import current_state
from tests.record_factory import record


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return journal_directory(tmp_path)


def evidence(directory: Path, *, age: float = 0) -> Recording:
    """Of a worker that began so many seconds ago."""
    metrics = Metrics()
    journal_writer = JournalWriter(directory, metrics, max_bytes=10**6)
    contents = BodyRecorder(journal_writer, Digester("k"))
    began = time.monotonic() - age
    return Recording(
        directory=directory, journal_writer=journal_writer, contents=contents, began=began
    )


def said(directory: Path, *, age: float, **fields: Any) -> None:
    """By the loader, so many seconds ago."""
    shared_state = loader_state_in(directory)
    write_status(shared_state, LoaderStatus(at="then", **fields))
    then = time.time() - age
    os.utime(directory.parent / "loader" / "status", (then, then))


@pytest.mark.parametrize("age", [0, 20, -20])
def test_a_loader_that_spoke_just_now_is_believed(directory, age):
    said(directory, age=age)
    state = evidence(directory, age=100).state

    assert state.loader == LoaderStatus(at="then")
    assert abs(state.silent_seconds - abs(age)) < 10


@pytest.mark.parametrize("age", [60, 10**5, -60])
def test_a_loader_that_is_silent_is_a_problem_whatever_it_said_last(directory, age):
    said(directory, age=age, rows=3)
    of_evidence = evidence(directory, age=10**7)
    state = of_evidence.state

    assert state.loader is not None
    assert state.loader.problem == "the loader has not reported since then"
    assert state.loader.rows == 3
    text = Metrics().as_text(current_state(state))
    assert b"holdover_store_failed 1.0" in text
    assert f"holdover_loader_silent_seconds {state.silent_seconds}".encode() in text


def test_a_loader_that_never_spoke_is_a_problem_after_a_while(directory):
    young, old = evidence(directory).state, evidence(directory, age=60).state

    assert young.loader is None
    assert old.loader is not None
    assert old.loader.problem == "the loader has not reported since the start"


def test_what_the_loader_of_before_said_is_no_problem_of_a_young_worker(directory):
    said(directory, age=10**6)

    assert evidence(directory).state.loader == LoaderStatus(at="then")


@pytest.mark.parametrize(("read", "waiting"), [(0, 0), (100, 100), (10**6, None)])
def test_what_is_in_the_store_does_not_wait_for_it(directory, read, waiting):
    of_evidence = evidence(directory)
    of_evidence.journal_writer.add(record())
    size = of_evidence.state.waiting_bytes
    said(directory, age=0, read_bytes=read)
    state = of_evidence.state
    of_evidence.close()

    assert size == len(msgspec.msgpack.encode(record())) + 12
    assert state.waiting_bytes == (0 if waiting is None else size - waiting)
