"""Directories that several servers make, one after the other or at the same time."""

import os
from pathlib import Path

import pytest

from proxy.server.metrics_directory import metrics_directory
from tests.unprivileged import as_nobody, public_directory


def test_a_directory_is_removed_at_the_end_with_what_is_in_it(tmp_path: Path):
    with metrics_directory(tmp_path) as made:
        (made / "counter_17.db").write_bytes(b"1")

        assert list(tmp_path.iterdir()) == [made]

    assert not list(tmp_path.iterdir())


def test_what_a_killed_server_left_is_removed_by_the_next_one(tmp_path: Path):
    left = tmp_path / "holdover-metrics-x"
    left.mkdir()
    (left / "counter_17.db").write_bytes(b"1")

    with metrics_directory(tmp_path) as made:
        assert list(tmp_path.iterdir()) == [made]


def test_what_a_running_server_uses_stays(tmp_path: Path):
    with metrics_directory(tmp_path) as first, metrics_directory(tmp_path) as second:
        assert first != second
        assert set(tmp_path.iterdir()) == {first, second}


def test_nothing_else_is_touched(tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    parent = tmp_path / "shared"
    parent.mkdir()
    others = {parent / "holdover-metrics-file", parent / "holdover-metrics-link", parent / "other"}
    (parent / "holdover-metrics-file").write_bytes(b"")
    (parent / "holdover-metrics-link").symlink_to(elsewhere)
    (parent / "other").mkdir()

    with metrics_directory(parent):
        pass

    assert set(parent.iterdir()) == others
    assert elsewhere.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes two users")
def test_what_another_user_left_stays():
    with public_directory() as parent:
        parent.chmod(0o777)
        with as_nobody():
            (parent / "holdover-metrics-x").mkdir()
        with metrics_directory(parent):
            pass

        assert [path.name for path in parent.iterdir()] == ["holdover-metrics-x"]
