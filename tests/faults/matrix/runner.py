"""Runs the cases of a class against one server, many at once, and finds what went wrong."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import h11

from tests.faults.matrix.answers import good
from tests.faults.matrix.case import COMPLETE, GONE, Caller, Case, Expected
from tests.faults.matrix.oracle import Told, fitting_record, told
from tests.fleet import Fleet, running_fleet
from tests.processes import files_of, resident_bytes
from tests.scripted_server import Peer, listening
from tests.servers import free_port
from tests.waiting import PATIENCE_SECONDS, wait_for

MIB: Final = 1024 * 1024
MAX_GROWTH_BYTES: Final = 64 * MIB
_EXPECTED: Final = {"upstream_unreachable"}
"""Errors in the log that some cases cause."""
_AT_ONCE: Final = 48
_WARM_UP: Final = 200
SERVER: Final = (sys.executable, "-m", "tests.faults.matrix.counting_server")
_Record = Mapping[str, Any]
_Records = Mapping[int, Sequence[_Record]]


@dataclass(frozen=True)
class Usage:
    """What a server has in use while nobody asks it for anything."""

    tasks: Counter[str]
    files: Counter[str]
    """Sockets, pipes and such by their kind, and files by their directory: they have new names."""
    resident_bytes: int

    def more_than(self, before: Usage) -> str:
        """What is more than before, if it is too much."""
        more = [f"task {name}" for name in (self.tasks - before.tasks).elements()]
        more += [f"descriptor of {kind}" for kind in (self.files - before.files).elements()]
        if (grown := self.resident_bytes - before.resident_bytes) > MAX_GROWTH_BYTES:
            more.append(f"{grown // MIB} MiB")
        return ", ".join(more)


@dataclass(frozen=True)
class Result:
    """What became of a class of cases."""

    cases: int
    wrong: Mapping[int, Sequence[str]]
    """For each case that went wrong, what was seen."""
    leaked: str


@dataclass
class Upstream:
    """Acts as the case does that a request belongs to."""

    cases: Mapping[int, Case]
    asked: defaultdict[int, asyncio.Event] = field(
        default_factory=lambda: defaultdict(asyncio.Event)
    )
    let_go: defaultdict[int, asyncio.Event] = field(
        default_factory=lambda: defaultdict(asyncio.Event)
    )
    _acting: Counter[int] = field(default_factory=Counter)

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        while True:
            head = await peer.hear()
            id_ = int(_found(rb"x-case: (\d+)", head))
            case = self.cases[id_]
            self._acting[id_] += 1
            self.let_go[id_].clear()
            try:
                if case.hears_body:
                    await peer.hear_body(int(_found(rb"content-length: (\d+)", head)))
                self.asked[id_].set()
                await case.act(peer)
            finally:
                self._acting[id_] -= 1
                if not self._acting[id_]:
                    self.let_go[id_].set()
            if not case.keeps:
                return


def _found(pattern: bytes, head: bytes) -> bytes:
    found = re.search(pattern, head, re.IGNORECASE)
    assert found is not None, head
    return found[1]


@dataclass(frozen=True)
class Seen:
    """What the client of a case has seen."""

    case: Case
    heard: bytes
    problem: str = ""

    def problems(self, records: Sequence[_Record]) -> Iterator[str]:
        """What of it, and of the records of it, is not as it has to be."""
        if self.problem:
            yield self.problem
            return
        try:
            answers = told(self.heard, is_stream=self.case.is_stream, is_old=self.case.is_old)
        except (AssertionError, ValueError, LookupError, h11.RemoteProtocolError) as exc:
            yield f"badly formed ({type(exc).__name__}: {exc}): {_shown(self.heard)}"
            return
        wanted = [one for one in self.case.expected if one is not GONE]
        if len(answers) != len(wanted):
            yield f"{len(answers)} answers instead of {len(wanted)}: {_shown(self.heard)}"
            return
        for answer, one in zip(answers, wanted, strict=True):
            if not one.is_met_by(answer):
                yield f"{answer}, and not {one}"
        yield from self._problems_of(records, list(zip(answers, wanted, strict=True)))

    def _problems_of(
        self, records: Sequence[_Record], told_so: Sequence[tuple[Told, Expected]]
    ) -> Iterator[str]:
        fitting: list[tuple[str, int | None]] = [
            fitting_record(answer) for answer, one in told_so if one.is_recorded
        ]
        fitting += [("client_gone", None) for one in self.case.expected if one is GONE]
        found = [(record["outcome"], record["status"]) for record in records]
        for (outcome, status), (wanted, told_status) in zip(found, fitting, strict=False):
            if outcome != wanted or told_status not in {None, status}:
                yield f"recorded as {found}, and not as {fitting}"
        if len(found) != len(fitting):
            yield f"{len(found)} records instead of {len(fitting)}: {found}"


def _shown(heard: bytes) -> str:
    return repr(heard if len(heard) < 600 else heard[:300] + b" ... " + heard[-300:])


def _kind(file: str) -> str:
    return str(Path(file).parent) if file.startswith("/") else file.partition(":")[0]


async def _play(cases: Mapping[int, Case], port: int, upstream: Upstream) -> dict[int, Seen]:
    """Play all cases, so many at once."""
    left = iter(cases.items())
    seen: dict[int, Seen] = {}

    async def player() -> None:
        for id_, case in left:
            seen[id_] = await play_one(id_, case, port, upstream)

    await asyncio.gather(*(player() for _ in range(_AT_ONCE)))
    return seen


async def play_one(id_: int, case: Case, port: int, upstream: Upstream) -> Seen:
    """Play one case to its end, which comes when upstream has been let go."""
    heard = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    caller = Caller(
        Peer(reader, writer), case.request(case, id_), upstream.asked[id_], upstream.let_go[id_]
    )
    try:
        async with asyncio.timeout(5 * PATIENCE_SECONDS):  # many at once, and under coverage
            heard = await case.play(caller)
            if upstream.asked[id_].is_set():
                await upstream.let_go[id_].wait()
    except TimeoutError:
        waited_for = "upstream to be let go" if heard else "an answer"
        return Seen(case, heard, f"waited too long for {waited_for}: {_shown(heard)}")
    except ConnectionError as exc:
        return Seen(case, heard, f"{type(exc).__name__}: {exc}")
    finally:
        writer.transport.abort()
    return Seen(case, heard)


@dataclass(frozen=True)
class Bench:
    """A server under test, and where its upstream may listen."""

    fleet: Fleet
    upstream_port: int
    tasks: Path

    def play(self, cases: Mapping[int, Case], *, is_reachable: bool = True) -> dict[int, Seen]:
        """Play cases, while their upstream listens or while nobody does."""
        port = int(self.fleet.url.rpartition(":")[2])

        async def play() -> dict[int, Seen]:
            upstream = Upstream(cases)
            if not is_reachable:
                return await _play(cases, port, upstream)
            async with listening(upstream, port=self.upstream_port):
                return await _play(cases, port, upstream)

        return asyncio.run(play())

    def records(self, count: int) -> _Records:
        """The records of all cases, by case, once there are so many or it takes too long."""
        with suppress(AssertionError):  # the cases that lack one say so
            wait_for(lambda: self.fleet.log.read_bytes().count(b'"event":"exchange"') >= count)
        found: dict[int, list[_Record]] = defaultdict(list)
        for line in self.fleet.lines("exchange"):
            found[int(line["user_agent"].removeprefix("fault/"))].append(line)
        return found

    def has_loader(self) -> bool:
        """Whether any thread of the server has started a process."""
        threads = Path(f"/proc/{self.fleet.process.pid}/task")
        return any(children.read_text() for children in threads.glob("*/children"))

    def files(self) -> Counter[str]:
        """What the server has open."""
        return Counter(map(_kind, files_of(self.fleet.process.pid)))

    def usage(self) -> Usage:
        """What the server uses."""
        pid = self.fleet.process.pid
        self.tasks.unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR1)
        wait_for(self.tasks.exists)
        names = Counter[str](json.loads(self.tasks.read_text()))
        return Usage(names, self.files(), resident_bytes(pid))

    def settled(self, before: Usage) -> Usage:
        """What it uses once that is no more than before, or after a long time."""
        now = self.usage()

        def is_no_more() -> bool:
            nonlocal now
            now = self.usage()
            return not now.more_than(before)

        with suppress(AssertionError):  # the result says so
            wait_for(is_no_more)
        return now


def run_class(
    directory: Path,
    cases: Sequence[Case],
    *,
    settings: str = "",
    unreachable: Sequence[Case] = (),
    warm_up: Sequence[Case] = (),
) -> Result:
    """
    Run all of them against one server, the last ones while upstream is not there.

    `warm_up` are those after which a server keeps more memory than before, but no more each time.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    tasks = directory / "tasks"
    settings = f"upstream_read_timeout = 5\nupstream_keep_alive = 2\n{settings}"
    with running_fleet(
        directory, settings, upstream_url=url, legacy_url=url, program=SERVER, TASKS=str(tasks)
    ) as fleet:
        bench = Bench(fleet, port, tasks)
        connections = bench.files()["socket"]
        warm = dict(enumerate([*_warm_up(), *warm_up]))
        seen = bench.play(warm)
        wait_for(lambda: bench.files()["socket"] == connections)
        wait_for(bench.has_loader)  # which has a pipe
        before = bench.usage()
        numbered = dict(enumerate(cases, len(warm)))
        seen |= bench.play(numbered)
        seen |= bench.play(
            dict(enumerate(unreachable, len(warm) + len(numbered))), is_reachable=False
        )
        expected = [one for each in seen.values() for one in each.case.expected if one.is_recorded]
        records = bench.records(len(expected))
        after = bench.settled(before)
        errors = [line for line in fleet.lines(level="error") if line["event"] not in _EXPECTED]
    wrong = {
        id_: [f"{each.case.name}: {problem}" for problem in problems]
        for id_, each in seen.items()
        if (problems := list(each.problems(records.get(id_, []))))
    }
    if errors:
        wrong[-1] = [f"an error in the log: {line}" for line in errors]
    return Result(
        cases=len(cases) + len(unreachable),
        wrong=wrong,
        leaked=after.more_than(before),
    )


def _warm_up() -> Iterator[Case]:
    """Good exchanges, so that what a server makes once has been made."""
    for number in range(_WARM_UP):
        is_stream, is_old = bool(number & 1), bool(number & 2)
        answer = good(is_stream=is_stream)

        async def act(peer: Peer, answer: bytes = answer) -> None:
            await peer.say(answer)

        yield Case(
            name="no fault",
            act=act,
            keeps=True,
            expected=(COMPLETE,),
            is_stream=is_stream,
            is_old=is_old,
        )
