"""What is changed in the console is what a running Holdover does, and it can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from proxy.config.history import history_of
from proxy.config.toml_source import TomlSource, version_of
from tests.fleet import Fleet, rule, running_fleet
from tests.proxy.console.harness import Person, shown, signed_in
from tests.waiting import wait_for

pytestmark = pytest.mark.unmeasured

RULES = rule("moved", 'action = "forward"', "share = 0 # nobody yet")


@pytest.fixture(scope="module")
def fleet_and_person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Person]]:
    directory = tmp_path_factory.mktemp("fleet")
    settings = f'traffic_url = "sqlite:///{directory / "traffic.db"}"\n{RULES}'
    with ExitStack() as stack:
        fleet = stack.enter_context(running_fleet(directory, settings, workers=2))
        yield fleet, stack.enter_context(signed_in(fleet.config, server_url=fleet.url))


def decided(fleet: Fleet) -> set[tuple[str | None, str | None]]:
    """Route and rule of the same request at each worker."""
    answers = [fleet.only(worker).ask("moved", model="claude-2.1") for worker in fleet.workers]
    records = [fleet.record(answer) for answer in answers]
    return {(record["route"], record["rule"]) for record in records}


def version(fleet: Fleet) -> str:
    return version_of(TomlSource.read(fleet.config))


def test_a_share_and_the_kill_switch_are_followed_and_taken_back(
    fleet_and_person: tuple[Fleet, Person],
):
    fleet, person = fleet_and_person
    before = fleet.config.read_text()
    assert decided(fleet) == {("translate", None)}

    with fleet.changing():
        person.send("/rollout/share", rule="moved", share="100", version=version(fleet))
    assert decided(fleet) == {("forward", "moved")}

    with fleet.changing():
        person.send(
            "/rollout/override",
            action="translate",
            confirmation="translate",
            version=version(fleet),
        )
    assert decided(fleet) == {("translate", None)}
    assert wait_for(
        lambda: "The kill switch is on: translate ." in shown(person.see("/rollout").text)
    )

    with fleet.changing():
        person.send("/rollout/override", action="off", version=version(fleet))
    assert decided(fleet) == {("forward", "moved")}

    with fleet.changing():
        person.send("/rollout/share", rule="moved", share="0", version=version(fleet))
    assert decided(fleet) == {("translate", None)}
    assert fleet.config.read_text() == before

    # No worker has written down a second time what the console has.
    changes = [(each.changes, each.by) for each in history_of(fleet.state_dir, fleet.config).read()]
    assert changes[1:] == [
        (("share of moved: 0 -> 100 %",), "console"),
        (("kill switch: not set -> translate",), "console"),
        (("kill switch: translate -> not set",), "console"),
        (("share of moved: 100 -> 0 %",), "console"),
    ]
    assert wait_for(lambda: "The server follows this version" in shown(person.see("/rollout").text))
