"""Names, explanations and remedies of the deliberate changes that a translation makes."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import msgspec


class AdjustmentKind(enum.Enum):
    """Kinds of adjustments; names begin with a verb and tell an operator what happened."""

    REPLACE_RETIRED_MODEL = "replace_retired_model"
    REPLACE_GONE_MODEL = "replace_gone_model"
    MAP_MODEL = "map_model"
    APPLY_LESSON = "apply_lesson"

    READ_CRLF_AS_LF = "read_crlf_as_lf"
    ADD_LEADING_NEWLINES = "add_leading_newlines"
    TRIM_TRAILING_SPACE = "trim_trailing_space"
    RESTORE_ASSISTANT_MARKER = "restore_assistant_marker"
    ADD_ASSISTANT_TURN = "add_assistant_turn"
    TREAT_AS_HUMAN_TURN = "treat_as_human_turn"
    ADD_OPENING_TURN = "add_opening_turn"
    FILL_EMPTY_TURN = "fill_empty_turn"
    DROP_EMPTY_TURN = "drop_empty_turn"
    MERGE_TURNS = "merge_turns"
    REPLACE_LONE_SURROGATE = "replace_lone_surrogate"

    TRIM_PREFILL = "trim_prefill"
    CONTINUE_PREFILL = "continue_prefill"
    INSTRUCT_PREFILL = "instruct_prefill"
    REROUTE_PREFILL = "reroute_prefill"

    EMULATE_STOP_SEQUENCE = "emulate_stop_sequence"
    DROP_EMPTY_STOP_SEQUENCE = "drop_empty_stop_sequence"
    DROP_REPEATED_STOP_SEQUENCE = "drop_repeated_stop_sequence"

    CAP_MAX_TOKENS = "cap_max_tokens"
    DROP_NO_EFFECT_VALUE = "drop_no_effect_value"
    DROP_TEMPERATURE = "drop_temperature"
    DROP_TOP_P = "drop_top_p"
    DROP_TOP_K = "drop_top_k"

    TURN_OFF_THINKING = "turn_off_thinking"
    LOWER_EFFORT = "lower_effort"
    ADD_THINKING_HEADROOM = "add_thinking_headroom"

    READ_LAX_VALUE = "read_lax_value"
    REPLACE_USER_ID = "replace_user_id"

    DROP_BETA = "drop_beta"
    DROP_HEADER = "drop_header"
    DROP_LEGACY_FIELD = "drop_legacy_field"
    DROP_UNKNOWN_FIELD = "drop_unknown_field"


_K = AdjustmentKind

EXPLANATIONS: Final[Mapping[AdjustmentKind, str]] = {
    _K.REPLACE_RETIRED_MODEL: "The model is retired; its official successor answered.",
    _K.REPLACE_GONE_MODEL: "Upstream answered that it does not have the model; its successor was "
    "asked.",
    _K.MAP_MODEL: "The operator's settings name another model for this one.",
    _K.APPLY_LESSON: "Upstream refused something that the catalogue says this model accepts; the "
    "request was adapted to what upstream's error said.",
    _K.READ_CRLF_AS_LF: "A marker was written with CR LF; all line ends of the prompt were read "
    "as LF.",
    _K.ADD_LEADING_NEWLINES: "The first marker had no blank line before it; it was read as a turn.",
    _K.TRIM_TRAILING_SPACE: "White space after the final Assistant marker was taken off.",
    _K.RESTORE_ASSISTANT_MARKER: "The final `Assistant:` had lost its blank line; it was read as a "
    "turn, and so were lines of the last answer that begin like one.",
    _K.ADD_ASSISTANT_TURN: "The prompt did not end with an Assistant turn; it was answered as if "
    "it did.",
    _K.TREAT_AS_HUMAN_TURN: "The prompt had no Human turn; its text was asked as one.",
    _K.ADD_OPENING_TURN: "A Messages conversation opens with a user message; a short one was put "
    "in front.",
    _K.FILL_EMPTY_TURN: "The Human turn after the last answer was empty or missing; a short "
    "one was asked, so that the answer is not continued.",
    _K.DROP_EMPTY_TURN: "Upstream refuses empty messages; a turn without text was left out.",
    _K.MERGE_TURNS: "Consecutive turns of one role became one message, joined by a blank line.",
    _K.REPLACE_LONE_SURROGATE: "Half of a surrogate pair is not valid UTF-8; it became U+FFFD.",
    _K.TRIM_PREFILL: "Upstream refuses white space at the end of a prefill; it was taken off, and "
    "off the start of the completion.",
    _K.CONTINUE_PREFILL: "The model takes no prefill; it was asked to continue the text instead.",
    _K.INSTRUCT_PREFILL: "The model takes no prefill; the system prompt asks it to continue the "
    "text.",
    _K.REROUTE_PREFILL: "The model takes no prefill; another one that does answered.",
    _K.EMULATE_STOP_SEQUENCE: "Upstream cannot be given this stop sequence; Holdover cuts the text "
    "there.",
    _K.DROP_EMPTY_STOP_SEQUENCE: "An empty stop sequence can never match; it was left out.",
    _K.DROP_REPEATED_STOP_SEQUENCE: "A stop sequence was given more than once; it was sent once.",
    _K.CAP_MAX_TOKENS: "More tokens than the model can write were asked for; its limit was sent.",
    _K.DROP_NO_EFFECT_VALUE: "The value means `no effect` on the legacy API and is refused today; "
    "it was left out.",
    _K.DROP_TEMPERATURE: "The model takes no `temperature`, or none together with `top_p`; it was "
    "left out.",
    _K.DROP_TOP_P: "The model takes no `top_p`, or none together with `temperature`; it was left "
    "out.",
    _K.DROP_TOP_K: "The model takes no `top_k`; it was left out.",
    _K.TURN_OFF_THINKING: "The model thinks by default, which uses up the token budget; thinking "
    "was turned off.",
    _K.LOWER_EFFORT: "The model always thinks; it was asked for low effort.",
    _K.ADD_THINKING_HEADROOM: "The model always thinks, and thinking counts as output; the token "
    "budget was raised.",
    _K.READ_LAX_VALUE: "A value had another type than the API names, as the legacy server "
    "allowed; it was read as what it stands for.",
    _K.REPLACE_USER_ID: "Upstream refuses a `user_id` that looks like an e-mail address or a "
    "telephone number, or is longer than 512 characters; a keyed digest of it was sent.",
    _K.DROP_BETA: "`anthropic-beta` has no effect on completions and may be refused; it was left "
    "out.",
    _K.DROP_HEADER: "Of the application's headers only `x-...`, `anthropic-...` and those that the "
    "operator names are sent on; another one was left out.",
    _K.DROP_LEGACY_FIELD: "A field that only very old clients send has no counterpart; it was left "
    "out.",
    _K.DROP_UNKNOWN_FIELD: "A field the legacy API never had was left out.",
}
"""One sentence per kind that tells the author of a request what was changed, and why."""


_END_AT_ASSISTANT = "End the prompt with two newlines and `Assistant:`."

REMEDIES: Final[Mapping[AdjustmentKind, str]] = {
    _K.REPLACE_RETIRED_MODEL: "Ask for a model that is served today.",
    _K.REPLACE_GONE_MODEL: "Ask for a model that is served today.",
    _K.MAP_MODEL: "Ask for the model that the operator's settings name.",
    _K.APPLY_LESSON: "Leave out what the model does not accept, or ask for another model.",
    _K.READ_CRLF_AS_LF: "Write line ends as `\\n`.",
    _K.ADD_LEADING_NEWLINES: "Begin the prompt with two newlines and `Human:`.",
    _K.TRIM_TRAILING_SPACE: "End the prompt with `Assistant:` and no white space.",
    _K.RESTORE_ASSISTANT_MARKER: _END_AT_ASSISTANT,
    _K.ADD_ASSISTANT_TURN: _END_AT_ASSISTANT,
    _K.TREAT_AS_HUMAN_TURN: "Put two newlines and `Human:` before what is asked.",
    _K.ADD_OPENING_TURN: "Begin the prompt with a Human turn that has text.",
    _K.FILL_EMPTY_TURN: "Write what is asked between the last answer and the final `Assistant:`.",
    _K.DROP_EMPTY_TURN: "Leave out turns without text.",
    _K.MERGE_TURNS: "Alternate Human and Assistant turns.",
    _K.REPLACE_LONE_SURROGATE: "Do not cut strings inside a surrogate pair.",
    _K.TRIM_PREFILL: "Do not end the prompt with white space.",
    _K.CONTINUE_PREFILL: "End the prompt at `Assistant:`, or ask for a model that takes a prefill.",
    _K.INSTRUCT_PREFILL: "End the prompt at `Assistant:`, or ask for a model that takes a prefill.",
    _K.REROUTE_PREFILL: "End the prompt at `Assistant:`, or ask for a model that takes a prefill.",
    _K.EMULATE_STOP_SEQUENCE: "Use stop sequences that are not blank.",
    _K.DROP_EMPTY_STOP_SEQUENCE: "Leave out empty stop sequences.",
    _K.DROP_REPEATED_STOP_SEQUENCE: "Give each stop sequence once.",
    _K.CAP_MAX_TOKENS: "Ask for no more tokens than the model can write.",
    _K.DROP_NO_EFFECT_VALUE: "Leave the field out.",
    _K.DROP_TEMPERATURE: "Leave out `temperature`.",
    _K.DROP_TOP_P: "Leave out `top_p`.",
    _K.DROP_TOP_K: "Leave out `top_k`.",
    _K.TURN_OFF_THINKING: "Ask for a model that does not think by default.",
    _K.LOWER_EFFORT: "Ask for a model that does not always think.",
    _K.ADD_THINKING_HEADROOM: "Ask for a model that does not always think.",
    _K.READ_LAX_VALUE: "Send numbers as numbers, whole ones without a fraction, `true` and `false` "
    "as such, and texts as strings.",
    _K.REPLACE_USER_ID: "Send an opaque id, such as a UUID or a hash, as `user_id`.",
    _K.DROP_BETA: "Leave out the `anthropic-beta` header.",
    _K.DROP_HEADER: "Leave the header out, call it `x-...`, or have the operator add it to "
    "`forward_headers`.",
    _K.DROP_LEGACY_FIELD: "Leave the field out.",
    _K.DROP_UNKNOWN_FIELD: "Leave the field out.",
}
"""One sentence per kind that tells a caller how to avoid the adjustment."""


class Adjustment(msgspec.Struct, frozen=True, gc=False):
    """A deliberate difference between the client's request and the one sent, without its text."""

    kind: AdjustmentKind
    field: str
    asked: str
    sent: str


_MAX_SHOWN_LENGTH: Final = 16


def describe_blank(text: str) -> str:
    """Quote a few characters of white space, or count them: a client may send megabytes."""
    return (
        repr(text) if len(text) <= _MAX_SHOWN_LENGTH else f"{len(text)} characters of white space"
    )
