"""Ask the running server how it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import msgspec

from proxy.console.remembered import Remembered
from proxy.errors import Failure, InvalidSettings
from proxy.upstream.client import UpstreamClient
from proxy.upstream.transport import Timeouts

_TIMEOUT_SECONDS: Final = 2
_TIMEOUTS: Final = Timeouts(connect=_TIMEOUT_SECONDS, read=_TIMEOUT_SECONDS)
_FRESH_SECONDS: Final = 1.0
_MAX_BYTES: Final = 1024 * 1024


class SettingsInForce(msgspec.Struct, frozen=True):
    """The version of the settings that the server follows, and what is wrong with a newer one."""

    version: str | None = None
    loaded: datetime | None = None
    problem: str | None = None


class ServerProblem(msgspec.Struct, frozen=True):
    """Something that is wrong at present, and what to do about it."""

    kind: str
    text: str
    advice: str = ""


class ServerTrip(msgspec.Struct, frozen=True):
    """A guard that has tripped."""

    since: str
    reason: str


class Readiness(msgspec.Struct, frozen=True):
    """What pages use of the answer of `/readyz`; older servers say less."""

    status: Literal["ready", "not_ready", "draining"]
    problems: tuple[ServerProblem, ...] = ()
    settings: SettingsInForce = SettingsInForce()
    override: str | None = None
    tripped: dict[str, ServerTrip] = {}


_READINESS: Final = msgspec.json.Decoder(Readiness)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAnswer:
    """What `/readyz` has said, or why it has said nothing."""

    readiness: Readiness | None = None
    """The answer of one worker; None if there was none."""
    silence: str | None = None
    """Sentence about why there is no answer; None if there is one."""


@dataclass(slots=True)
class ServerClient:
    """Asks one server; an answer is used for a second."""

    url: str
    """Base URL, without a slash at its end."""
    _remembered: Remembered = field(default_factory=Remembered)

    async def ask(self) -> ServerAnswer:
        """Return what the server says of itself; never raises."""
        return await self._remembered.get(self.url, _FRESH_SECONDS, self._ask)

    async def _ask(self) -> ServerAnswer:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                received = await self._fetch()
            readiness = _READINESS.decode(received)
        except TimeoutError:
            return self._silence(f"has not answered within {_TIMEOUT_SECONDS} seconds")
        except (Failure, InvalidSettings):
            return self._silence("cannot be reached")
        except (ValueError, RecursionError):  # many services have a `/readyz`
            return self._silence("answers in another way than Holdover does")
        return ServerAnswer(readiness=readiness)

    async def _fetch(self) -> bytes:
        client = UpstreamClient(self.url, _TIMEOUTS)
        received = bytearray()
        try:
            await client.connect()  # what it raises is said on a page, and in no log
            answer = await client.forward("GET", b"/readyz", [], None)
            try:
                async for piece in answer.pieces():
                    received += piece
                    if len(received) > _MAX_BYTES:
                        break
            finally:
                await answer.close()
        finally:
            await client.close()
        return bytes(received)

    def _silence(self, what: str) -> ServerAnswer:
        return ServerAnswer(
            silence=f"The server at {self.url} {what}. What follows is what was recorded before; "
            "start it with `holdover serve`, or say where it is with `console_server_url`."
        )
