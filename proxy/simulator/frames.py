"""Server-sent events as values, encoded with any kind of line end."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from proxy.simulator.identifiers import padding


@dataclass(frozen=True, slots=True)
class Frame:
    """An event, sent without an `event:` line if its name is None."""

    name: str | None
    data: bytes
    is_text: bool = False

    def encode(self, newline: bytes) -> bytes:
        head = b"" if self.name is None else b"event: " + self.name.encode() + newline
        return head + b"data: " + self.data + newline + newline


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment line, as gateways send to keep a connection open; decoders must ignore it."""

    text: bytes
    is_text: bool = False

    def encode(self, newline: bytes) -> bytes:
        return b": " + self.text + newline + newline


def json_frame(
    name: str | None, content: object, *, pad: int | None = None, is_text: bool = False
) -> Frame:
    """
    Return an event with compact JSON as its data.

    `pad` puts 0 to 15 spaces before the last `}`; the number only seeds how many.
    """
    data = msgspec.json.encode(content)
    if pad is not None:
        data = data[:-1] + padding(pad) + b"}"
    return Frame(name, data, is_text)
