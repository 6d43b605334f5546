"""
Programs of `programs/`: each as it was written for an old SDK, and as it is rewritten.

A program is run in this process with a library `anthropic` of our own, which takes calls of all
generations, keeps them and answers each the way its generation did. The SDK matrix runs the same
programs with the real libraries.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import types
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self

import msgspec

PROGRAMS: Final = Path(__file__).parent / "programs"
TEXT: Final = "Hello there, friend."
_PIECES: Final = ("Hello", " there,", " friend.")
_NO_REQUEST: Final = frozenset({"extra_headers", "extra_query", "timeout"})


@dataclass
class Ran:
    """What a program did."""

    printed: str
    legacy: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)


def names() -> list[str]:
    return sorted(path.parent.name for path in PROGRAMS.glob("*/before.py"))


def run(source: str) -> Ran:
    """Run a program, and return what it asked and printed."""
    ran = Ran("")
    library = _library(ran)

    posting = types.ModuleType("httpx")
    vars(posting).update(post=_Session(ran).post, Client=lambda: _Session(ran))
    own = {"anthropic": library, "httpx": posting}

    def importing(name: str, *arguments: Any, **options: Any) -> Any:
        return own[name] if name in own else builtins.__import__(name, *arguments, **options)

    scope = {"__name__": "__main__", "__builtins__": {**vars(builtins), "__import__": importing}}
    os.environ.setdefault("BASE_URL", "http://127.0.0.1:9")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "program", "exec"), scope)  # noqa: S102 - our own programs
    ran.printed = out.getvalue()
    return ran


def _library(ran: Ran) -> types.ModuleType:
    library = types.ModuleType("anthropic")
    members: Mapping[str, Any] = {
        "HUMAN_PROMPT": "\n\nHuman:",
        "AI_PROMPT": "\n\nAssistant:",
        "Client": lambda *_, **__: _Client(ran, is_async=False),
        "Anthropic": lambda **_: _Client(ran, is_async=False),
        "AsyncAnthropic": lambda **_: _Client(ran, is_async=True),
        "ApiException": RuntimeError,
        "APIStatusError": RuntimeError,
    }
    vars(library).update(members)
    return library


class _Client:
    def __init__(self, ran: Ran, *, is_async: bool) -> None:
        self._ran = ran
        self._is_async = is_async
        self.completions = SimpleNamespace(create=self._complete)
        self.messages = SimpleNamespace(create=self._create, stream=self._stream)

    def completion(self, **call: Any) -> dict[str, Any]:
        self._ran.legacy.append(call)
        return {"completion": f" {TEXT}", "stop_reason": "stop_sequence"}

    async def acompletion(self, **call: Any) -> dict[str, Any]:
        return self.completion(**call)

    def _complete(self, **call: Any) -> Any:
        self._ran.legacy.append(call)
        answer: Any = SimpleNamespace(completion=f" {TEXT}", stop_reason="stop_sequence")
        if call.get("stream"):
            pieces = [SimpleNamespace(completion=each) for each in (" ", *_PIECES, "")]
            answer = _awaited_pieces(pieces) if self._is_async else iter(pieces)
        return _awaited(answer) if self._is_async else answer

    def _create(self, **call: Any) -> Any:
        self._ran.messages.append(_as_request(call))
        blocks = [SimpleNamespace(type="thinking"), SimpleNamespace(type="text", text=TEXT)]
        answer = SimpleNamespace(content=blocks, stop_reason="end_turn")
        return _awaited(answer) if self._is_async else answer

    def _stream(self, **call: Any) -> Any:
        self._ran.messages.append(_as_request(call) | {"stream": True})
        return _AsyncStream() if self._is_async else _stream()


class _Session:
    """Takes posts to either API."""

    def __init__(self, ran: Ran) -> None:
        self._ran = ran

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def post(
        self,
        url: str,
        *,
        headers: dict[str, str],
        json: Any = None,
        content: str = "{}",
        timeout: float = 5,
    ) -> SimpleNamespace:
        del timeout
        body = json or msgspec.json.decode(content)
        answer: dict[str, Any] = {"completion": f" {TEXT}", "stop_reason": "stop_sequence"}
        if url.endswith("/v1/messages"):
            assert headers["anthropic-version"] == "2023-06-01"
            self._ran.messages.append(body)
            answer = {"content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn"}
        else:
            assert url.endswith("/v1/complete")
            self._ran.legacy.append(body)
        return SimpleNamespace(raise_for_status=lambda: None, json=lambda: answer)


def _as_request(call: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in call.items() if name not in _NO_REQUEST}
    return fields | fields.pop("extra_body", {})


async def _awaited(answer: Any) -> Any:
    return answer


async def _awaited_pieces(pieces: list[Any]) -> AsyncIterator[Any]:
    for each in pieces:
        yield each


@contextlib.contextmanager
def _stream() -> Iterator[SimpleNamespace]:
    yield SimpleNamespace(text_stream=iter(_PIECES))


class _AsyncStream:
    async def __aenter__(self) -> SimpleNamespace:
        return SimpleNamespace(text_stream=_awaited_pieces(list(_PIECES)))

    async def __aexit__(self, *_: object) -> None:
        return None
