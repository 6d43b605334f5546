"""Traffic of a soak: ordinary exchanges, clients that leave, and every fault of the matrix."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tests.faults.matrix import client_cases, upstream_cases
from tests.faults.matrix.acts import says
from tests.faults.matrix.answers import END, SSE, START, delta, good, head
from tests.faults.matrix.case import COMPLETE, Case, complete, variants
from tests.faults.matrix.runner import Seen, Upstream, play_one
from tests.fleet import Fleet

SETTINGS: Final = f"upstream_read_timeout = 3\nupstream_keep_alive = 2\n{client_cases.SETTINGS}\n"
_PLAYERS: Final = 16
_PAUSE_SECONDS: Final = 0.15
"""Of each player, between two exchanges."""
_RECORD_SECONDS: Final = 60
"""Most time that the record of an exchange may take to appear in the log."""
_WORDS: Final = 600


def tell(*lines: str) -> None:
    """Say something at once."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Kind:
    """Cases that are alike, and which share of the traffic they are."""

    name: str
    weight: int
    cases: Sequence[Case]


def kinds() -> list[Kind]:
    """What the traffic consists of."""
    clients = [
        case for case in client_cases.cases() if not case.name.startswith("asks beside thousands")
    ]
    # An upstream that answers and then hangs keeps a connection that looks good: the exchange that
    # is unlucky enough to get it is another one.
    small = [case for case in upstream_cases.small_cases() if "and nothing more" not in case.name]
    return [
        Kind("ordinary", 800, list(_ordinary())),
        Kind("large", 40, list(_large())),
        Kind("client", 60, clients),
        Kind("upstream", 95, small),
        Kind("flood or bomb", 5, upstream_cases.large_cases()),
    ]


def _ordinary() -> Iterator[Case]:
    for form in (False, True):
        act = says(good(is_stream=form))
        yield from variants("no fault", act, COMPLETE, forms=[form], keeps=True)


def _large() -> Iterator[Case]:
    """Long prompts, and long streams."""

    def asking(case: Case, id_: int) -> bytes:
        return case.asking(id_, prompt=f"\n\nHuman: {'word ' * 100_000}\n\nAssistant:")

    for form in (False, True):
        act = says(good(is_stream=form))
        yield from variants(
            "a long prompt", act, COMPLETE, forms=[form], keeps=True, request=asking
        )
    long = says(head(SSE), *START, *[delta("0123456789 ")] * _WORDS, *END)
    yield from variants(
        "a long stream", long, complete("0123456789 " * _WORDS), forms=[True], keeps=False
    )


@dataclass(frozen=True)
class Played:
    """An exchange that has ended, and when it began and ended."""

    seen: Seen
    began: float
    ended: float


@dataclass
class Traffic:
    """Plays cases until it is told to stop, and checks what came of each."""

    fleet: Fleet
    kinds: Sequence[Kind]
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    """How many exchanges of each kind."""
    recorded: Counter[int] = field(default_factory=Counter)
    """Records in the log, by the number of the case."""
    problems: list[str] = field(default_factory=list)
    excused: int = 0
    """Exchanges that ended otherwise than expected while a worker was killed."""
    is_over: bool = False
    all_checked: asyncio.Event = field(default_factory=asyncio.Event)
    kills: list[float] = field(default_factory=list)
    _upstream: Upstream = field(default_factory=lambda: Upstream({}))
    _played: dict[int, Played] = field(default_factory=dict)
    _records: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _log_offset: int = 0

    @property
    def serve(self) -> Upstream:
        """The upstream of the cases."""
        return self._upstream

    async def play(self) -> None:
        """Play cases, several at a time, until it is over."""
        choose = random.Random(self.seed)  # noqa: S311 - the same traffic each time
        async with asyncio.TaskGroup() as players:
            for _ in range(_PLAYERS):
                players.create_task(self._player(choose))

    async def _player(self, choose: random.Random) -> None:
        port = int(self.fleet.url.rpartition(":")[2])
        weights = [kind.weight for kind in self.kinds]
        while not self.is_over:
            [kind] = choose.choices(self.kinds, weights)
            id_ = self.counts.total()
            self.counts[kind.name] += 1
            case = choose.choice(kind.cases)
            self._cases[id_] = case
            began = time.monotonic()
            try:
                seen = await play_one(id_, case, port, self._upstream)
            except OSError as exc:  # nobody listens, as a worker was killed
                seen = Seen(case, b"", f"{type(exc).__name__}: {exc}")
            self._played[id_] = Played(seen, began, time.monotonic())
            await asyncio.sleep(_PAUSE_SECONDS)

    @property
    def _cases(self) -> dict[int, Case]:
        assert isinstance(self._upstream.cases, dict)
        return self._upstream.cases

    def check(self) -> None:
        """Check the exchanges whose records have come by now, or should have."""
        self._read_log()
        now = time.monotonic()
        for id_, played in list(self._played.items()):
            records = self._records.get(id_, [])
            wanted = sum(one.is_recorded for one in played.seen.case.expected)
            if len(records) >= wanted or now - played.ended > _RECORD_SECONDS:
                self._judge(played, records)
                del self._played[id_]
                self._records.pop(id_, None)
                del self._cases[id_]
                self._upstream.asked.pop(id_, None)
                self._upstream.let_go.pop(id_, None)
        if self.is_over and not self._cases:
            self.all_checked.set()

    def _judge(self, played: Played, records: Sequence[dict[str, Any]]) -> None:
        problems = list(played.seen.problems(records))
        if problems and any(played.began - 1 <= kill <= played.ended + 1 for kill in self.kills):
            self.excused += 1
        elif problems:
            self._note(*(f"{played.seen.case.name}: {problem}" for problem in problems))

    def _read_log(self) -> None:
        with self.fleet.log.open("rb") as log:
            log.seek(self._log_offset)
            new, _, _ = log.read().rpartition(b"\n")
        self._log_offset += len(new) + bool(new)
        for line in new.splitlines():
            if line.startswith(b"holdover: "):
                continue
            said: dict[str, Any] = msgspec.json.decode(line)
            if said.get("event") == "exchange":
                id_ = int(said["user_agent"].removeprefix("fault/"))
                self.recorded[id_] += 1
                self._records.setdefault(id_, []).append(said)
            elif said.get("level") in {"error", "critical"} and said["event"] != "worker_ended":
                self._note(f"an error in the log: {said}")

    def _note(self, *problems: str) -> None:
        self.problems += problems
        tell(*problems)
