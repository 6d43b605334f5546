"""Logs: one line per exchange, JSON unless a person is watching."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

import msgspec
import structlog

from proxy.redaction import describe_crash

LogFormat = Literal["auto", "json", "console"]

# Said by uvicorn where a response ends without its last chunk, which is how a failed stream of
# the old dialect has to end (clients, rule 4).
_BROKEN_OFF_ON_PURPOSE = "ASGI callable returned without completing response."


def configure_logs(log_format: LogFormat, *, level: int = logging.INFO) -> None:
    """Set up structlog for the process; uvicorn's own lines come out the same way."""
    for_people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if for_people
        else structlog.processors.JSONRenderer(serializer=_as_json)
    )
    stream = cast("TextIO", _Unfailing(sys.stderr))
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_message_of_exception,
    ]
    # Our own lines go straight to the stream: the detour through `logging` was 6 % of the samples
    # of a profile of whole answers.
    structlog.configure(
        processors=[*shared, renderer],
        # A line in one write: with `print`, unbuffered, workers would write into each other's.
        logger_factory=structlog.WriteLoggerFactory(stream),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.add_log_level, *shared[1:]],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(_is_news)


class _Unfailing:
    """A stream that loses what it cannot write: a full disk must cost lines, and no answers."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def _as_json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _without_message_of_exception(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Say of an exception what may be said of it; uvicorn hands some over."""
    info = event.pop("exc_info", None)
    crash = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info else None
    if crash is not None:
        event.update(describe_crash(crash))
    return event


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != _BROKEN_OFF_ON_PURPOSE
