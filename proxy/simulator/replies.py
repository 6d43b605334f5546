"""The reply of an endpoint: a whole body or a stream of events, not yet delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from proxy.simulator.api_errors import ApiError
from proxy.simulator.frames import Comment, Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeReply:
    """A reply with a content length; `is_from_api` is false if the edge alone answers."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    is_from_api: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedReply:
    """A chunked reply; with `breaks_off` the last chunk is missing, as in a lost connection."""

    frames: tuple[Frame | Comment, ...]
    newline: bytes
    breaks_off: bool = False


Reply = WholeReply | StreamedReply

_HTML: Final = (
    b"<html>\r\n<head><title>%(status)d</title></head>\r\n<body>\r\n"
    b"<center><h1>%(status)d</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
    b"</body>\r\n</html>\r\n"
)


def json_reply(content: object) -> WholeReply:
    return WholeReply(body=msgspec.json.encode(content))


def error_reply(error: ApiError, request_id: str, *, shape: str = "api") -> WholeReply:
    """Return an error response; `shape` is a value of `simulate-error-shape`."""
    status = error.status
    match "cloudflare" if error.is_from_the_edge and shape == "api" else shape:
        case "cloudflare":
            body = msgspec.json.encode(error.describe_at_the_edge())
            return WholeReply(body=body, status=status, is_from_api=False)
        case "html":
            body = _HTML % {b"status": status}
            content_type = "text/html; charset=UTF-8"
            return WholeReply(
                body=body, status=status, content_type=content_type, is_from_api=False
            )
        case "empty":
            return WholeReply(body=b"", status=status, is_from_api=False)
        case "null-request-id":
            # Recorded with a 401, without a request-id header (messages-wire 1.1).
            body = msgspec.json.encode(error.describe(None))
            return WholeReply(body=body, status=status, is_from_api=False)
        case _:
            body = msgspec.json.encode(error.describe(request_id))
            return WholeReply(body=body, status=status)
