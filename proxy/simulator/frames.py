"""Server-sent events as values, and as bytes with the line ends somebody wants."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from proxy.simulator.identifiers import padding


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, unnamed if its name is None."""

    name: str | None
    data: bytes
    is_text: bool = False

    def encode(self, newline: bytes) -> bytes:
        head = b"" if self.name is None else b"event: " + self.name.encode() + newline
        return head + b"data: " + self.data + newline + newline


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that every decoder must ignore, as gateways send to keep a connection open."""

    text: bytes
    is_text: bool = False

    def encode(self, newline: bytes) -> bytes:
        return b": " + self.text + newline + newline


def json_frame(
    name: str | None, content: object, *, pad: int | None = None, is_text: bool = False
) -> Frame:
    """Compact JSON; `pad` is a number that decides how many spaces come before the last `}`."""
    data = msgspec.json.encode(content)
    if pad is not None:
        data = data[:-1] + padding(pad) + b"}"
    return Frame(name, data, is_text)
