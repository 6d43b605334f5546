from pathlib import Path

import pytest

from proxy.config.sources import load_settings
from proxy.errors import InvalidSettings
from proxy.server.state_dir import make_state_dir, problem_with_state_dir
from tests.small_disk import small_disk
from tests.unprivileged import as_nobody, public_directory


def test_a_directory_that_this_user_may_not_write_to_is_no_place_for_state():
    with public_directory() as public:
        (public / "state").mkdir(mode=0o555)
        settings = load_settings(state_dir=public / "state", traffic=False)
        with as_nobody(), pytest.raises(InvalidSettings) as refused:
            make_state_dir(settings)
        with as_nobody():
            assert problem_with_state_dir(settings) == str(refused.value)

    assert f"state_dir: {public}/state cannot be used: " in str(refused.value)


def test_a_directory_for_state_is_made_and_nothing_is_left_in_it(tmp_path: Path):
    make_state_dir(load_settings(state_dir=tmp_path / "a" / "state", traffic=False))
    assert list((tmp_path / "a" / "state").iterdir()) == []
    make_state_dir(load_settings(state_dir=tmp_path / "a" / "state"))

    assert [path for path in (tmp_path / "a").rglob("*") if path.is_file()] == []


def test_to_try_a_directory_for_state_makes_none(tmp_path: Path):
    for there in (False, True):
        assert problem_with_state_dir(load_settings(state_dir=tmp_path / "state")) is None
        assert list(tmp_path.rglob("*")) == ([tmp_path / "state"] if there else [])
        (tmp_path / "state").mkdir(exist_ok=True)


@pytest.mark.parametrize("place", ["file", "nothing", "loop"])
@pytest.mark.parametrize("below", ["", "state", "a/state"])
def test_what_is_no_directory_is_found_before_the_start(tmp_path: Path, place: str, below: str):
    (tmp_path / "file").touch(mode=0o777)
    (tmp_path / "nothing").symlink_to(tmp_path / "missing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    settings = load_settings(state_dir=tmp_path / place / below, traffic=False)

    assert problem_with_state_dir(settings) is not None
    with pytest.raises(InvalidSettings):
        make_state_dir(settings)


def test_a_full_disk_stops_no_start():
    with small_disk(64 * 1024) as disk:
        (disk / "ballast").write_bytes(bytes(64 * 1024))
        make_state_dir(load_settings(state_dir=disk, traffic=False))
        assert problem_with_state_dir(load_settings(state_dir=disk, traffic=False)) is None

        assert [path.name for path in disk.iterdir()] == ["ballast"]
