"""The model's answer as a value: blocks, ending and usage, not yet encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.simulator.endings import Ending

SIGNATURE: Final = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds"


@dataclass(frozen=True, slots=True)
class TextBlock:
    deltas: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.deltas)


@dataclass(frozen=True, slots=True)
class ThinkingBlock:
    """A block of thinking; the text is empty where the model omits it (4.7 and later)."""

    thinking: str
    signature: str = SIGNATURE


@dataclass(frozen=True, slots=True)
class OpaqueBlock:
    """A block without deltas: a stream sends all of it in `content_block_start`."""

    content: dict[str, object]


Block = TextBlock | ThinkingBlock | OpaqueBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts; `output_tokens` includes thinking, which is None if there was none."""

    input_tokens: int
    output_tokens: int
    thinking_tokens: int | None
    inference_geo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    id: str
    model: str
    blocks: tuple[Block, ...]
    ending: Ending
    usage: Usage
