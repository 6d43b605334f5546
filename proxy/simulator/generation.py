"""
Generation of a whole `Answer` to a valid request, before the first byte is sent.

`max_tokens` is spent on thinking first, then on text (messages-wire 1.8). The text
ends at the first stop sequence that is complete within the rest.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.answers import (
    Answer,
    Block,
    OpaqueBlock,
    TextBlock,
    ThinkingBlock,
    Usage,
)
from proxy.simulator.canned_text import default_text, text_to_continue
from proxy.simulator.catalogue.models import Model
from proxy.simulator.checks.messages_requests import MessagesRequest
from proxy.simulator.checks.model_checks import estimate_input_tokens, is_thinking
from proxy.simulator.endings import find_ending, override_ending
from proxy.simulator.faults.fault_headers import SimulateOptions
from proxy.simulator.tokens import clip_deltas, count_tokens, split_into_deltas

_ECHOED_WORDS: Final = 3
_EMPTY_ANSWER_TOKENS: Final = 2  # recorded: 2 to 3 (messages-wire 2)

# Tokens of thinking for each effort. The numbers are invented: only their order is known.
_THINKING_TOKENS: Final = {"low": 16, "medium": 160, "high": 480, "xhigh": 960, "max": 1920}
_THINKING_TEXT: Final = "The user wants an answer."

_BLOCKS_BEFORE_TEXT: Final[dict[str, Block]] = {
    "thinking": ThinkingBlock(_THINKING_TEXT),
    "redacted_thinking": OpaqueBlock({"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3p"}),
    "fallback": OpaqueBlock(
        {"type": "fallback", "from": "claude-fable-5", "to": "claude-opus-4-8", "trigger": None}
    ),
    "unknown": OpaqueBlock({"type": "hologram", "depth": 3}),
}


def _echo(prefill: str, way: str) -> str:
    """Return what a model repeats of a prefill: all, its end, or all in other white space."""
    match way:
        case "words":
            return " ".join(prefill.split()[-_ECHOED_WORDS:])
        case "quoted":
            return f"`...{_echo(prefill, 'words')}`"
        case "wrapped":
            return "\n".join(prefill.split())
        case "indented":
            return "  " + prefill.replace("\n", "\n    ")
        case _:
            return prefill


def generate_answer(
    request: MessagesRequest, model: Model, options: SimulateOptions, *, message_id: str
) -> Answer:
    """Return the answer to a request that has passed all checks; `message_id` is its id."""
    thinking_tokens = _count_thinking_tokens(request, model, options)
    content = _content_blocks(request, options)
    if options.echo_prefill and (prefill := text_to_continue(request)):
        echo = _echo(prefill, options.echo_prefill)
        content = (TextBlock(split_into_deltas(echo, options.delta_size)), *content)
    text = _text_of(content)
    # The tokens that are left for the text, and the stop reason if they run out.
    input_tokens = estimate_input_tokens(request)
    room, reason = model.traits.context_window - input_tokens, "model_context_window_exceeded"
    if room >= request.max_tokens:
        room, reason = request.max_tokens, "max_tokens"
    tokens = max(0, room - (thinking_tokens or 0))
    length, ending = find_ending(text, tokens, reason, request.stop_sequences)
    if ending.reason != "end_turn":
        content = _clip(content, length)
    before = tuple(_BLOCKS_BEFORE_TEXT[name] for name in options.blocks_before)
    display = request.thinking.display if request.thinking is not None else None
    is_omitted = model.traits.omits_thinking_text if display is None else display == "omitted"
    thought = ThinkingBlock("" if is_omitted else _THINKING_TEXT)
    thinking = (thought,) if thinking_tokens else ()
    output_tokens = count_tokens(text[:length]) + (thinking_tokens or 0)
    is_empty = options.empty or request.max_tokens == 0
    return Answer(
        id=message_id,
        model=model.id,
        blocks=() if is_empty else (*thinking, *before, *content),
        ending=override_ending(ending, options),
        usage=Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens or min(_EMPTY_ANSWER_TOKENS, request.max_tokens),
            thinking_tokens=thinking_tokens,
            # "not_available" is recorded on haiku-4-5, "global" on others (messages-wire 2).
            inference_geo="not_available" if "haiku-4-5" in model.id else "global",
        ),
    )


def _count_thinking_tokens(
    request: MessagesRequest, model: Model, options: SimulateOptions
) -> int | None:
    """Return the tokens used for thinking, or None if the model does not think."""
    if not is_thinking(request, model) or request.max_tokens == 0:
        return None
    effort = request.output_config.effort or model.traits.default_effort
    tokens = options.thinking_tokens
    return min(_THINKING_TOKENS[effort] if tokens is None else tokens, request.max_tokens)


def _content_blocks(request: MessagesRequest, options: SimulateOptions) -> tuple[Block, ...]:
    if options.blocks is not None:
        return tuple(
            TextBlock(split_into_deltas(block, options.delta_size))
            if isinstance(block, str)
            else OpaqueBlock(block)
            for block in options.blocks
        )
    if options.deltas is not None:
        return (TextBlock(options.deltas * options.repeat),)
    text = (default_text(request) if options.text is None else options.text) * options.repeat
    return (TextBlock(split_into_deltas(text, options.delta_size)),) if text else ()


def _text_of(blocks: tuple[Block, ...]) -> str:
    return "".join(block.text for block in blocks if isinstance(block, TextBlock))


def _clip(blocks: tuple[Block, ...], length: int) -> tuple[Block, ...]:
    """Return the blocks up to a length in characters, without empty ones."""
    kept: list[Block] = []
    for block in blocks:
        if length == 0:
            break
        if isinstance(block, TextBlock):
            kept.append(TextBlock(clip_deltas(block.deltas, length)))
            length -= len(_text_of((kept[-1],)))
        else:
            kept.append(block)
    return tuple(kept)
