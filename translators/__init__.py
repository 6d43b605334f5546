"""
Translate between the Text Completions API and the Messages API, in pure functions.

    bytes -> DecodedRequest -> ParsedRequest -> Plan -> MessagesRequest -> bytes
          decode          parse            plan                     encode

    bytes -> MessagesEvent -> CompletionChunk -> bytes      (StreamTranslator, FrameEncoder)
    bytes -> AnsweredMessage -> Completion -> bytes         (translate_message)
    bytes -> TranslatedError -> bytes                       (translate_error)

Nothing here performs I/O, reads a clock or uses random numbers, and nothing is
kept between two requests except a cache of short stop sequences. Every
deliberate difference between the client's request and the one sent is an
`Adjustment` of the `Plan`. Callers import from this module only.
"""

from translators.adjustments import EXPLANATIONS, REMEDIES, Adjustment, AdjustmentKind
from translators.api_errors import TranslatedError, error_status, error_type, translate_error
from translators.errors import (
    InvalidCompletionRequest,
    ModelRefused,
    TranslationError,
    UpstreamProtocolError,
)
from translators.legacy_features import FEATURES, Features, features_of
from translators.message import as_chunks, from_chunks, translate_in_steps, translate_message
from translators.models.catalogue import UNKNOWN, Capabilities, Catalogue, Model, Sampling, Thinking
from translators.models.known import KNOWN_MODELS
from translators.models.listing import ListedModel, decode_listing, differences
from translators.plan import (
    LONGEST_USER_ID,
    Lessons,
    Plan,
    Policy,
    plan_in_steps,
    plan_request,
)
from translators.prompt import ParsedRequest, parse_request, parse_request_in_steps
from translators.refusal_lessons import learn, learn_gone, refuses_user_id
from translators.sdk_code import LANGUAGES, as_code
from translators.steps import STEP_SIZE, Steps, completed
from translators.stream import StreamState, StreamTranslator
from translators.wire.completion_parsing import (
    ReadCompletion,
    read_completion,
    read_completion_stream,
)
from translators.wire.completion_requests import (
    CompletionRequest,
    DecodedRequest,
    decode_completion_request,
    decode_in_steps,
)
from translators.wire.completions import (
    PING_FRAME,
    Completion,
    CompletionChunk,
    CompletionStopReason,
    FailureChunk,
    FrameEncoder,
    LastChunk,
    PingChunk,
    TextChunk,
    encode_completion,
    encode_completion_in_steps,
    encode_error,
    encode_failure,
    v1_ping_frame,
)
from translators.wire.dialects import UPSTREAM_VERSION, Dialect, dialect_of
from translators.wire.long_json import UNREADABLE, read_json, write_json
from translators.wire.messages import (
    AnsweredMessage,
    MessagesRequest,
    Usage,
    decode_message,
    decode_message_in_steps,
    encode_in_steps,
    encode_request,
)
from translators.wire.sse import is_event_stream
from translators.wire.stream_assembly import (
    Reassembled,
    TimedPiece,
    reassemble_completion,
    reassemble_message,
)

__all__ = [
    "EXPLANATIONS",
    "FEATURES",
    "KNOWN_MODELS",
    "LANGUAGES",
    "LONGEST_USER_ID",
    "PING_FRAME",
    "REMEDIES",
    "STEP_SIZE",
    "UNKNOWN",
    "UNREADABLE",
    "UPSTREAM_VERSION",
    "Adjustment",
    "AdjustmentKind",
    "AnsweredMessage",
    "Capabilities",
    "Catalogue",
    "Completion",
    "CompletionChunk",
    "CompletionRequest",
    "CompletionStopReason",
    "DecodedRequest",
    "Dialect",
    "FailureChunk",
    "Features",
    "FrameEncoder",
    "InvalidCompletionRequest",
    "LastChunk",
    "Lessons",
    "ListedModel",
    "MessagesRequest",
    "Model",
    "ModelRefused",
    "ParsedRequest",
    "PingChunk",
    "Plan",
    "Policy",
    "ReadCompletion",
    "Reassembled",
    "Sampling",
    "Steps",
    "StreamState",
    "StreamTranslator",
    "TextChunk",
    "Thinking",
    "TimedPiece",
    "TranslatedError",
    "TranslationError",
    "UpstreamProtocolError",
    "Usage",
    "as_chunks",
    "as_code",
    "completed",
    "decode_completion_request",
    "decode_in_steps",
    "decode_listing",
    "decode_message",
    "decode_message_in_steps",
    "dialect_of",
    "differences",
    "encode_completion",
    "encode_completion_in_steps",
    "encode_error",
    "encode_failure",
    "encode_in_steps",
    "encode_request",
    "error_status",
    "error_type",
    "features_of",
    "from_chunks",
    "is_event_stream",
    "learn",
    "learn_gone",
    "parse_request",
    "parse_request_in_steps",
    "plan_in_steps",
    "plan_request",
    "read_completion",
    "read_completion_stream",
    "read_json",
    "reassemble_completion",
    "reassemble_message",
    "refuses_user_id",
    "translate_error",
    "translate_in_steps",
    "translate_message",
    "v1_ping_frame",
    "write_json",
]
