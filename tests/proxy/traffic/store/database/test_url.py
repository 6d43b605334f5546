from pathlib import Path

import pytest

from proxy.config.sources import load_settings
from proxy.errors import InvalidSettings
from proxy.traffic import StoreError, checked_url, default_url, open_store
from proxy.traffic.store.database.url import file_of


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://u@h:5433/d?sslmode=require", None),
        ("postgresql://h", "postgresql+psycopg://h"),
        ("postgresql://u:p@[::1]:5432/d", "postgresql+psycopg://u:p@[::1]:5432/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql+psycopg:///d?host=/run/postgresql"),
        ("postgresql://u:a%40b%2Fc@h/d", "postgresql+psycopg://u:a%40b%2Fc@h/d"),
        ("sqlite:////var/lib/x.db", None),
        ("sqlite:///x.db", None),
    ],
)
def test_an_address_gets_its_driver(given: str, meant: str | None):
    assert checked_url(given) == (meant or given)


@pytest.mark.parametrize(
    "given",
    [
        *("", "canary", "mysql://u:canary@h/d", "postgres://u:canary@h/d"),
        *("postgresql+asyncpg://u:canary@h/d", "postgresql:u:canary@h/d"),
        *("postgresql://u:can@ary@h/d", "postgresql://u:can/ary@h/d", "postgresql://u:can?ary@h/d"),
        *("postgresql://u:can#ary@h/d", "postgresql://u:canary@h:port/d"),
        *("postgresql://u:can/ary", "postgresql://canary:1234/x@h/d"),
        *("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:////x.db?mode=canary"),
        "sqlite://canary/x.db",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_and_not_repeated(given: str):
    with pytest.raises(StoreError, match="the URL of the store is not valid: ") as told:
        open_store(given)
    assert "can" not in str(told.value)
    assert not told.value.may_pass
    if given:  # else it is one that was not given
        with pytest.raises(InvalidSettings, match="traffic_url: ") as refused:
            load_settings(traffic_url=given)
        assert "can" not in f"{refused.value!s} {refused.value.__cause__!r}"


def test_a_setting_with_a_password_in_it_is_not_shown():
    settings = load_settings(traffic_url="postgresql://u:canary@h/d")

    assert settings.traffic_url is not None
    assert settings.traffic_url.get_secret_value() == "postgresql+psycopg://u:canary@h/d"
    assert "canary" not in f"{settings!r} {settings!s} {settings.model_dump()}"


def test_a_file_is_found_again_whatever_it_is_called():
    for path in (Path("/a b/c%20d/e?f#g"), Path("/a/@:ä")):
        assert file_of(checked_url(default_url(path))) == path / "traffic" / "traffic.db"


def test_a_directory_may_be_given_as_seen_from_here():
    assert file_of(default_url(Path("here"))) == Path.cwd() / "here" / "traffic" / "traffic.db"


@pytest.mark.parametrize(
    ("given", "is_good"), [(0, True), (2**24, True), (1000, False), (-1, False)]
)
def test_a_store_has_room_for_something_or_no_bound(given: int, is_good: bool):
    if is_good:
        assert load_settings(traffic_max_bytes=given).traffic_max_bytes == given
        return
    with pytest.raises(
        InvalidSettings, match="traffic_max_bytes: use 0 for no limit, or at least 16777216"
    ):
        load_settings(traffic_max_bytes=given)
