"""What becomes of the file itself when it is changed: whole, once for each, and still the same."""

import multiprocessing
import os
import stat
import threading
import tomllib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.config.toml_edit import set_share
from proxy.errors import InvalidSettings
from tests.waiting import PATIENCE_SECONDS

FILE = '[[rollout]]\nname = "first"\naction = "translate"\nshare = 5\n'


def kept(directory: Path, text: str = FILE) -> Path:
    path = directory / "holdover.toml"
    path.write_text(text)
    return path


def test_a_link_stays_a_link_and_the_file_behind_it_is_changed(tmp_path: Path):
    (tmp_path / "behind").mkdir()
    path = kept(tmp_path / "behind")
    link = tmp_path / "link.toml"
    link.symlink_to(path)

    set_share(link, "first", 25)

    assert link.is_symlink()
    assert "share = 25\n" in path.read_text()
    assert os.listdir(tmp_path / "behind") == ["holdover.toml"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_the_mode_of_a_file_is_kept_and_its_time_is_now(tmp_path: Path, mode: int):
    path = kept(tmp_path)
    path.chmod(mode)
    os.utime(path, (1, 1))

    set_share(path, "first", 25)

    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.stat().st_mtime > 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_of_a_file_is_kept(tmp_path: Path):
    path = kept(tmp_path)
    os.chown(path, 1234, 2345)

    set_share(path, "first", 25)

    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_a_file_that_cannot_be_written_beside_the_old_one_leaves_it_as_it_was(tmp_path: Path):
    path = kept(tmp_path).rename(tmp_path / ("n" * 245 + ".toml"))

    with pytest.raises(InvalidSettings, match=r"nnn\.toml: File name too long"):
        set_share(path, "first", 25)

    assert path.read_text() == FILE
    assert os.listdir(tmp_path) == [path.name]


RULES = "".join(
    f'# rule {n}\n[[rollout]]\nname = "r{n}"\naction = "refuse"\nshare = 0\n[rollout.match]\n'
    f'model = "m{n}"\n\n'
    for n in range(12)
)


def change(path: Path, number: int) -> None:
    set_share(path, f"r{number}", number + 1)


@pytest.mark.unmeasured
@pytest.mark.parametrize("several", ["threads", "processes"])
def test_of_several_changes_at_once_none_is_lost(tmp_path: Path, several: str):
    path = kept(tmp_path, RULES)
    spawning = multiprocessing.get_context("spawn")
    pool = (
        ThreadPoolExecutor(6)
        if several == "threads"
        else ProcessPoolExecutor(2, mp_context=spawning)
    )

    with pool:
        done = [pool.submit(change, path, number) for number in range(12)]
        for future in done:
            future.result(timeout=PATIENCE_SECONDS)

    rules = tomllib.loads(path.read_text())["rollout"]
    assert [rule["share"] for rule in rules] == list(range(1, 13))
    assert path.read_text().count("# rule ") == 12
    assert os.listdir(tmp_path) == ["holdover.toml"]


def test_who_reads_meanwhile_reads_one_version_or_the_other(tmp_path: Path):
    path = kept(tmp_path, RULES)
    read: set[str] = set()
    done = threading.Event()

    def read_on() -> None:
        while not done.is_set():
            read.add(path.read_text())

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        for number in range(6):
            change(path, number)
    finally:
        done.set()
        reader.join()

    assert all(len(tomllib.loads(text)["rollout"]) == 12 for text in read)
