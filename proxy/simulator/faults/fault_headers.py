"""
Parsing of the `simulate-*` request headers into one frozen value.

A field is set by the header of its name: `stop_reason` by `simulate-stop-reason`.
The package docstring describes each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

import msgspec

from proxy.simulator.api_errors import invalid_request

PREFIX: Final = "simulate-"
MAX_PAUSE_MILLISECONDS: Final = 60_000  # a mistyped number must not block a client for long
_MAX_REPETITIONS: Final = 100_000

BLOCKS_BEFORE: Final = ("thinking", "redacted_thinking", "fallback", "unknown")
ERROR_SHAPES: Final = ("api", "cloudflare", "html", "empty", "null-request-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """Behaviour that one request asks the simulator for, instead of the default."""

    # content of the answer
    text: str | None = None
    deltas: tuple[str, ...] | None = None
    blocks: tuple[str | dict[str, object], ...] | None = None
    blocks_before: tuple[str, ...] = ()
    delta_size: int | None = None
    repeat: int = 1
    empty: bool = False
    echo_prefill: str | None = None
    thinking_tokens: int | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Mapping[str, object] | None = None
    # errors
    error: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_code: str | None = None
    error_shape: str = "api"
    error_after_events: int | None = None
    error_after_deltas: int | None = None
    status: int | None = None
    retry_after: str | None = None
    should_retry: bool | None = None
    # events of a stream
    pings: int | None = None
    unknown_events: bool = False
    comments: bool = False
    newline: bytes | None = None
    end_after_events: int | None = None
    trailing_junk: bool = False
    invalid_utf8: bool = False
    # bytes and connections
    form: str | None = None
    content_type: str | None = None
    truncate_body: int | None = None
    break_after_bytes: int | None = None
    break_after_events: int | None = None
    write: int | None = None
    one_write: bool = False
    gzip: bool = False
    # time, in milliseconds
    delay_headers: int = 0
    delay_first_event: int = 0
    delay_events: int = 0
    hang_after_events: int | None = None
    hang_for: int = MAX_PAUSE_MILLISECONDS
    # strictness
    strict_alternation: bool = False

    @property
    def is_error_in_stream(self) -> bool:
        return self.error_after_events is not None or self.error_after_deltas is not None

    @property
    def is_error(self) -> bool:
        return self.error is not None or self.is_error_in_stream


class _InvalidValue(Exception):
    """The value of a header is invalid; the message describes a valid one."""


def _number(least: int, greatest: int | None = None) -> Callable[[str], int]:
    bounds = f"a whole number from {least}" + (f" to {greatest}" if greatest is not None else "")

    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit()):
            raise _InvalidValue(bounds)
        number = int(value)
        if number < least or (greatest is not None and number > greatest):
            raise _InvalidValue(bounds)
        return number

    return parse


def _json(expected_type: object, wording: str) -> Callable[[str], object]:
    def parse(value: str) -> object:
        try:
            return msgspec.json.decode(value, type=expected_type)
        except msgspec.DecodeError as exc:
            raise _InvalidValue(wording) from exc

    return parse


def _choice(choices: Mapping[str, object]) -> Callable[[str], object]:
    def parse(value: str) -> object:
        if value not in choices:
            raise _InvalidValue(f"one of {', '.join(choices)}")
        return choices[value]

    return parse


def _word(*words: str) -> Callable[[str], object]:
    return _choice({word: word for word in words})


def _flag(value: str) -> bool:
    if value not in {"0", "1"}:
        raise _InvalidValue("0 or 1")
    return value == "1"


_TEXT: Final = _json(str, "a JSON string")
_COUNT: Final = _number(0)
_STATUS: Final = _number(200, 599)
_PAUSE: Final = _number(0, MAX_PAUSE_MILLISECONDS)

ECHOES: Final = ("all", "words", "quoted", "wrapped", "indented")
"""Ways in which models repeat a prefill."""

PARSERS: Final[Mapping[str, Callable[[str], object]]] = MappingProxyType(
    {
        "text": _TEXT,
        "deltas": _json(tuple[str, ...], "a JSON array of strings"),
        "blocks": _json(
            tuple[str | dict[str, object], ...], "a JSON array of strings and content blocks"
        ),
        "blocks_before": lambda value: tuple(
            map(_word(*BLOCKS_BEFORE), map(str.strip, value.split(",")))
        ),
        "delta_size": _number(1),
        "repeat": _number(1, _MAX_REPETITIONS),
        "empty": _flag,
        "echo_prefill": _choice({"1": "all"} | {way: way for way in ECHOES}),
        "thinking_tokens": _COUNT,
        "stop_reason": str,
        "stop_sequence": _TEXT,
        "stop_details": _json(dict[str, object], "a JSON object"),
        "error": _number(400, 599),
        "error_type": str,
        "error_message": _TEXT,
        "error_code": str,
        "error_shape": _word(*ERROR_SHAPES),
        "error_after_events": _COUNT,
        "error_after_deltas": _COUNT,
        "status": _STATUS,
        "retry_after": str,
        "should_retry": _choice({"true": True, "false": False}),
        "pings": _COUNT,
        "unknown_events": _flag,
        "comments": _flag,
        "newline": _choice({"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}),
        "end_after_events": _COUNT,
        "trailing_junk": _flag,
        "invalid_utf8": _flag,
        "form": _word("whole", "stream"),
        "content_type": str,
        "truncate_body": _COUNT,
        "break_after_bytes": _COUNT,
        "break_after_events": _COUNT,
        "write": _number(1),
        "one_write": _flag,
        "gzip": _flag,
        "delay_headers": _PAUSE,
        "delay_first_event": _PAUSE,
        "delay_events": _PAUSE,
        "hang_after_events": _COUNT,
        "hang_for": _PAUSE,
        "strict_alternation": _flag,
    }
)

HEADERS: Final = tuple(PREFIX + field.name.replace("_", "-") for field in fields(SimulateOptions))


def parse_simulate_headers(headers: list[tuple[str, str]]) -> SimulateOptions:
    """
    Parse all `simulate-*` headers; an unknown, repeated or invalid one is a 400.

    A mistyped name must not be ignored: the test that sent it would pass for no reason.
    """
    options: dict[str, object] = {}
    for name, value in headers:
        if not name.startswith(PREFIX):
            continue
        field = name.removeprefix(PREFIX).replace("-", "_")
        if field in options:
            raise invalid_request(f"{name}: sent twice")
        if field not in PARSERS:
            raise invalid_request(f"{name}: no such header in this simulator")
        try:
            options[field] = PARSERS[field](value)
        except _InvalidValue as exc:
            raise invalid_request(f"{name}: expected {exc}") from exc
    return SimulateOptions(**options)  # type: ignore[arg-type]  # parsers return the field's type
