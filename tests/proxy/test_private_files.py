"""What is made is its owner's alone, whatever the umask; what is there keeps its mode."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.private_files import (
    UnsafeDirectory,
    claim_directory,
    make_directory,
    open_file,
    replace_file,
    temporary_file,
    write_temporary,
)
from tests.small_disk import small_disk
from tests.unprivileged import as_nobody, public_directory

UMASKS = [0o000, 0o022, 0o077, 0o277, 0o777]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("mask", UMASKS, ids=oct)
def test_a_directory_and_those_above_it_are_for_their_owner_alone(tmp_path: Path, mask: int):
    with umask(mask):
        make_directory(tmp_path / "a" / "b" / "c")
        make_directory(tmp_path / "a" / "b" / "c")

    made = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert [mode_of(path) for path in made] == [0o700] * 3


@pytest.mark.parametrize("mask", UMASKS, ids=oct)
def test_a_file_is_for_its_owner_alone(tmp_path: Path, mask: int):
    with umask(mask):
        os.close(open_file(tmp_path / "opened", os.O_RDWR))
        replace_file(tmp_path / "replaced", b"text")
        beside = write_temporary(tmp_path / "name", b"text")
        with temporary_file(tmp_path / "renamed") as (renamed, _):
            renamed.replace(tmp_path / "renamed")
        with temporary_file(tmp_path / "forgotten"):
            pass

    made = [tmp_path / "opened", tmp_path / "replaced", tmp_path / "renamed", beside]
    assert [mode_of(path) for path in made] == [0o600] * 4
    assert sorted(tmp_path.iterdir()) == sorted(made)
    assert (tmp_path / "replaced").read_bytes() == beside.read_bytes() == b"text"


def test_what_is_there_keeps_its_mode(tmp_path: Path):
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o640)
    make_directory(tmp_path)
    handle = open_file(tmp_path / "file", os.O_RDONLY)
    os.close(handle)

    assert (mode_of(tmp_path), mode_of(tmp_path / "file")) == (0o755, 0o640)
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("file", NotADirectoryError),
        ("file/below", NotADirectoryError),
        ("dangling", FileNotFoundError),
    ],
)
def test_where_something_is_in_the_way_no_directory_is_made(
    tmp_path: Path, place: str, problem: type[OSError]
):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(problem):
        make_directory(tmp_path / place)


def test_of_all_who_make_a_directory_at_once_none_fails(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        for name in map(str, range(40)):
            path = tmp_path / name / "below"
            list(pool.map(make_directory, [path] * 8))

            assert mode_of(path) == mode_of(path.parent) == 0o700


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path: Path):
    (tmp_path / "directory").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "directory", b"text")

    assert [path.name for path in tmp_path.iterdir()] == ["directory"]


def test_on_a_full_disk_the_old_text_stays_and_nothing_beside_it():
    with small_disk(64 * 1024) as disk:
        replace_file(disk / "note", b"old")
        with pytest.raises(OSError, match="No space left"):
            replace_file(disk / "note", bytes(128 * 1024))

        assert [path.name for path in disk.iterdir()] == ["note"]
        assert (disk / "note").read_bytes() == b"old"


@pytest.mark.parametrize("mask", UMASKS, ids=oct)
def test_a_claimed_directory_is_ours_alone_and_stays_ours(tmp_path: Path, mask: int):
    with umask(mask):
        claim_directory(tmp_path / "ours")
        claim_directory(tmp_path / "ours")

    assert mode_of(tmp_path / "ours") == 0o700


def test_a_claimed_directory_is_not_one_that_a_link_points_to(tmp_path: Path):
    (tmp_path / "there").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("there")
    with pytest.raises(UnsafeDirectory, match="not a directory"):
        claim_directory(tmp_path / "link")


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o702, 0o777])
def test_a_claimed_directory_is_not_one_that_others_get_into(tmp_path: Path, mode: int):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    with pytest.raises(UnsafeDirectory, match="accessible to other users"):
        claim_directory(tmp_path / "open")


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes two users")
def test_a_claimed_directory_is_not_somebody_elses():
    with public_directory() as place:
        place.chmod(0o1777)
        with as_nobody():
            claim_directory(place / "name")
        with pytest.raises(UnsafeDirectory, match="another user"):
            claim_directory(place / "name")


def test_a_pipe_is_written_to_and_not_replaced_also_by_another_name(tmp_path: Path):
    pipe, name = tmp_path / "pipe", tmp_path / "name"
    os.mkfifo(pipe)
    name.symlink_to(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        replace_file(name, b"text")

        assert read.result() == b"text"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert name.is_symlink()
