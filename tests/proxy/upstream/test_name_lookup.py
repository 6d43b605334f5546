"""Names are looked up once for all who wait, and what was found is remembered."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.upstream.name_lookup import Addresses, NameLookup, ask_system
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio
UNKNOWN = socket.gaierror(-2, "Name or service not known")


def at(last: int) -> Addresses:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", 80))]


@dataclass
class Resolver:
    """Answers with the next address, or error, once the gate of a host is open."""

    found: list[Addresses | Exception]
    asked: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)

    async def __call__(self, host: str, _port: int) -> Addresses:
        self.asked.append(host)
        if host in self.gates:
            await self.gates[host].wait()
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


async def test_all_who_wait_for_a_name_share_one_look_up():
    resolver = Resolver([at(1)])
    names = NameLookup(resolver)

    found = await asyncio.gather(*(names.addresses("host", 80) for _ in range(400)))

    assert found == [at(1)] * 400
    assert resolver.asked == ["host"]


async def test_what_was_found_is_remembered_for_a_while():
    resolver = Resolver([at(1)])
    names = NameLookup(resolver)

    assert [await names.addresses("host", 80) for _ in range(3)] == [at(1)] * 3
    assert resolver.asked == ["host"]


async def test_what_is_no_longer_fresh_is_looked_up_again():
    names = NameLookup(Resolver([at(1), at(2)]), fresh=0)

    assert [await names.addresses("host", 80) for _ in range(2)] == [at(1), at(2)]


async def test_hosts_do_not_wait_for_one_another():
    resolver = Resolver([at(1), at(2)], gates={"slow": asyncio.Event()})
    names = NameLookup(resolver)
    slow = asyncio.ensure_future(names.addresses("slow", 80))

    assert await names.addresses("fast", 80) == at(1)
    assert not slow.done()
    resolver.gates["slow"].set()
    assert await slow == at(2)


async def test_who_no_longer_waits_does_not_end_the_look_up_of_the_others():
    resolver = Resolver([at(1)], gates={"host": asyncio.Event()})
    names = NameLookup(resolver)
    first, second = (asyncio.ensure_future(names.addresses("host", 80)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    resolver.gates["host"].set()

    assert await second == at(1)
    assert resolver.asked == ["host"]


async def test_a_name_that_nobody_knows_is_told_to_all_and_looked_up_again():
    names = NameLookup(Resolver([UNKNOWN, at(1)]))
    found = await asyncio.gather(
        *(names.addresses("host", 80) for _ in range(2)), return_exceptions=True
    )

    assert found == [UNKNOWN, UNKNOWN]
    assert await names.addresses("host", 80) == at(1)


async def test_older_addresses_are_better_than_none():
    names = NameLookup(Resolver([at(1), UNKNOWN, at(2)]), fresh=0)

    found = [await names.addresses("host", 80) for _ in range(3)]

    assert found == [at(1), at(1), at(2)]


async def test_addresses_that_are_too_old_are_none():
    names = NameLookup(Resolver([at(1), UNKNOWN]), fresh=0, stale=0)
    await names.addresses("host", 80)

    with pytest.raises(socket.gaierror):
        await names.addresses("host", 80)


async def test_a_resolver_that_hangs_holds_nobody_up_who_has_older_addresses():
    resolver = Resolver([at(1), at(2)])
    names = NameLookup(resolver, fresh=0, patience=0.01)
    await names.addresses("host", 80)
    gate = resolver.gates["host"] = asyncio.Event()

    assert await names.addresses("host", 80) == at(1)
    gate.set()
    assert await names.addresses("host", 80) == at(2)
    assert resolver.asked == ["host"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_address_needs_no_look_up(host: str):
    resolver = Resolver([])
    found = await NameLookup(resolver).addresses(host, 80)

    assert [address[4][:2] for address in found] == [(host, 80)]
    assert resolver.asked == []


async def test_the_system_knows_this_machine():
    found = await NameLookup().addresses("localhost", 80)

    assert {address[4][0] for address in found} <= {"127.0.0.1", "::1"}


async def test_who_waits_while_all_is_closed_is_told():
    names = NameLookup(Resolver([], gates={"host": asyncio.Event()}))
    waiting = asyncio.ensure_future(names.addresses("host", 80))
    await asyncio.sleep(0)
    names.close()

    with pytest.raises(OSError, match="given up"):
        await waiting


HANGING = """
import asyncio
from proxy.upstream.name_lookup import ask_system
try:
    asyncio.run(asyncio.wait_for(ask_system("example.invalid", 80), 0.1))
except TimeoutError:
    print("gave up")
"""


async def test_the_system_knows_its_own_name_and_says_of_others_that_it_does_not():
    found = await ask_system("localhost", 80)

    assert {address[1] for *_, address in found} == {80}
    with pytest.raises(socket.gaierror):
        await ask_system("no-such-host.invalid", 80)


async def test_a_look_up_that_nobody_waits_for_any_more_ends_without_a_word():
    looking = asyncio.create_task(ask_system("localhost", 80))
    await asyncio.sleep(0)
    looking.cancel()
    await asyncio.wait([looking])
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join()
    await asyncio.sleep(0)

    assert looking.cancelled()


@pytest.mark.unmeasured
def test_a_resolver_that_hangs_keeps_no_process_from_ending(tmp_path: Path):
    compiler, library = shutil.which("cc"), tmp_path / "slow_resolver.so"
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = Path(__file__).with_name("slow_resolver.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    ended = subprocess.run(
        [sys.executable, "-c", HANGING],
        env=os.environ | {"LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )

    assert ended.stdout == "gave up\n"
