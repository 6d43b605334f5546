"""Set-up of the log: JSON lines, or coloured text on a terminal."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, Literal

import msgspec
import structlog

from proxy.observability.console_lines import exchange_line, starting_lines
from proxy.observability.log_writer import LogWriter
from proxy.security.redaction import describe_crash
from proxy.terminal_text import escape_for_terminal, json_line
from proxy.timestamps import to_microseconds

log = structlog.get_logger()

LogFormat = Literal["auto", "json", "console"]

_LINES: Final[Mapping[str, Callable[[structlog.typing.EventDict], str]]] = {
    "exchange": exchange_line,
    "starting": starting_lines,
}
"""Events that are not shown to people as names and values."""
_JSON: Final = msgspec.json.Encoder(enc_hook=repr)
_DELETE: Final = b"\x7f"

# uvicorn logs this if a response ends without its last chunk; a failed stream of the old dialect
# must end that way (clients, rule 4).
_BROKEN_OFF_ON_PURPOSE = "ASGI callable returned without completing response."


def configure_logs(log_format: LogFormat, *, level: int = logging.INFO) -> None:
    """Set up structlog for the process, and send uvicorn's log lines through it."""
    writer = _writer()
    for_people = log_format == "console" or (log_format == "auto" and writer.is_terminal)
    render: structlog.typing.Processor = _for_people() if for_people else _as_json
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        _complete,
    ]
    # Holdover's own lines bypass `logging`, which took 6 % of the samples in a profile of
    # unstreamed responses.
    structlog.configure(
        processors=[*shared, render],
        logger_factory=lambda *_: writer,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
            foreign_pre_chain=[structlog.stdlib.add_log_level, *shared[1:]],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: record.msg != _BROKEN_OFF_ON_PURPOSE
    )


def observe_lost_lines(observe: Callable[[int], None]) -> None:
    """Tell somebody how many lines are dropped, whenever some are."""
    _writer().observe_loss = observe


def finish_log() -> None:
    """Write all lines now, and those that follow at once: the process is about to end."""
    _writer().finish()


@cache
def _writer() -> LogWriter:
    """Return the writer of this process, whose last lines are written at its exit."""
    stream = sys.__stderr__
    descriptor = stream.fileno() if stream else os.open(os.devnull, os.O_WRONLY)
    writer = LogWriter(
        descriptor,
        lambda count, since: log.warning(
            "log_lines_dropped", count=count, since=to_microseconds(since)
        ),
    )
    atexit.register(writer.finish)
    return writer


class _Handler(logging.Handler):
    """Passes on what others log with `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Add the line; one that cannot be formatted must not fail whoever logs it."""
        try:
            _writer().add(self.format(record))
        except Exception as exc:  # noqa: BLE001 - `%d` for a word, or a `__str__` that raises
            log.error("log_line_failed", logger=record.name, **describe_crash(exc))


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
        if (line := _LINES.get(event["event"])) is not None:
            return line(event)
        shown: structlog.typing.EventDict = {}
        for field, value in event.items():
            text = value if isinstance(value, str) else repr(value)
            is_plain = text.isprintable()
            shown[escape_for_terminal(field)] = value if is_plain else escape_for_terminal(text)
        return draw(logger, name, shown)

    return render


def _complete(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the time, and replace an exception (uvicorn logs some) by its redacted description."""
    event["timestamp"] = to_microseconds(time.time())
    info = event.pop("exc_info", None)
    crash = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info else None
    if crash is not None:
        event.update(describe_crash(crash))
    return event
