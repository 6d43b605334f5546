"""
Parsing of `POST /v1/messages` bodies: decoded JSON in, a typed request out.

Unknown fields are refused at every level that matters for text (messages-wire 1.2).
Tools, images and the like are accepted unchecked and ignored.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from proxy.simulator.catalogue.models import EFFORTS
from proxy.simulator.checks.field_checks import (
    Check,
    anything,
    boolean,
    integer,
    list_of,
    nullable,
    number_within,
    one_of,
    record,
    tagged,
    text,
    text_or,
)

_MAX_USER_ID_LENGTH: Final = 512
_MIN_THINKING_BUDGET: Final = 1024

_TEXT_BLOCK: Final = record(
    required={"type": one_of("text"), "text": text()},
    optional={"cache_control": anything, "citations": anything},
)
_OTHER_BLOCKS: Final = (
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "container_upload",
)
_MESSAGE_CONTENT: Final = text_or(
    list_of(tagged({"text": _TEXT_BLOCK, **dict.fromkeys(_OTHER_BLOCKS, anything)}))
)
_MESSAGE: Final = record(
    required={"role": one_of("user", "assistant", "system"), "content": _MESSAGE_CONTENT},
    optional={},
)
_THINKING_DISPLAY: Final = nullable(one_of("summarized", "omitted"))
_THINKING: Final = tagged(
    {
        "enabled": record(
            required={
                "type": anything,
                "budget_tokens": integer(at_least=_MIN_THINKING_BUDGET),
            },
            optional={"display": _THINKING_DISPLAY},
        ),
        "adaptive": record(required={"type": anything}, optional={"display": _THINKING_DISPLAY}),
        "disabled": record(required={"type": anything}, optional={}),
        # "no other thinking field" (messages-wire 1.8)
        "between_tools": record(required={"type": anything}, optional={}),
    }
)
_OUTPUT_CONFIG: Final = record(
    required={},
    optional={
        "effort": nullable(one_of(*EFFORTS)),
        "format": anything,
    },
)
_REQUIRED: Final[dict[str, Check]] = {
    "model": text(at_least=1),
    "messages": list_of(_MESSAGE),
    "max_tokens": integer(at_least=0),  # 0 warms the prompt cache (messages-wire 1.5)
}
_OPTIONAL: Final[dict[str, Check]] = {
    "cache_control": anything,
    "container": anything,
    "diagnostics": anything,
    "inference_geo": nullable(text()),
    "metadata": record(
        required={}, optional={"user_id": nullable(text(at_most=_MAX_USER_ID_LENGTH))}
    ),
    "output_config": _OUTPUT_CONFIG,
    "service_tier": one_of("auto", "standard_only"),
    "speed": one_of("standard", "fast"),
    "stop_sequences": list_of(text()),
    "stream": boolean,
    "system": text_or(list_of(_TEXT_BLOCK)),
    "thinking": _THINKING,
    "tool_choice": nullable(tagged(dict.fromkeys(("auto", "any", "tool", "none"), anything))),
    "tools": list_of(anything),
}
_SAMPLING: Final[dict[str, Check]] = {
    "temperature": number_within(0, 1),
    "top_k": integer(at_least=0),
    "top_p": number_within(0, 1),
}
_CHECK: Final = record(required=_REQUIRED, optional={**_OPTIONAL, **_SAMPLING})
_CHECK_WITHOUT_SAMPLING: Final = record(required=_REQUIRED, optional=_OPTIONAL)


class TextBlock(msgspec.Struct, frozen=True):
    """A content block of any type; `text` is empty unless it is a text block."""

    type: str
    text: str = ""


class Message(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[TextBlock]

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(block.text for block in self.content)

    @property
    def texts(self) -> list[str]:
        """The text of each text block; a string is one text block (messages-wire 1.3)."""
        if isinstance(self.content, str):
            return [self.content]
        return [block.text for block in self.content if block.type == "text"]


class Thinking(msgspec.Struct, frozen=True):
    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: int = 0
    display: str | None = None

    @property
    def is_on(self) -> bool:
        return self.type in {"enabled", "adaptive"}


class OutputConfig(msgspec.Struct, frozen=True):
    effort: str | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    type: Literal["auto", "any", "tool", "none"]

    @property
    def is_forced(self) -> bool:
        return self.type in {"any", "tool"}


class MessagesRequest(msgspec.Struct, frozen=True):
    """A request whose fields are valid; content and model are checked elsewhere."""

    model: str
    messages: list[Message]
    max_tokens: int
    system: str | list[TextBlock] | None = None
    stop_sequences: list[str] = []
    stream: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig = OutputConfig()
    tool_choice: ToolChoice | None = None

    @property
    def prefill(self) -> str:
        """The text of a final assistant turn, which the answer continues, or an empty string."""
        return self.messages[-1].text if self.messages[-1].role == "assistant" else ""

    @property
    def system_texts(self) -> list[str]:
        if self.system is None or isinstance(self.system, str):
            return [] if self.system is None else [self.system]
        return [block.text for block in self.system]


def parse_messages_request(body: object, *, takes_sampling: bool) -> MessagesRequest:
    """
    Return the request, or raise a 400 for the first invalid field.

    Without `takes_sampling`, as in version 2026-10-21 (messages-wire 1.7), sampling
    fields are unknown ones.
    """
    check = _CHECK if takes_sampling else _CHECK_WITHOUT_SAMPLING
    check("", body)
    return msgspec.convert(body, MessagesRequest, strict=False)
