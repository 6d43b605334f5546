"""One case of the matrix: what its upstream and its client do, and what must come of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.faults.matrix.oracle import Ending, Told
from tests.harness import body
from tests.scripted_server import Act, Peer

TEXT = "Grüße, 😀 you."


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What one answer, and its record, may say; None: whatever is well-formed."""

    endings: frozenset[Ending]
    status: int | None = None
    kind: str | None = None
    message: str | None = None
    text: str | None = TEXT
    """Of a whole answer; one that failed has said the first part of it. None: any."""
    is_recorded: bool = True

    def is_met_by(self, answer: Told) -> bool:
        """Whether an answer is one of those that are expected."""
        if answer.ending not in self.endings:
            return False
        if answer.ending is Ending.COMPLETE:
            return self.text is None or answer.text.removeprefix(" ") == self.text
        return (
            self.status in {None, answer.status}
            and self.kind in {None, answer.kind}
            and self.message in {None, answer.message}
            and (self.text is None or self.text.startswith(answer.text.removeprefix(" ")))
        )


def complete(text: str | None = TEXT) -> Expected:
    """A whole answer."""
    return Expected(endings=frozenset({Ending.COMPLETE}), text=text)


def failed(
    status: int | None = None,
    kind: str | None = None,
    message: str | None = None,
    **more: Any,
) -> Expected:
    """An error, before the first byte or after it; one with a status is an HTTP error."""
    endings = frozenset({Ending.FAILED})
    return Expected(endings=endings, status=status, kind=kind, message=message, **more)


COMPLETE = complete()
FAILED = failed()
EITHER = Expected(endings=COMPLETE.endings | FAILED.endings)
GONE = Expected(endings=frozenset({Ending.GONE}))


@dataclass(frozen=True)
class Caller:
    """The client of a case, connected."""

    peer: Peer
    request: bytes
    is_asked: asyncio.Event
    """Upstream has heard the request."""
    is_let_go: asyncio.Event
    """Upstream has done what it does in this case."""

    async def ask(self) -> None:
        """Say the whole request."""
        await self.peer.say(self.request)

    async def answer(self, most: int | None = None) -> bytes:
        """All that is said until the connection ends, or as much of it as is wanted."""
        said = b""
        try:
            while (most is None or len(said) < most) and (
                piece := await self.peer.reader.read(65536)
            ):
                said += piece
        except ConnectionError:
            pass  # which an old client takes for an end
        return said


Play = Callable[[Caller], Awaitable[bytes]]
"""Does what the client of a case does; returns all that it heard and did not leave behind."""


async def plainly(caller: Caller) -> bytes:
    """Ask, and read to the end."""
    await caller.ask()
    return await caller.answer()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case; a client that asks several times expects several answers."""

    name: str
    act: Act
    expected: tuple[Expected, ...]
    is_stream: bool
    is_old: bool
    play: Play = plainly
    hears_body: bool = True
    """Whether upstream reads the request to its end before it does anything."""
    keeps: bool = False
    """Whether upstream waits for another request on the same connection."""
    request: Callable[[Case, int], bytes] = field(default=lambda case, id_: case.asking(id_))

    def head(self, id_: int, *lines: str) -> bytes:
        """The head of a request, with these lines and without its empty one."""
        version = "2023-01-01" if self.is_old else "2023-06-01"
        return "\r\n".join(
            [
                "POST /v1/complete HTTP/1.1",
                "host: localhost",
                "x-api-key: k",
                f"anthropic-version: {version}",
                f"user-agent: fault/{id_}",
                f"x-case: {id_}",
                *lines,
                "",
            ]
        ).encode()

    def content(self, **fields: object) -> bytes:
        """The body of a request."""
        return json.dumps(body(stream=self.is_stream, **fields)).encode()

    def asking(self, id_: int, *lines: str, **fields: object) -> bytes:
        """A whole request, the last one of its connection unless lines say otherwise."""
        content = self.content(**fields)
        lines = lines or ("connection: close",)
        return self.head(id_, *lines, f"content-length: {len(content)}") + b"\r\n" + content


def variants(
    name: str,
    act: Act,
    *expected: Expected,
    forms: Iterable[bool] = (False, True),
    **more: Any,
) -> Iterator[Case]:
    """The same in both dialects, and in these forms: whole (False) and streamed."""
    for is_stream in forms:
        for is_old in (False, True):
            form = f"{'streamed' if is_stream else 'whole'}, {'old' if is_old else 'new'} dialect"
            yield Case(
                name=f"{name}; {form}",
                act=act,
                expected=expected,
                is_stream=is_stream,
                is_old=is_old,
                **more,
            )


streamed, whole = partial(variants, forms=(True,)), partial(variants, forms=(False,))
