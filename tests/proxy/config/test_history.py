import os
import stat
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from proxy.config.history import SettingsHistory, history_of


def versions(history: SettingsHistory) -> list[str]:
    return [change.version for change in history.read()]


def test_there_is_no_history_before_the_first_change(tmp_path: Path):
    assert history_of(tmp_path, tmp_path / "holdover.toml").read() == []


def test_changes_are_read_as_they_were_written_down(tmp_path: Path):
    history = SettingsHistory(tmp_path / "state")
    history.add("a", ["share of canary: 5 -> 25 %"])
    history.add("b", [])

    assert [(each.version, each.changes) for each in history.read()] == [
        ("a", ("share of canary: 5 -> 25 %",)),
        ("b", ()),
    ]
    assert history.read()[0].at[:2] == "20"


def test_workers_that_read_the_same_version_write_it_down_once(tmp_path: Path):
    one, other = SettingsHistory(tmp_path), SettingsHistory(tmp_path)
    for worker in (one, other, one):
        worker.add("a", ["x"])
    other.add("b", ["y"])
    one.add("a", ["x"])

    assert versions(one) == ["a", "b", "a"]


def test_who_has_changed_something_is_kept_with_it(tmp_path: Path):
    history = SettingsHistory(tmp_path)
    history.add("a", ["x"], "alice@web-1")
    history.add("a", ["x"])
    history.add("a", ["x"], "bob@web-1")
    history.add("b", ["y"])

    assert [(each.version, each.by) for each in history.read()] == [
        ("a", "alice@web-1"),
        ("b", None),
    ]


def test_a_worker_that_is_faster_does_not_keep_the_name_out(tmp_path: Path):
    history = SettingsHistory(tmp_path)
    history.add("a", ["x"])
    history.add("b", ["share of canary: 5 -> 25 %"])
    history.add("b", ["share of canary: 5 -> 25 %"], "alice@web-1")

    assert [(each.version, each.changes, each.by) for each in history.read()] == [
        ("a", ("x",), None),
        ("b", ("share of canary: 5 -> 25 %",), "alice@web-1"),
    ]


def test_an_event_leaves_the_last_version_what_it_was(tmp_path: Path):
    history = SettingsHistory(tmp_path)
    history.add_event("guard of canary: tripped -> armed", "alice@web-1")
    history.add("a", ["x"])
    history.add_event("guard of canary: tripped -> armed", "alice@web-1")
    history.add("a", ["x"])
    history.add("b", ["y"])

    assert versions(history) == ["", "a", "a", "b"]


def test_lines_of_an_older_version_are_read(tmp_path: Path):
    line = '{"at":"2026-11-29T10:00:00.000+00:00","version":"a","changes":["x"]}'
    (tmp_path / "history.jsonl").write_text(line)

    assert [(each.changes, each.by) for each in SettingsHistory(tmp_path).read()] == [
        (("x",), None)
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_begins_belongs_to_the_user_of_the_server(tmp_path: Path):
    os.chown(tmp_path, 4711, 4712)
    history = SettingsHistory(tmp_path / "0123")
    history.add("a", [])
    history.add("b", [])

    for path in (history.directory, history.directory / "history.jsonl"):
        assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)


def test_only_its_owner_can_read_it(tmp_path: Path):
    SettingsHistory(tmp_path / "state").add("a", [])
    [file] = (tmp_path / "state").iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_history_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path):
    (tmp_path / "state").write_text("in the way")
    with capture_logs() as lines:
        SettingsHistory(tmp_path / "state").add("a", [])

    assert [(line["event"], line["reason"]) for line in lines] == [
        ("history_not_kept", "Not a directory")
    ]


STEPS = st.lists(st.integers(0, 5).map(str) | st.binary(max_size=40), max_size=60)


@given(steps=STEPS, max_bytes=st.integers(300, 1_000))
@example(steps=["1", b"torn", "2", b"\xff\n{}", "3", b"[" * 40, "4"], max_bytes=300)
def test_the_newest_versions_are_kept_whatever_else_is_in_the_file(
    steps, max_bytes, tmp_path_factory
):
    directory = tmp_path_factory.mktemp("state")
    history = SettingsHistory(directory, max_bytes)
    added: list[str] = []
    for step in steps:
        if isinstance(step, bytes):
            with (directory / "history.jsonl").open("ab") as file:
                file.write(step)
            continue
        is_new = versions(history)[-1:] != [step]
        history.add(step, ["word"])
        if is_new:
            added.append(step)
            assert (directory / "history.jsonl").stat().st_size <= max_bytes
        found = versions(history)
        assert found[-1] == step
        assert found == added[len(added) - len(found) :]
