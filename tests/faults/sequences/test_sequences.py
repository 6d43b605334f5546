"""Whatever clients, upstream and operator do, and in whatever order, each exchange ends well."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.matrix.answers import FRAMINGS
from tests.faults.sequences.exchange import REFUSALS, Exchange, Form, Refusal
from tests.faults.sequences.world import Line, World, running_world
from tests.faults.summary import PROPERTY
from tests.hypothesis_profiles import scaled
from tests.waiting import wait_for

pytestmark = [pytest.mark.timeout(1200), pytest.mark.unmeasured]
_MOST_LINES = 4
_MOST_IN_A_ROW = 3

TEXTS = st.lists(st.text("ab \né😀", min_size=1, max_size=5), max_size=5).map(
    lambda texts: ("A", *texts)
)
FORMS = st.builds(
    Form,
    is_stream=st.sampled_from([True, True, False]),
    is_old=st.booleans(),
    has_stop=st.booleans(),
    has_system=st.booleans(),
    has_prefill=st.booleans(),
    is_bad=st.sampled_from([False] * 7 + [True]),
    texts=TEXTS,
    framing=st.sampled_from(list(FRAMINGS)),
)
PICK = st.integers(0, 11)
SHARE = st.floats(0, 1, allow_nan=False)


class Exchanges(RuleBasedStateMachine):
    """Clients that ask, an upstream that answers, and an operator, in any order."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.first_id = len(world.exchanges)
        self.has_reloaded = False

    # Clients

    @rule(pick=PICK, form=FORMS)
    def ask(self, pick: int, form: Form) -> None:
        """On a connection where others may wait for their answers still, or on a new one."""
        self.do(self.send(pick, form))

    @rule(pick=PICK, form=FORMS, share=SHARE)
    def begin_to_ask(self, pick: int, form: Form, share: float) -> None:
        self.do(self.send(pick, form, share))

    @rule(pick=PICK)
    def go_on(self, pick: int) -> None:
        if begun := self.begun():
            self.do(self.world.go_on(picked(begun, pick)))

    @rule(pick=PICK, which=PICK)
    def try_again(self, pick: int, which: int) -> None:
        """Ask once more what has failed, as SDKs do."""
        if failed := self.failed():
            self.do(self.send(pick, picked(failed, which).form))

    @rule(pick=PICK, is_reset=st.booleans())
    def leave(self, pick: int, *, is_reset: bool) -> None:
        if leavable := self.leavable():
            self.do(self.world.leave(picked(leavable, pick), is_reset=is_reset))

    @rule(pick=PICK, is_reset=st.booleans())
    def leave_while_answered(self, pick: int, *, is_reset: bool) -> None:
        if open_ := self.open():
            exchange = picked(open_, pick)
            [line] = [line for line in self.here() if line.front is exchange]
            self.do(self.answer_and_leave(exchange, line, is_reset=is_reset))

    @rule(pick=PICK)
    def half_close(self, pick: int) -> None:
        if lines := self.half_closable():
            self.do(self.world.half_close(picked(lines, pick)))

    # Upstream

    @rule(pick=PICK, share=SHARE)
    def say_some(self, pick: int, share: float) -> None:
        """Up to any byte, in the middle of whatever it is."""
        if open_ := self.open():
            exchange = picked(open_, pick)
            offset = int(len(exchange.form.answer.data) * share)
            self.do(self.world.say(exchange, exchange.say(offset)))

    @rule(pick=PICK)
    def say_words(self, pick: int) -> None:
        """Up to the end of an event, which the client hears though nothing follows."""
        if open_ := self.open():
            exchange = picked(open_, pick)
            offset = exchange.form.answer.boundary_after(exchange.said + 1)
            if offset is not None:
                self.do(self.world.say(exchange, exchange.say(offset)))
                if exchange.is_open:
                    self.do(self.world.hear(exchange))

    @rule(pick=PICK)
    def say_all(self, pick: int) -> None:
        if open_ := self.open():
            exchange = picked(open_, pick)
            self.do(self.world.say(exchange, exchange.say(len(exchange.form.answer.data))))

    @rule(pick=PICK, is_reset=st.booleans())
    def break_off(self, pick: int, *, is_reset: bool) -> None:
        if open_ := self.open():
            self.do(self.world.break_off(picked(open_, pick), is_reset=is_reset))

    @rule(pick=PICK)
    def fail(self, pick: int) -> None:
        """Say an error in a stream, behind its next words."""
        if streams := [one for one in self.open() if one.form.is_stream]:
            exchange = picked(streams, pick)
            offset = exchange.form.answer.boundary_after(exchange.said)
            if offset is not None:
                self.do(self.world.fail(exchange, offset))

    @rule(pick=PICK, refusal=st.sampled_from(REFUSALS))
    def refuse(self, pick: int, refusal: Refusal) -> None:
        if unanswered := self.unanswered():
            exchange = picked(unanswered, pick)
            exchange.end(refusal.expected)
            self.do(self.world.say(exchange, refusal.data))

    # An operator

    @precondition(lambda self: not self.has_reloaded)
    @rule(is_raw=st.booleans())
    def reload(self, *, is_raw: bool) -> None:
        """Once, because reading settings takes as long as a hundred exchanges."""
        self.has_reloaded = True
        self.world.reload(f'leading_space = "{"raw" if is_raw else "legacy"}"')

    @rule()
    def look(self) -> None:
        """Ask whether it is well, and how many it serves."""
        self.world.ready()
        count = sum(line.running for line in self.here())
        wait_for(lambda: self.world.running() == count, lambda: (self.world.running(), count))

    # What is always so

    @invariant()
    def records_are_right(self) -> None:
        """As far as they are written."""
        self.check_records(is_last=False)

    def teardown(self) -> None:
        """Let everything end, in this order: what upstream still says, clients, records."""
        try:
            self.end()
        finally:
            self.world.runner.run(self.world.forget())

    def end(self) -> None:
        while open_ := self.open():
            exchange = open_[0]
            self.do(self.world.say(exchange, exchange.say(len(exchange.form.answer.data))))
        for line in self.here():
            self.do(self.world.leave(line, is_reset=False))
        self.look()
        wait_for(self.has_all_records, self.missing)
        self.check_records(is_last=True)

    async def send(self, pick: int, form: Form, share: float = 1) -> None:
        """Send a request on one of the connections, of which there is one more each time."""
        lines = self.askable()
        if len(self.here()) < _MOST_LINES:
            lines.append(await self.world.connect())
        if lines:
            await self.world.send(picked(lines, pick), form, share)

    async def answer_and_leave(self, exchange: Exchange, line: Line, *, is_reset: bool) -> None:
        """Let upstream say all, and the client leave just then."""
        await self.world.say(exchange, exchange.say(len(exchange.form.answer.data)))
        await self.world.leave(line, is_reset=is_reset, is_told=True)

    # What there is

    def here(self) -> list[Line]:
        return [line for line in self.world.lines if not line.is_left]

    def askable(self) -> list[Line]:
        return [
            line
            for line in self.here()
            if line.can_ask and sum(one.told is None for one in line.exchanges) < _MOST_IN_A_ROW
        ]

    def leavable(self) -> list[Line]:
        """Whoever has half-closed and leaves later is noticed only as it is answered."""
        return [line for line in self.here() if not (line.is_half_closed and line.front)]

    def begun(self) -> list[Line]:
        return [line for line in self.here() if line.unsent]

    def half_closable(self) -> list[Line]:
        """Connections whose only exchange, if there is one, waits for an answer."""
        return [
            line
            for line in self.askable()
            if line.front is None or (line.front.said == 0 and line.front is line.exchanges[-1])
        ]

    def exchanges(self) -> list[Exchange]:
        return list(itertools.islice(self.world.exchanges.values(), self.first_id, None))

    def open(self) -> list[Exchange]:
        """Those that wait for upstream; who has left is let go without a word of upstream's."""
        return [one for one in self.exchanges() if one.is_open and one.left_as is None]

    def unanswered(self) -> list[Exchange]:
        return [one for one in self.open() if one.said == 0]

    def failed(self) -> list[Exchange]:
        return [one for one in self.exchanges() if one.told is not None and one.told.kind]

    def do(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something, and wait until everybody has what is due."""
        self.world.runner.run(self.and_settle(work))

    async def and_settle(self, work: Coroutine[Any, Any, object]) -> None:
        await work
        await self.world.settle()

    def check_records(self, *, is_last: bool) -> None:
        records = self.world.records()
        for exchange in self.exchanges():
            exchange.check_records(records[exchange.id_], is_last=is_last)

    def has_all_records(self) -> bool:
        return not self.missing()

    def missing(self) -> list[Exchange]:
        records = self.world.records()
        return [one for one in self.exchanges() if not (one.may_be_unseen or records[one.id_])]


def picked(things: list[Any], pick: int) -> Any:
    return things[pick % len(things)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as world:
        yield world


@pytest.mark.scaled
@pytest.mark.faults("any order")
def test_each_exchange_ends_well_in_whatever_order_things_happen(
    world: World, record_property: Callable[[str, object], None]
):
    world.warm_up()
    before = world.bench.usage()
    run_state_machine_as_test(
        cast("Any", partial(Exchanges, world)),
        settings=settings(
            max_examples=scaled(150, at_least=10),
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
    leaked = world.bench.settled(before).more_than(before)

    record_property(PROPERTY, [len(world.exchanges), 0, leaked])
    assert not leaked
