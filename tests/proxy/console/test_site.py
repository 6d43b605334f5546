"""What the pages read: the settings file as it is now, and a store that may go away."""

import asyncio
import sqlite3

import pytest

from proxy.config.sources import load_settings
from proxy.console.server_client import ServerClient
from proxy.console.site import SettingsReader, Site
from proxy.console.store_reader import StoreReader
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.queries import names_in
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.record_factory import record
from tests.servers import taken_port
from tests.unprivileged import as_nobody, public_directory


def reader(path):
    return SettingsReader(path=path, load=load_settings)


def site(path, url):
    return Site(
        reader=reader(path), store=StoreReader(url=url), server=ServerClient("http://127.0.0.1:9")
    )


def url_of(config):
    return f"sqlite:///{config.parent / 'traffic.db'}"


def test_a_file_is_read_again_once_it_has_changed_and_its_last_good_version_is_kept(tmp_path):
    config = settings_file(tmp_path)
    reading = reader(config)
    first = reading.read()
    config.write_text(config.read_text() + "port = 9999\n")
    second = reading.read()
    config.write_text("port = what\n")
    broken = reading.read()
    config.unlink()
    gone = reading.read()

    assert first is not second
    assert (first.settings.port, second.settings.port, broken.settings.port) == (8080, 9999, 9999)
    assert first.version != second.version == broken.version == gone.version
    assert first.problem is None
    assert "line 1" in (broken.problem or "")
    assert str(config) in (gone.problem or "")


def test_of_earlier_versions_the_last_ones_are_remembered(tmp_path):
    config = settings_file(tmp_path)
    reading = reader(config)
    written = config.read_text()
    for port in range(9000, 9030):
        config.write_text(f"{written}port = {port}\n")
        reading.read()

    assert [each.port for each in reading.earlier.values()] == [*range(9010, 9030)]


def test_a_share_is_shown_and_not_set_where_there_is_no_file(tmp_path):
    rule = '[[rollout]]\nname = "canary"\naction = "translate"\nshare = 5\n'
    with signed_in(settings_file(tmp_path, rule), has_file=False) as person:
        page = person.see("/rollout/share", rule="canary", share="50")
        answer = person.send("/rollout/share", rule="canary", share="50", version="")

    assert page.status_code == 200
    assert '<form method="post" action="/rollout/share"' not in page.text
    assert answer.status_code == 403
    assert "--config holdover.toml" in shown(answer.text)


def test_without_a_file_nothing_can_be_changed_and_it_says_why():
    given = site(None, "sqlite:///nowhere.db")

    assert given.reader.read() is given.reader.read()
    assert "--config holdover.toml" in (given.why_readonly() or "")


def test_a_file_that_cannot_be_replaced_is_not_changed():
    with public_directory() as directory:
        config = settings_file(directory)
        config.chmod(0o644)
        given = site(config, url_of(config))
        mine = given.why_readonly()
        directory.chmod(0o555)
        with as_nobody():
            others = given.why_readonly()
        directory.chmod(0o755)

    assert mine is None
    assert f"{config} cannot be replaced by the user of this console" in (others or "")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_a_store_that_fails_is_opened_anew_by_the_next_query(tmp_path):
    config = settings_file(tmp_path, entries=[record(caller_name="bot")])
    given = site(config, url_of(config))

    def fail(store):
        raise StoreError(f"{store.engine.url.database} has gone")

    with pytest.raises(StoreError, match="has gone"):
        await asyncio.gather(*(given.query(fail) for _ in range(3)))
    again = await given.query(names_in, "caller_name")
    await given.close()

    assert again == ["bot"]


def test_a_server_that_takes_a_connection_and_says_nothing_is_said_to_be_slow(tmp_path):
    with taken_port(listens=True) as holder:
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
        with signed_in(settings_file(tmp_path), server_url=url) as person:
            text = shown(person.see("/").text)

    assert f"The server at {url} has not answered within 2 seconds" in text


def test_sums_that_are_still_being_built_are_said_to_be_missing(tmp_path):
    config = settings_file(tmp_path, entries=[record(), record(id="req_2")])
    with sqlite3.connect(tmp_path / "traffic.db") as connection:
        connection.execute("UPDATE rollup_state SET built_seq = 0, target_seq = 2, from_ms = 0")
    with signed_in(config) as person:
        text = shown(person.see("/").text)

    assert "older exchanges are still being built and are missing here" in text


def test_a_parameter_that_is_too_long_is_refused(tmp_path):
    with signed_in(settings_file(tmp_path)) as person:
        answer = person.see("/exchanges", caller="x" * 1_001)

    assert answer.status_code == 400
    assert "use at most 1,000 characters" in shown(answer.text)


@pytest.mark.anyio
async def test_a_store_that_nobody_has_asked_need_not_be_closed(tmp_path):
    config = settings_file(tmp_path)
    given = site(config, url_of(config))
    await given.close()

    with pytest.raises(RuntimeError, match="shutdown"):
        await given.query(names_in, "caller_name")
