"""
Requests and answers of every shape, as large as they may be: whom they hold up.

While one of them is in work, `/healthz` is asked again and again on a connection of its own; the
longest it had to wait is what counts. It needs nothing but the event loop.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from tests.benchmarks.client import WrongAnswer
from tests.benchmarks.contenders import Served, fleet, holdover, hostile_upstream
from tests.benchmarks.hostile_upstream import SHAPES
from tests.benchmarks.probing import HEALTH, probe
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.questions import KEY
from tests.benchmarks.rounds import Effort, Findings, tell
from tests.benchmarks.samples import Failure

_MAX: Final = 32 * 1024 * 1024 - 4096
"""Bytes of a body: a little less than `max_body_bytes`."""
_FLOOD_SECONDS: Final = 1
_MAX_ROUNDS: Final = 3
_PATIENCE_SECONDS: Final = 120
_AFTERWARDS_SECONDS: Final = 0.3
"""What is done at the end of an exchange counts, too."""
_PAUSE_SECONDS: Final = 0.001
_LOOK_SECONDS: Final = 0.2
_HUMAN: Final = rb"\n\nHuman: "
_ASSISTANT: Final = rb"\n\nAssistant:"


def asking(prompt: bytes, *more: bytes, model: bytes = b"claude-haiku-4-5") -> bytes:
    """A request with this prompt, and these fields, as they are spelled."""
    fields = (b'"model":"%b"' % model, b'"max_tokens_to_sample":300', b'"prompt":"%b"' % prompt)
    return b"{" + b",".join((*fields, *more)) + b"}"


def full_of(unit: bytes, head: bytes = b"", tail: bytes = b"", size: int = _MAX) -> bytes:
    return head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail


def prompting(unit: bytes, head: bytes = _HUMAN + b"x", tail: bytes = b"x" + _ASSISTANT) -> bytes:
    """A request with a prompt full of it."""
    return asking(full_of(unit, head, tail))


_SMALL: Final = _HUMAN + b"Hi" + _ASSISTANT
_TURN: Final = rb"\n\nHuman: a\n\nAssistant: b"
_WORDS: Final = b"the quick brown fox "
_WITHOUT_PREFILL: Final = b"claude-opus-4-8"


def _numbered(pattern: bytes, count: int) -> bytes:
    return b",".join([pattern % number for number in range(count)])


REQUESTS: Final[Mapping[str, Callable[[], bytes]]] = {
    "plain words": lambda: prompting(_WORDS),
    "words, quotes and lines": lambda: prompting(_WORDS * 3 + rb"\"so\" it goes\n"),
    "newlines, escaped": lambda: prompting(rb"\n"),
    r"\u0041": lambda: prompting(rb"\u0041"),
    "emoji, escaped": lambda: prompting(rb"\ud83d\ude00"),
    "emoji": lambda: prompting("😀".encode()),
    "words and one emoji": lambda: prompting(_WORDS, tail="😀".encode() + _ASSISTANT),
    "words and one euro": lambda: prompting(_WORDS, tail="€".encode() + _ASSISTANT),
    "letters with accents": lambda: prompting("é".encode()),
    "lone surrogates, escaped": lambda: prompting(rb"\ud83d"),
    "lone surrogates, encoded": lambda: prompting(b"\xed\xa0\xbd"),
    "one lone surrogate, at the end": lambda: prompting(_WORDS, tail=rb"\ud83d" + _ASSISTANT),
    "control characters": lambda: prompting(rb"\u0001"),
    "spaces": lambda: prompting(b" "),
    "nothing but spaces": lambda: prompting(b" ", b"", b""),
    "nothing but newlines": lambda: prompting(rb"\n", b"", b""),
    "backslashes": lambda: prompting(rb"\\"),
    "quotes": lambda: prompting(rb"\""),
    "100,000 turns": lambda: asking(_TURN * 49_999 + _ASSISTANT),
    "100,000 turns, 32 MB": lambda: asking(
        (rb"\n\nHuman: " + b"a" * 290 + rb"\n\nAssistant: " + b"b" * 290) * 49_999 + _ASSISTANT
    ),
    "100,000 turns of one side": lambda: asking(rb"\n\nHuman: a" * 99_999 + _ASSISTANT),
    "too many turns": lambda: prompting(_TURN),
    "empty turns": lambda: asking(rb"\n\nHuman:" * 99_999 + _ASSISTANT),
    "all markers": lambda: prompting(rb"\n\nHuman:", b"", b""),
    "all lost markers": lambda: prompting(b"Assistant: ", b"", b""),
    "a preamble": lambda: prompting(_WORDS, b"", _SMALL),
    "a preamble of spaces": lambda: prompting(b" ", b"", _SMALL),
    "a prefill": lambda: prompting(_WORDS, _SMALL, b"x"),
    "a prefill for a model that takes none": lambda: asking(
        full_of(_WORDS, _SMALL, b"x", 30_000_000), model=_WITHOUT_PREFILL
    ),
    "a prefill of spaces": lambda: prompting(b" ", _SMALL, b" "),
    "a prefill that ends in spaces": lambda: prompting(b" ", _SMALL + b"x", b" "),
    "a prefill of newlines": lambda: prompting(rb"\n", _SMALL + b"x", b"x"),
    "a prefill, and many stops": lambda: asking(
        full_of(_WORDS, _SMALL, b"x", 30_000_000),
        b'"stop_sequences":[%b]' % _numbered(b'"%03x"', 6000),
        model=_WITHOUT_PREFILL,
    ),
    "a prefill and a stop that nearly match": lambda: asking(
        full_of(b"a", _SMALL, b"x", 30_000_000),
        b'"stop_sequences":["%b"]' % (b"a" * 19_000 + b"b"),
        model=_WITHOUT_PREFILL,
    ),
    "many stops": lambda: asking(_SMALL, b'"stop_sequences":[%b]' % _numbered(b'"%d"', 3_000_000)),
    "long stops": lambda: asking(
        _SMALL, b'"stop_sequences":["%b"]' % b'","'.join([b"x" * 30_000] * 1000)
    ),
    "one stop": lambda: asking(_SMALL, b'"stop_sequences":["%b"]' % full_of(b"x", size=30_000_000)),
    "names of unknown fields": lambda: asking(_SMALL, _numbered(b'"field%d":1', 1_000_000)),
    "long names of unknown fields": lambda: asking(
        _SMALL, _numbered(b'"%d' + b"x" * 1000 + b'":1', 30_000)
    ),
    "a name of an unknown field": lambda: asking(
        _SMALL, b'"%b":1' % full_of(b"x", size=30_000_000)
    ),
    "an unknown text": lambda: asking(_SMALL, b'"x":"%b"' % full_of(rb"\n", size=30_000_000)),
    "unknown numbers": lambda: asking(_SMALL, b'"x":[%b1]' % full_of(b"1,", size=30_000_000)),
    "unknown nesting": lambda: asking(
        _SMALL, b'"x":[%b1]' % full_of(b"[[[[]]]],", size=30_000_000)
    ),
    "unknown nesting without end": lambda: asking(_SMALL, b'"x":%b' % full_of(b"[")),
    "user_id": lambda: asking(
        _SMALL, b'"metadata":{"user_id":"%b"}' % full_of(b"x", size=30_000_000)
    ),
    "unknown metadata": lambda: asking(
        _SMALL, b'"metadata":{%b}' % _numbered(b'"m%d":"x"', 2_000_000)
    ),
    "one tag": lambda: asking(_SMALL, b'"tags":{"x":"%b"}' % full_of(rb"\n", size=30_000_000)),
    "many tags": lambda: asking(_SMALL, b'"tags":{%b}' % _numbered(b'"t%d":"x"', 2_000_000)),
    "model": lambda: asking(_SMALL, model=full_of(b"x", size=30_000_000)),
    "model of escapes": lambda: asking(_SMALL, model=full_of(rb"\n", size=30_000_000)),
    "no JSON, which shows at the end": lambda: prompting(_WORDS)[:-1],
    "no JSON, which shows at the end, of newlines": lambda: prompting(rb"\n")[:-1],
    "no UTF-8, which shows at the end": lambda: prompting(_WORDS, tail=b"\xff"),
    "no escape, which shows at the end": lambda: prompting(_WORDS, tail=rb"\x"),
    "no end of a text": lambda: prompting(_WORDS)[:-40],
    "no JSON at all": lambda: full_of(b"<p>"),
    "nothing": lambda: bytes(_MAX),
    "spaces, then a request": lambda: b" " * (_MAX - 1000) + asking(_SMALL),
    "a number of many digits": lambda: asking(
        _SMALL, b'"top_k":%b' % full_of(b"1", size=30_000_000)
    ),
    "a text for a number": lambda: asking(_SMALL, b'"top_k":"%b"' % full_of(b"x", size=30_000_000)),
    "a number for the model": lambda: prompting(_WORDS).replace(b'"claude-haiku-4-5"', b"5"),
    "two prompts": lambda: asking(
        full_of(_WORDS, _HUMAN, _ASSISTANT, 15_000_000),
        b'"prompt":"%b"' % full_of(_WORDS, _HUMAN, _ASSISTANT, 15_000_000),
    ),
}
"""Bodies by what they are full of."""


@dataclass(frozen=True, slots=True)
class Case:
    """One exchange that wants to hold up others."""

    name: str
    body: Callable[[], bytes]
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = _PATIENCE_SECONDS
    """After which the client goes, if the answer goes on."""


def cases() -> Iterator[Case]:
    for name, body in REQUESTS.items():
        yield Case(f"request: {name}", body)
    for name in SHAPES:
        streamed = "flood" in name or "delta" in name or name == "a line without an end"
        small = asking(_SMALL, b'"stream":true') if streamed else asking(_SMALL)
        versions = ("2023-06-01", "2023-01-01") if streamed else ("2023-06-01",)
        for version in versions:
            headers = (("x-shape", name), ("anthropic-version", version))
            label = f"answer: {name}" + (" (2023-01-01)" if version < "2023-06" else "")
            seconds = _FLOOD_SECONDS if "flood" in name else _PATIENCE_SECONDS
            yield Case(label, partial(bytes, small), headers, seconds)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one case did, in its best round."""

    name: str
    status: int
    worst_ms: float
    seconds: float
    cpu_seconds: float


def request_of(case: Case, body: bytes) -> bytes:
    named = {"anthropic-version": "2023-06-01", **dict(case.headers)}
    lines = ["POST /v1/complete HTTP/1.1", "host: 127.0.0.1", f"x-api-key: {KEY}"]
    lines += ["content-type: application/json", "connection: close"]
    lines += [f"{name}: {value}" for name, value in named.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class Exchange:
    """One exchange in a thread of its own, whose client reads as fast as it can."""

    def __init__(self, port: int, request: bytes, seconds: float) -> None:
        self.status = 0
        self.seconds = 0.0
        self._port, self._request, self._until = port, request, seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._over = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    @property
    def goes_on(self) -> bool:
        """Until a moment after its end."""
        return not self._over or time.monotonic() < self._over + _AFTERWARDS_SECONDS

    def _run(self) -> None:
        started = time.monotonic()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.sendall(self._request)
            connection.settimeout(_LOOK_SECONDS)
            while time.monotonic() < started + self._until:
                with suppress(TimeoutError):
                    if not (said := connection.recv(1 << 20)):
                        break
                    self.status = self.status or int(said[9:12])
        self._over = time.monotonic()
        self.seconds = self._over - started


def seen_in(server: Served, case: Case, body: bytes) -> Seen:
    before = cpu_seconds(server.pid)
    with Exchange(server.port, request_of(case, body), case.seconds) as exchange:
        waits = probe(server.port, HEALTH, lambda: exchange.goes_on, _PAUSE_SECONDS)
    used = cpu_seconds(server.pid) - before
    return Seen(case.name, exchange.status, max(waits), exchange.seconds, used)


def idle(server: Served, seconds: float) -> float:
    """How long the probe waits at most while there is nothing else to do."""
    until = time.monotonic() + seconds
    return max(probe(server.port, HEALTH, lambda: time.monotonic() < until, _PAUSE_SECONDS))


def rounds_of(effort: Effort) -> int:
    return min(_MAX_ROUNDS, effort.rounds)


def shapes(effort: Effort) -> Findings:
    """The worst of all shapes, each in its best round: what disturbs a machine only adds to it."""
    found: list[Seen] = []
    with fleet(hostile_upstream, [holdover()]) as served:
        ours = served["holdover"]
        resting = idle(ours, effort.seconds)
        for case in cases():
            body = case.body()
            try:
                rounds = [seen_in(ours, case, body) for _ in range(rounds_of(effort))]
            except (WrongAnswer, OSError) as exc:
                return Findings(failures=(Failure(case.name, "holdover", str(exc)),))
            found.append(min(rounds, key=lambda seen: seen.worst_ms))
            tell(_note(found[-1]))
    worst = max(seen.worst_ms for seen in found)
    notes = (f"an idle proxy, longest wait of a probe: {resting:.1f} ms", *map(_note, found))
    return Findings((), {"shapes: longest wait": worst}, (), notes)


def _note(seen: Seen) -> str:
    return (
        f"{seen.name}: longest wait {seen.worst_ms:.1f} ms; status {seen.status} after"
        f" {seen.seconds:.2f} s, {seen.cpu_seconds:.2f} s of CPU"
    )
