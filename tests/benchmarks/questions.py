"""
What the load asks, and what a right answer to it has in it.

A prompt says how it wants to be answered, in words that every proxy passes on: "150 events,
30.0 a second" is what `tests.benchmarks.upstream` streams. Any other prompt gets a whole answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from tests.benchmarks.canned import compact

Kind = Literal["whole", "stream"]
KINDS: Final[tuple[Kind, ...]] = ("whole", "stream")
MODEL: Final = "claude-haiku-4-5"
KEY: Final = "sk-ant-benchmark"
_SENTENCE: Final = "The birch in the yard has lost its leaves, and the oak has not. "


@dataclass(frozen=True, slots=True)
class Question:
    """One request, ready to be sent as often as one likes."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def encode(self) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", "host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"content-length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server is asked, and by what bytes its answers are known to be whole."""

    ask: Callable[[Kind, str], Question]
    whole: bytes
    """In every whole answer."""
    delta: bytes
    """Once in each frame that carries text."""
    end: bytes
    """Once in a stream, at its end."""


def small_prompt() -> str:
    return "Which tree grows fastest, and where?"


def paced_prompt(events: int, rate: float) -> str:
    """One that asks for a stream, `rate` events a second."""
    return f"{events} events, {rate} a second"


def later_prompt(milliseconds: int, size: int = 0) -> str:
    """One that asks for a whole answer so much later, and is of so many bytes or a few more."""
    return f"after {milliseconds} ms: {prompt_of(size)}"


def prompt_of(size: int) -> str:
    """One of so many bytes."""
    return (_SENTENCE * (size // len(_SENTENCE) + 1))[:size]


def _headers(kind: Kind, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    accept = "text/event-stream" if kind == "stream" else "application/json"
    return (
        ("content-type", "application/json"),
        ("accept", accept),
        ("anthropic-version", "2023-06-01"),
        ("x-api-key", KEY),
        *more,
    )


def ask_for_completion(kind: Kind, text: str) -> Question:
    """As a client of the legacy API asks."""
    body = {
        "model": MODEL,
        "prompt": f"\n\nHuman: {text}\n\nAssistant:",
        "max_tokens_to_sample": 300,
        "temperature": 0.5,
        "stop_sequences": ["\n\nHuman:"],
        **({"stream": True} if kind == "stream" else {}),
    }
    return Question("/v1/complete", _headers(kind), compact(body).encode())


def _message_body(kind: Kind, text: str, model: str) -> bytes:
    body = {
        "model": model,
        "max_tokens": 300,
        "temperature": 0.5,
        "messages": [{"role": "user", "content": text}],
        **({"stream": True} if kind == "stream" else {}),
    }
    return compact(body).encode()


def ask_litellm(kind: Kind, text: str) -> Question:
    """Messages in, Messages out. Its models are named for what they answer."""
    body = _message_body(kind, text, kind)
    return Question("/v1/messages", _headers(kind, ("authorization", f"Bearer {KEY}")), body)


def ask_portkey(upstream: str) -> Callable[[Kind, str], Question]:
    """The same; each request says where it goes."""

    def ask(kind: Kind, text: str) -> Question:
        host = ("x-portkey-custom-host", f"{upstream}/{kind}/v1")
        more = (("x-portkey-provider", "anthropic"), host, ("authorization", f"Bearer {KEY}"))
        return Question("/v1/messages", _headers(kind, *more), _message_body(kind, text, MODEL))

    return ask


_SAID_BY_UPSTREAM = (b'"type":"message"', b'"text_delta"', b'"message_stop"')
PASSED_THROUGH: Final = Dialect(ask_for_completion, *_SAID_BY_UPSTREAM)
TRANSLATED: Final = Dialect(
    ask_for_completion,
    *(b'"type":"completion"', b'"stop_reason":null', b'"stop_reason":"stop_sequence"'),
)
LITELLM: Final = Dialect(ask_litellm, *_SAID_BY_UPSTREAM)


def portkey(upstream: str) -> Dialect:
    return Dialect(ask_portkey(upstream), *_SAID_BY_UPSTREAM)
