"""Encoding of completions in either version of the legacy API (legacy-wire 2 and 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from proxy.simulator.frames import Frame, json_frame

_DONE: Final = Frame(None, b"[DONE]")
# Copied from a test of a decoder; its data was not JSON (legacy-wire 3.2).
_FIRST_VERSION_PING: Final = Frame("ping", b"2023-04-28 21:18:31.866238")
_PING: Final = Frame("ping", b'{"type": "ping"}')
_DELTAS_BEFORE_PING: Final = 2  # as in both recordings


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole completion; `stop` is the stop sequence that ended it, or None."""

    id: str
    model: str
    deltas: tuple[str, ...]
    stop_reason: str
    stop: str | None

    @property
    def text(self) -> str:
        return "".join(self.deltas)


def encode_completion(completion: Completion, *, is_first_version: bool) -> bytes:
    describe = _describe_first_version if is_first_version else _describe_second_version
    content = describe(completion, completion.text, is_last=True)
    return msgspec.json.encode(content)


def encode_completion_events(
    completion: Completion, *, is_first_version: bool, pings: int
) -> tuple[Frame, ...]:
    if is_first_version:
        return (*_with_pings(_cumulative_frames(completion), [_FIRST_VERSION_PING] * pings), _DONE)
    return tuple(_with_pings(_incremental_frames(completion), [_PING] * pings))


def _with_pings(frames: Iterable[Frame], pings: list[Frame]) -> Iterator[Frame]:
    for index, frame in enumerate(frames):
        if index == _DELTAS_BEFORE_PING:
            yield from pings
        yield frame


def _cumulative_frames(completion: Completion) -> Iterator[Frame]:
    """Yield frames that each repeat the text so far; the last one adds the stop reason."""
    text = ""
    for delta in completion.deltas[:-1]:
        text += delta
        yield json_frame(
            None, _describe_first_version(completion, text, is_last=False), is_text=True
        )
    yield json_frame(
        None, _describe_first_version(completion, completion.text, is_last=True), is_text=True
    )


def _incremental_frames(completion: Completion) -> Iterator[Frame]:
    for number, delta in enumerate(completion.deltas):
        content = _describe_second_version(completion, delta, is_last=False)
        yield json_frame("completion", content, pad=number, is_text=True)
    yield json_frame("completion", _describe_second_version(completion, "", is_last=True), pad=1)


def _describe_first_version(
    completion: Completion, text: str, *, is_last: bool
) -> dict[str, object]:
    return {
        "completion": text,
        "stop": completion.stop if is_last else None,
        "stop_reason": completion.stop_reason if is_last else None,
        "truncated": False,
        "log_id": hashlib.sha256(completion.id.encode()).hexdigest()[:32],
        "model": completion.model,
        "exception": None,
    }


def _describe_second_version(
    completion: Completion, text: str, *, is_last: bool
) -> dict[str, object]:
    return {
        "type": "completion",
        "id": completion.id,
        "completion": text,
        "stop_reason": completion.stop_reason if is_last else None,
        "model": completion.model,
        "stop": completion.stop if is_last else None,
        "log_id": completion.id,
    }
