import stat
from pathlib import Path

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
