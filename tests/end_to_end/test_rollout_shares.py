"""A share of many callers: as large as it says, the same everywhere, and only growing."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import urlsplit

import pytest

from tests.fleet import Fleet, marked, running_fleet
from tests.harness import body
from tests.hypothesis_profiles import scaled
from tests.waiting import wait_for

pytestmark = pytest.mark.unmeasured

CALLERS = scaled(4_000, at_least=1_000)
CONNECTIONS = 32
SIGMAS = 4
"""Of fair shares one in sixteen thousand is further off; these callers are always the same."""


def rules(share: float, by: str = "caller") -> str:
    return f"""
[[rollout]]
name = "moved"
action = "translate"
share = {share}
by = "{by}"

[[rollout]]
name = "not-yet"
action = "forward"
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), rules(25), workers=2) as running:
        yield running


def routes(fleet: Fleet, keys: Sequence[str]) -> dict[str, str]:
    """The rule that decides about a request of each caller, over connections to any worker."""
    return asyncio.run(_routes(fleet.url, keys))


async def _routes(url: str, keys: Sequence[str]) -> dict[str, str]:
    waiting, found = list(keys), dict[str, str]()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_ask_all(url, waiting, found))
    return found


async def _ask_all(url: str, waiting: list[str], found: dict[str, str]) -> None:
    """Over one connection: httpx would be most of what this costs."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    content = json.dumps(body(model="claude-2.1")).encode()
    while waiting:
        key = waiting.pop()
        writer.write(
            b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nanthropic-version: 2023-06-01\r\n"
            b"x-api-key: %b\r\ncontent-length: %d\r\n\r\n%b" % (key.encode(), len(content), content)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        await reader.readexactly(int(headers["content-length"]))
        assert status == "HTTP/1.1 200 OK"
        found[key] = headers["holdover-rule"]
    writer.close()
    await writer.wait_closed()


def in_share(found: dict[str, str]) -> set[str]:
    return {key for key, rule in found.items() if rule == "moved"}


def is_likely(count: int, share: float) -> bool:
    """Whether so many of all callers may be in a share that is chosen fairly."""
    return abs(count - CALLERS * share) <= SIGMAS * math.sqrt(CALLERS * share * (1 - share))


def counted(fleet: Fleet) -> Counter[str]:
    """How many exchanges the metrics have of each rule."""
    answered = {"blame": "nobody", "status": "200"}
    routes = {"moved": "translate", "not-yet": "forward"}
    return Counter(
        {
            rule: int(
                fleet.number("holdover_exchanges_total", rule=rule, route=routes[rule], **answered)
            )
            for rule in routes
        }
    )


@pytest.mark.scaled
def test_a_share_of_many_callers_is_fair_and_raising_it_moves_nobody_back(fleet: Fleet):
    fleet.follow(rules(25))
    keys = [f"sk-ant-{number}" for number in range(CALLERS)]
    before = counted(fleet)
    quarter = routes(fleet, keys)
    fleet.follow(rules(50))
    half = routes(fleet, keys)
    expected = before + Counter(quarter.values()) + Counter(half.values())

    assert wait_for(lambda: counted(fleet) == expected)
    assert set(quarter) == set(half) == set(keys)
    assert set(Counter(quarter.values())) == {"moved", "not-yet"}
    assert is_likely(len(in_share(quarter)), 0.25)
    assert is_likely(len(in_share(half)), 0.5)
    assert in_share(quarter) <= in_share(half)
    assert in_share(quarter) != in_share(half)


def deciding(fleet: Fleet, person: int, varying: Collection[str]) -> set[str]:
    """All rules that decide about somebody who differs from others in this, asked everywhere."""
    of = {part: person if part in varying else 0 for part in ("key", "user_id", "prompt")}
    content = body(
        model="claude-2.1",
        prompt=f"\n\nHuman: Question {of['prompt']}?\n\nAssistant:",
        metadata=... if "no user_id" in varying else {"user_id": f"user-{of['user_id']}"},
    )
    headers = {"x-api-key": f"sk-{of['key']}"}
    return {
        door.post("/v1/complete", headers=marked(headers), json=content).headers["holdover-rule"]
        for door in [*fleet.doors.values()] * 2
    }


@pytest.mark.parametrize(
    ("by", "varying"),
    [
        ("caller", ["key"]),
        ("user_id", ["user_id"]),
        ("user_id", ["key", "no user_id"]),
        ("prompt", ["prompt"]),
    ],
)
def test_everybody_goes_the_same_way_each_time_in_each_worker(
    fleet: Fleet, by: str, varying: list[str]
):
    fleet.follow(rules(50, by))

    found = [deciding(fleet, person, varying) for person in range(40)]

    assert {len(each) for each in found} == {1}
    assert set.union(*found) == {"moved", "not-yet"}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("by", "varying"),
    [
        ("caller", ["user_id", "prompt"]),
        ("user_id", ["key", "prompt"]),
        ("prompt", ["key", "user_id"]),
    ],
)
def test_a_share_goes_by_nothing_else(fleet: Fleet, by: str, varying: list[str]):
    fleet.follow(rules(50, by))

    found = [deciding(fleet, person, varying) for person in range(20)]

    assert len(set.union(*found)) == 1


def test_by_random_one_request_goes_either_way(fleet: Fleet):
    fleet.follow(rules(50, "random"))

    found = [deciding(fleet, 0, []) for _ in range(25)]

    assert set.union(*found) == {"moved", "not-yet"}
