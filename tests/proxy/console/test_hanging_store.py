"""A store that hangs holds up the pages that need it, and no others."""

import asyncio
import re
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
import pytest

from proxy.config.sources import load_settings
from proxy.console.app import PAGES
from proxy.console.server_client import ServerClient
from proxy.console.site import SettingsReader, Site
from proxy.console.store_reader import StoreReader
from proxy.traffic import open_store
from proxy.traffic.store.errors import StoreError
from tests.command_line import running
from tests.postgres import postgres
from tests.proxy.console.harness import enter, settings_file, shown, signed_in
from tests.servers import free_port, new_client, taken_port
from tests.waiting import PATIENCE_SECONDS, wait_for

RULE = '\n[[rollout]]\nname = "canary"\nshare = 25\naction = "translate"\n'

QUESTIONS_FIRST: Final = ("/rollout/override", "/rollout/share")
"""Pages that lead to another one unless the address asks something."""


def url_in(directory: Path) -> str:
    return f"sqlite:///{directory / 'traffic.db'}"


def version_in(page: httpx.Response) -> str:
    found = re.search('name="version" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event that has happened at the end, whatever a test does."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def silent() -> Iterator[StoreReader]:
    """A store on a server that takes connections and says nothing, as one that is frozen does."""
    with taken_port(listens=True) as holder:
        port = holder.getsockname()[1]
        yield StoreReader(
            url=f"postgresql://me:secret@127.0.0.1:{port}/traffic", patience=0.2, asks_after=0.1
        )


def site_of(config: Path, store: StoreReader) -> Site:
    return Site(
        reader=SettingsReader(path=config, load=load_settings),
        store=store,
        server=ServerClient(f"http://127.0.0.1:{free_port()}"),
    )


def test_queries_that_hang_are_given_up_and_leave_threads_for_files(
    tmp_path: Path, released: threading.Event, silent: StoreReader
):
    site = site_of(settings_file(tmp_path, RULE), silent)

    async def ask() -> tuple[list[object], int]:
        hanging = [site.query(lambda _: released.wait()) for _ in range(10)]
        given_up = await asyncio.gather(*hanging, return_exceptions=True)
        rules = len((await site.settings()).settings.rollout)
        await site.close()
        return list(given_up), rules

    given_up, rules = asyncio.run(ask())

    assert rules == 1
    for each in given_up:
        assert isinstance(each, StoreError)
        assert str(each).startswith("The store has not answered within 0.2 seconds")


def test_while_a_store_hangs_nobody_else_waits_for_it(tmp_path: Path, silent: StoreReader):
    site = site_of(settings_file(tmp_path), silent)
    asked: list[str] = []

    async def ask() -> None:
        for name in ("first", "second"):
            with pytest.raises(StoreError, match="has not answered"):
                await site.query(lambda _, name: asked.append(name), name)
            silent.patience = 0.1
        await site.close()

    asyncio.run(ask())

    assert asked == []


def test_a_query_that_takes_long_is_waited_for_while_the_store_answers_others(
    tmp_path: Path, released: threading.Event
):
    config = settings_file(tmp_path, RULE)
    site = site_of(
        config, StoreReader(url=url_in(tmp_path), patience=PATIENCE_SECONDS, asks_after=0.02)
    )

    async def ask() -> bool:
        asyncio.get_running_loop().call_later(0.3, released.set)
        answer = await site.query(lambda _: released.wait())
        await site.close()
        return answer

    assert asyncio.run(ask())


def test_a_query_is_not_waited_for_once_the_store_is_gone(
    tmp_path: Path, released: threading.Event
):
    site = site_of(
        settings_file(tmp_path, RULE),
        StoreReader(url=url_in(tmp_path), patience=PATIENCE_SECONDS, asks_after=0.02),
    )

    def begin(_: object) -> None:
        (tmp_path / "traffic.db").unlink()
        released.wait()

    async def ask() -> None:
        with pytest.raises(StoreError, match="does not exist"):
            await site.query(begin)
        released.set()
        await site.close()

    asyncio.run(ask())


def test_queries_that_fail_together_close_the_store_once(tmp_path: Path):
    site = site_of(settings_file(tmp_path), StoreReader(url=url_in(tmp_path)))
    together = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def fail(_: object) -> None:
        together.wait()
        raise StoreError("gone")

    async def ask() -> list[object]:
        failed = await asyncio.gather(site.query(fail), site.query(fail), return_exceptions=True)
        rows = await site.query(lambda store: store is not None)
        await site.close()
        return [*map(str, failed), rows]

    assert asyncio.run(ask()) == ["gone", "gone", True]


def test_a_query_that_takes_too_long_is_given_up_and_is_not_waited_for_at_the_end(
    tmp_path: Path, released: threading.Event
):
    config = settings_file(tmp_path, RULE)
    site = site_of(
        config,
        StoreReader(url=url_in(tmp_path), patience=PATIENCE_SECONDS, asks_after=0.02, longest=0.0),
    )

    async def ask() -> None:
        waiting = [site.query(lambda _: released.wait()) for _ in range(5)]
        for each in await asyncio.gather(*waiting, return_exceptions=True):
            assert "has needed more than 0 seconds for this" in str(each)
        await site.close()

    asyncio.run(ask())

    assert not released.is_set()


def test_a_file_that_another_program_locks_is_said_to_be_locked_at_once(tmp_path: Path):
    config = settings_file(tmp_path, RULE)
    with closing(sqlite3.connect(tmp_path / "traffic.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        store = StoreReader(
            url=url_in(tmp_path), patience=PATIENCE_SECONDS, patience_for_locks=0.01
        )
        with signed_in(config, store=store) as person:
            pages = {path: person.see(path) for path in PAGES if "{" not in path}

    without = {"/explain", "/models", "/rollout", "/rollout/history", *QUESTIONS_FIRST}
    for path, page in pages.items():
        assert page.status_code == (200 if path in without else 503), path
    for path in pages.keys() - {"/explain", "/rollout/history", *QUESTIONS_FIRST}:
        assert "traffic.db is locked by another program" in shown(pages[path].text), path


def test_what_is_known_without_the_store_is_shown(tmp_path: Path, silent: StoreReader):
    shadow = 'shadow = { action = "translate", share = 5 }\n'
    callers = "".join(f'[callers.c{n:03}]\ndigest = "{n:016x}"\n' for n in range(101))
    owned = '[callers.bot]\ndigest = "fedcba9876543210"\nowner = "team <b>x</b>"\n'
    config = settings_file(tmp_path, f'digest_key = "k"\n{owned}{callers}{RULE}{shadow}')
    with signed_in(config, store=silent) as person:
        said = {
            path: (page.status_code, shown(page.text))
            for path in ("/callers", "/callers/bot", "/callers/0123456789abcdef", "/shadows")
            for page in [person.see(path)]
        }
        listed = person.see("/models").text
        changed = person.send(
            "/callers/bot/owner", owner="another", version=version_in(person.see("/callers/bot"))
        )

    assert [code for code, _ in said.values()] == [503] * 4
    assert "The store has not answered within 0.2 seconds" in said["/callers"][1]
    assert "bot , owned by team &lt;b&gt;x&lt;/b&gt; c000" in said["/callers"][1]
    assert "and 2 more" in said["/callers"][1]
    assert "Its records cannot be read: The store has not answered" in said["/callers/bot"][1]
    assert "Its owner is team &lt;b&gt;x&lt;/b&gt; ." in said["/callers/bot"][1]
    assert "The records cannot be read" in said["/callers/0123456789abcdef"][1]
    assert "canary: 5 % of its requests get a shadow" in said["/shadows"][1]
    assert "Whether anybody is hit is not known without the records." in shown(listed)
    assert "names that nobody" not in shown(listed)
    assert 'owner = "another"' in config.read_text()
    assert "Its owner is another ." in shown(changed.text)


def test_that_the_settings_say_nothing_is_said_without_the_store(
    tmp_path: Path, silent: StoreReader
):
    with signed_in(settings_file(tmp_path), store=silent) as person:
        callers, shadows = person.see("/callers"), person.see("/shadows")

    assert "The settings name no callers." in shown(callers.text)
    assert "By the settings, no rule sends shadows." in shown(shadows.text)


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_a_postgresql_that_is_frozen_holds_neither_pages_nor_the_end(tmp_path: Path):
    with postgres() as database:
        url = database.new_database()
        open_store(url).close()
        config = tmp_path / "holdover.toml"
        config.write_text(f'traffic_url = "{url}"\nstate_dir = "{tmp_path}"\n')
        with (
            running("console", "--config", str(config), "--port", "0") as (base, process),
            new_client(base_url=base, follow_redirects=True) as client,
        ):
            assert process.stdout is not None
            enter(client, process.stdout.readline().rpartition(" ")[2].strip())
            # A machine that is busy with other tests may be slower than the patience of a page.
            opened = wait_for(lambda: page if (page := client.get("/")).is_success else None)
            with database.frozen():
                frozen = client.get("/shadows"), client.get("/models"), client.get("/explain")
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=20)

    assert opened.status_code == 200
    assert [page.status_code for page in frozen] == [503, 200, 200]
    assert process.returncode == 0


@pytest.mark.parametrize("path", ["/rollout", "/rollout/share?rule=canary&share=50"])
def test_the_switches_are_shown_without_numbers_if_these_take_long(tmp_path: Path, path: str):
    with signed_in(settings_file(tmp_path, RULE), patience_of_switches=0.0) as person:
        page = person.client.get(path)

    assert page.status_code == 200
    assert "The records could not be read within 0 seconds" in shown(page.text)


def test_of_a_settings_file_that_is_gone_it_is_not_said_that_it_cannot_be_replaced(tmp_path: Path):
    config = settings_file(tmp_path, RULE)
    with signed_in(config) as person:
        kept = config.read_bytes()
        config.unlink()
        page, refused = person.see("/rollout"), person.send("/rollout/share", rule="canary")
        config.write_bytes(kept)
        back = person.see("/rollout")

    said = f"{config} is not there any more: put it back, and this console follows it."
    assert said in shown(page.text)
    assert refused.status_code == 403
    assert said in shown(refused.text)
    assert "is not there any more" not in back.text
