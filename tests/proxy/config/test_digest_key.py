from concurrent.futures import ThreadPoolExecutor

from proxy.config.digest_key import load_or_create_digest_key, read_digest_key


def test_a_directory_has_one_key_whoever_asks_first(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_or_create_digest_key(tmp_path / "new"), range(40)))

    assert len(keys) == 1
    assert len(keys.pop() or "") == 64
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["digest.key"]
    assert (tmp_path / "new" / "digest.key").stat().st_mode & 0o777 == 0o600


def test_no_two_directories_have_the_same(tmp_path):
    assert load_or_create_digest_key(tmp_path / "a") != load_or_create_digest_key(tmp_path / "b")


def test_where_none_can_be_kept_there_is_none(tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "digest.key").write_text("\n")
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "digest.key").write_bytes(b"\xff")

    for name in ("file", "empty", "garbage"):
        assert load_or_create_digest_key(tmp_path / name) is None


def test_reading_makes_none(tmp_path):
    assert read_digest_key(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    assert load_or_create_digest_key(tmp_path) == read_digest_key(tmp_path) is not None
