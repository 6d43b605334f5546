"""What a worker finds wrong, and that each such thing has its entry in the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from proxy.config.build import digester_of
from proxy.config.reload import ConfigReloader, ConfigVersion
from proxy.config.sources import load_settings
from proxy.endpoints.page_types import Reason
from proxy.notices.kinds import KINDS, Problem
from proxy.notices.problems import ProblemFinder, RecentLosses
from proxy.observability.metrics import Metrics
from proxy.rollout import RetiringModel
from proxy.traffic import JournalWriter, journal_directory
from proxy.traffic.redact_bodies import BodyRecorder
from proxy.traffic.status import LoaderStatus, Recording, loader_state_in, write_status
from proxy.workers.guards import Guards, Trip
from proxy.workers.key_health import KeyHealth
from proxy.workers.shared_state import SharedState
from tests.record_factory import record

ROOT = Path(__file__).parents[3]
GUARDED: dict[str, Any] = {
    "rollout": [{"name": "canary", "action": "translate", "guard": {"errors_above": 5}}]
}


def finder(state_dir: Path, *, losses: RecentLosses | None = None, **parts: Any) -> ProblemFinder:
    """Of a worker to which nothing has happened yet."""
    settings = load_settings(upstream_key="sk-1", upstream_url="https://up.invalid", **GUARDED)
    metrics, digester = Metrics(), digester_of(settings)
    shared_state = SharedState(state_dir / "shared")
    guards = Guards(shared_state, metrics)
    given: dict[str, Any] = {
        "reloader": ConfigReloader(settings, digester, guards, None, metrics),
        "guards": guards,
        "keys": KeyHealth(shared_state, metrics),
        "recording": None,
        "losses": losses or RecentLosses(metrics),
        "checks": [],
        "retiring": lambda: (),
    }
    return ProblemFinder(**(given | parts))


def only(find: ProblemFinder) -> Problem:
    (problem,) = find()
    assert problem.kind in KINDS
    return problem


def test_where_all_is_well_there_is_none(tmp_path: Path):
    assert list(finder(tmp_path)()) == []


def test_bad_settings_are_one(tmp_path: Path):
    find = finder(tmp_path)
    before = find.reloader.version
    find.reloader.version = ConfigVersion(
        digest=None, loaded=before.loaded, problem="line 1: port: no\nline 2: host: no"
    )
    problem = only(find)

    assert problem.kind == "settings_bad"
    assert "stay in force: line 1: port: no; line 2: host: no." in problem.text


def test_a_tripped_guard_is_one(tmp_path: Path):
    find = finder(tmp_path)
    find.guards.trips = {"canary": Trip("canary", "now", "12 % of 50 failed")}
    find.guards.tripped = frozenset({"canary"})

    assert only(find) == Problem(
        "guard_tripped",
        "The guard of canary has taken its share to zero: 12 % of 50 failed.",
        "canary",
    )


def test_a_key_that_is_refused_is_one_until_it_is_accepted(tmp_path: Path):
    find = finder(tmp_path)
    to = find.reloader.config.keyring.identify([]).messages
    find.keys.observe(to, 401)
    problem = only(find)
    find.keys.observe(to, 200)

    assert (problem.kind, problem.subject) == ("key_refused", "upstream_key")
    assert "https://up.invalid refuses the key in upstream_key (status 401)" in problem.text
    assert list(find()) == []


def test_each_reason_of_readyz_is_one(tmp_path: Path):
    page = (ROOT / "proxy/endpoints/health.py").read_text()
    names = set(re.findall(r'Reason\(\s*"(\w+)"', page)) - {"draining"}
    checks = [lambda name=name: Reason(name, "It is so.") for name in sorted(names)]
    found = list(finder(tmp_path, checks=[*checks, lambda: None])())

    assert len(names) > 4
    assert [each.kind for each in found] == sorted(names)
    assert names <= KINDS.keys()


def test_trouble_with_the_evidence_is_one(tmp_path: Path):
    directory = journal_directory(tmp_path)
    losses = RecentLosses(Metrics())
    writer = JournalWriter(directory, losses, max_bytes=10_000)
    recording = Recording(
        directory=directory,
        journal_writer=writer,
        contents=BodyRecorder(writer, digester_of(load_settings())),
    )
    find = finder(tmp_path, recording=recording, losses=losses)
    well = list(find())
    writer.problem = "No space left on device"
    journal = only(find)
    writer.problem = None
    write_status(loader_state_in(directory), LoaderStatus(at="now", problem="no such host"))
    store = only(find)
    write_status(loader_state_in(directory), LoaderStatus(at="now"))
    while not losses.are_recent:  # until the journal is full, and its oldest file is dropped
        writer.add(record())
        writer.end_old(-1)
    lost = only(find)

    assert well == []
    assert journal.kind == "journal_failed"
    assert "(No space left on device)" in journal.text
    assert store == Problem("store_failed", "Records do not get into the store: no such host.")
    assert lost.kind == "records_lost"


def test_a_loss_is_recent_for_five_minutes_and_counted_where_it_always_was():
    now, metrics = [0.0], Metrics()
    losses = RecentLosses(metrics, clock=lambda: now[0])
    before = losses.are_recent
    losses.records_lost(3)
    losses.journal_dropped("contents", 10)
    now[0] = 299
    recent = losses.are_recent
    now[0] = 300

    assert (before, recent, losses.are_recent) == (False, True, False)
    assert "holdover_records_lost_total 3.0" in metrics.as_text().decode()
    assert 'bytes_total{kind="contents"} 10.0' in metrics.as_text().decode()


def test_a_model_that_retires_in_two_weeks_is_one(tmp_path: Path):
    def retiring(days: int) -> RetiringModel:
        return RetiringModel(
            model=f"m{days}",
            retires="2026-12-01",
            days=days,
            successor=None,
            settings=(),
            rules=("r",),
            callers=(),
        )

    find = finder(tmp_path, retiring=lambda: (retiring(14), retiring(15)))

    assert only(find) == Problem("model_retires", "m14 retires on 2026-12-01, and is asked.", "m14")


def test_every_kind_has_its_entry_in_the_runbook():
    headings = re.findall(r"^## (.*)$", (ROOT / "deploy/RUNBOOK.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}

    assert {kind.runbook for kind in KINDS.values()} <= anchors
    assert "a-notice-does-not-arrive" in anchors
