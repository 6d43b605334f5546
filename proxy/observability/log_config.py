"""Set-up of the log: JSON lines, or coloured text on a terminal."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final, Literal, TextIO, cast

import msgspec
import structlog

from proxy.security.redaction import describe_crash
from proxy.terminal_text import escape_for_terminal, json_line
from proxy.timestamps import to_microseconds

LogFormat = Literal["auto", "json", "console"]

_JSON: Final = msgspec.json.Encoder(enc_hook=repr)
_DELETE: Final = b"\x7f"

# uvicorn logs this if a response ends without its last chunk; a failed stream of the old dialect
# must end that way (clients, rule 4).
_BROKEN_OFF_ON_PURPOSE = "ASGI callable returned without completing response."


def configure_logs(log_format: LogFormat, *, level: int = logging.INFO) -> None:
    """Set up structlog for the process, and send uvicorn's log lines through it."""
    for_people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    render: structlog.typing.Processor = _for_people() if for_people else _as_json
    stream = _Unfailing(sys.stderr)
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        _stamp,
        _without_message_of_exception,
    ]
    # Holdover's own lines bypass `logging`, which took 6 % of the samples in a profile of
    # unstreamed responses.
    structlog.configure(
        processors=[*shared, render],
        logger_factory=lambda *_: stream,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast("TextIO", stream))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
            foreign_pre_chain=[structlog.stdlib.add_log_level, *shared[1:]],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(_is_news)


class _Unfailing:
    """A stream that drops lines it cannot write, so that a full disk does not fail requests."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write and flush."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass

    def flush(self) -> None:
        """Do nothing: `write` has flushed already."""

    def line(self, text: str) -> None:
        """Write a line in a single call, so that lines of several workers do not interleave."""
        self.write(text + "\n")

    debug = info = warning = error = critical = line


def _stamp(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["timestamp"] = to_microseconds(time.time())
    return event


def _as_json(_: object, __: str, event: structlog.typing.EventDict) -> str:
    """Encode as JSON; escape what terminals act on (U+007F to U+009F, bidirectional marks)."""
    try:
        line = _JSON.encode(event)
    except UnicodeEncodeError:  # a lone surrogate, as file names can contain
        return json_line(msgspec.to_builtins(event, enc_hook=repr))
    if line.isascii() and _DELETE not in line:  # the usual case, cheap to test
        return line.decode()
    return escape_for_terminal(line.decode())


def _for_people() -> structlog.typing.Processor:
    draw = structlog.dev.ConsoleRenderer()

    def render(
        logger: object, name: str, event: structlog.typing.EventDict
    ) -> str | bytes | structlog.typing.EventDict:
        shown = {escape_for_terminal(field): _shown(value) for field, value in event.items()}
        return draw(logger, name, shown)

    return render


def _shown(value: object) -> object:
    if isinstance(value, str):
        return escape_for_terminal(value)
    return value if repr(value).isprintable() else escape_for_terminal(repr(value))


def _without_message_of_exception(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace an exception (uvicorn logs some) by its redacted description."""
    info = event.pop("exc_info", None)
    crash = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info else None
    if crash is not None:
        event.update(describe_crash(crash))
    return event


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != _BROKEN_OFF_ON_PURPOSE
