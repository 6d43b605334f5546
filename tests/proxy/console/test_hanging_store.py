"""A store that hangs holds up the pages that need it, and no others."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.config.sources import load_settings
from proxy.console.server_client import ServerClient
from proxy.console.site import SettingsReader, Site
from proxy.traffic.store.errors import StoreError
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.servers import free_port

RULE = '\n[[rollout]]\nname = "canary"\nshare = 25\naction = "translate"\n'


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event that has happened at the end, whatever a test does."""
    event = threading.Event()
    yield event
    event.set()


def test_queries_that_hang_are_given_up_and_leave_threads_for_files(
    tmp_path: Path, released: threading.Event
):
    config = settings_file(tmp_path, RULE)
    site = Site(
        reader=SettingsReader(path=config, load=load_settings),
        store_url=f"sqlite:///{tmp_path / 'traffic.db'}",
        server=ServerClient(f"http://127.0.0.1:{free_port()}"),
        patience=0.05,
    )

    async def ask() -> tuple[list[object], int]:
        hanging = [site.query(lambda _: released.wait()) for _ in range(10)]
        given_up = await asyncio.gather(*hanging, return_exceptions=True)
        rules = len((await site.settings()).settings.rollout)
        released.set()
        await site.close()
        return list(given_up), rules

    given_up, rules = asyncio.run(ask())

    assert rules == 1
    for each in given_up:
        assert isinstance(each, StoreError)
        assert str(each).startswith("The store has not answered within 0.05 seconds")


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
