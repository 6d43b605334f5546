"""Checks that depend on the model: limits, roles, thinking, effort, sampling, prefill."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from proxy.simulator.api_errors import invalid_request
from proxy.simulator.catalogue.models import Model, Sampling, Thinking
from proxy.simulator.checks.content_checks import check_prefill_ending
from proxy.simulator.checks.messages_requests import MessagesRequest
from proxy.simulator.tokens import estimate_tokens

_DOCUMENTATION: Final = "Please consult our documentation at https://docs.claude.com/en/docs"
_TOKENS_PER_TURN: Final = 4
_NO_EFFECT_TOP_P: Final = 0.99
_MIN_TOP_P_WHILE_THINKING: Final = 0.95
_USE_EFFORT: Final = (
    'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
)
_USE_BUDGET: Final = (
    "Thinking defaults to adaptive mode when not specified; "
    'use "thinking.type.enabled" with "budget_tokens" for extended thinking.'
)
_WITH_BUDGET: Final = {Thinking.BUDGET, Thinking.BUDGET_OR_ADAPTIVE}
_NO_ADAPTIVE_THINKING: Final = "adaptive thinking is not supported on this model"
_USE_BETWEEN_TOOLS: Final = (
    'To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of '
    '{"type": "disabled"}. The model does not think before responding. The short updates it '
    "writes between tool calls come back as thinking blocks."
)


def _thinking_not_supported(kind: str) -> str:
    return f'"thinking.type.{kind}" is not supported for this model.'


# The error text for each `thinking.type` that a kind of model refuses (messages-wire 1.8).
_THINKING_ERRORS: Final[Mapping[tuple[str, Thinking], str]] = MappingProxyType(
    {
        ("disabled", Thinking.ALWAYS): f"{_thinking_not_supported('disabled')} {_USE_BUDGET}",
        ("disabled", Thinking.ALWAYS_BY_EFFORT): (
            f"{_thinking_not_supported('disabled')} {_USE_EFFORT}"
        ),
        ("disabled", Thinking.ON_BETWEEN_TOOLS): _USE_BETWEEN_TOOLS,
        ("adaptive", Thinking.UNKNOWN): _NO_ADAPTIVE_THINKING,
        ("adaptive", Thinking.BUDGET): _NO_ADAPTIVE_THINKING,
        ("enabled", Thinking.UNKNOWN): _thinking_not_supported("enabled"),  # *assumed*
        # 4.7 and later. The text for fable and mythos recommends `enabled`, but the same
        # section lists its rejection on 4.7+; the stricter reading is implemented.
        **{
            ("enabled", kind): f"{_thinking_not_supported('enabled')} {_USE_EFFORT}"
            for kind in set(Thinking) - _WITH_BUDGET - {Thinking.UNKNOWN}
        },
        **{
            ("between_tools", kind): _thinking_not_supported("between_tools")
            for kind in set(Thinking) - {Thinking.ON_BETWEEN_TOOLS}
        },
    }
)


def check_against_model(request: MessagesRequest, model: Model) -> None:
    """Raise a 400 for anything in the request that this model does not accept."""
    _check_limits(request, model)
    _check_roles(request, model)
    _check_thinking(request, model)
    _check_effort(request, model)
    _check_tool_choice(request, model)
    _check_sampling(request, model)
    _check_prefill(request, model)


def estimate_input_tokens(request: MessagesRequest) -> int:
    """Estimate the input tokens: by the length of all texts, plus a constant for each turn."""
    characters = sum(len(text) for text in request.system_texts)
    characters += sum(len(message.text) for message in request.messages)
    return estimate_tokens(characters) + _TOKENS_PER_TURN * len(request.messages)


def is_thinking(request: MessagesRequest, model: Model) -> bool:
    if request.thinking is None:
        return model.traits.thinking.is_on_by_default
    return request.thinking.is_on


def _check_limits(request: MessagesRequest, model: Model) -> None:
    limit = model.traits.max_tokens
    if request.max_tokens > limit:
        raise invalid_request(
            f"max_tokens: {request.max_tokens} > {limit}, "
            f"which is the maximum allowed number of output tokens for {request.model}"
        )
    if request.max_tokens == 0 and (request.stream or request.thinking is not None):
        # A 400 together with stream, thinking etc. (messages-wire 1.5); the text is *assumed*.
        raise invalid_request("max_tokens: 0 is not allowed together with `stream` or `thinking`")
    tokens, window = estimate_input_tokens(request), model.traits.context_window
    if tokens > window:
        raise invalid_request(f"prompt is too long: {tokens} tokens > {window} maximum")


def _check_roles(request: MessagesRequest, model: Model) -> None:
    """Refuse system turns at the start or on models without (messages-wire 1.3, text assumed)."""
    for index, message in enumerate(request.messages):
        if message.role == "system" and (index == 0 or not model.traits.takes_system_turns):
            raise invalid_request(f"messages.{index}.role: Input should be 'user' or 'assistant'")


def _check_thinking(request: MessagesRequest, model: Model) -> None:
    requested = request.thinking
    if requested is None:
        return
    error = _THINKING_ERRORS.get((requested.type, model.traits.thinking))
    if error is not None:
        raise invalid_request(error)
    if requested.type == "enabled" and request.max_tokens <= requested.budget_tokens:
        raise invalid_request(
            "`max_tokens` must be greater than `thinking.budget_tokens`. "
            f"{_DOCUMENTATION}/build-with-claude/extended-thinking#max-tokens-and-context-window-size"
        )


def _check_effort(request: MessagesRequest, model: Model) -> None:
    effort = request.output_config.effort
    if effort is None:
        return
    efforts = model.traits.efforts
    if not efforts:
        # Recorded of haiku-4-5 and sonnet-4-5 (corrections A14).
        raise invalid_request("This model does not support the effort parameter.")
    if effort not in efforts:
        # Recorded of sonnet-4-6 and xhigh (dario#413). That opus-4-5 refuses max and xhigh was
        # tried, too (opencode#26275); that it does so in these words is *assumed*.
        raise invalid_request(
            f"This model does not support effort level '{effort}'. "
            f"Supported levels: {', '.join(sorted(efforts))}."
        )
    is_off = request.thinking is not None and not request.thinking.is_on
    if is_off and model.traits.thinking.is_on_by_default and effort in {"xhigh", "max"}:
        raise invalid_request(
            f"output_config.effort '{effort}' is not supported when thinking is disabled on this "
            "model. Use effort 'high' or below, or enable thinking."
        )


def _check_tool_choice(request: MessagesRequest, model: Model) -> None:
    """Refuse forced tools, with the text recorded of opus-5-5 (oh-my-pi#12939)."""
    if (
        request.tool_choice
        and request.tool_choice.is_forced
        and not model.traits.takes_forced_tools
    ):
        raise invalid_request(
            'tool_choice: type "tool" and "any" are not supported for this model.'
        )


def _check_sampling(request: MessagesRequest, model: Model) -> None:
    if request.thinking is not None and request.thinking.is_on:
        _check_temperature_while_thinking(request)
    match model.traits.sampling:
        case Sampling.ALL:
            pass
        case Sampling.ONE_OF:
            _check_temperature_or_top_p(request)
        case Sampling.NO_EFFECT:
            _check_sampling_has_no_effect(request, max_top_p=1)
        case _:
            # These models refuse even top_p 1 (messages-wire 1.7, where sources conflict).
            _check_sampling_has_no_effect(request, max_top_p=_NO_EFFECT_TOP_P)
            _check_temperature_or_top_p(request)
    if is_thinking(request, model) and not model.traits.omits_thinking_text:
        # Sampling that thinking excludes (messages-wire 1.7); the texts are *assumed*.
        _check_temperature_while_thinking(request)
        if request.top_k is not None:
            raise invalid_request("`top_k` must be unset when thinking is enabled.")
        if request.top_p is not None and request.top_p < _MIN_TOP_P_WHILE_THINKING:
            raise invalid_request(
                "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
            )


def _check_temperature_or_top_p(request: MessagesRequest) -> None:
    if request.temperature is not None and request.top_p is not None:
        raise invalid_request(
            "`temperature` and `top_p` cannot both be specified for this model. "
            "Please use only one."
        )


def _check_sampling_has_no_effect(request: MessagesRequest, *, max_top_p: float) -> None:
    if request.temperature not in {None, 1}:
        raise invalid_request("`temperature` is deprecated for this model.")
    if request.top_p is not None and not _NO_EFFECT_TOP_P <= request.top_p <= max_top_p:
        raise invalid_request("`top_p` is deprecated for this model.")
    if request.top_k is not None:
        raise invalid_request("`top_k` is deprecated for this model.")


def _check_temperature_while_thinking(request: MessagesRequest) -> None:
    """Refuse a temperature beside thinking, with the recorded text (corrections B1)."""
    if request.temperature not in {None, 1}:
        raise invalid_request(
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode. "
            "Please consult our documentation at "
            "https://platform.claude.com/docs/en/build-with-claude/extended-thinking"
        )


def _check_prefill(request: MessagesRequest, model: Model) -> None:
    if request.messages[-1].role != "assistant":
        return
    if not model.traits.takes_prefill or is_thinking(request, model):
        # With thinking on, the documentation says "rejected"; the text is *assumed*.
        raise invalid_request(
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
    check_prefill_ending(request.prefill)
