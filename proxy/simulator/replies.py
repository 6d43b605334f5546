"""The reply of an endpoint: a whole body or a stream of events, not yet delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from proxy.simulator.api_errors import Refusal
from proxy.simulator.frames import Comment, Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A reply with a content length; `is_from_api` is false if the edge alone answers."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    is_from_api: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A chunked reply; with `breaks_off` the last chunk is missing, as in a lost connection."""

    frames: tuple[Frame | Comment, ...]
    newline: bytes
    breaks_off: bool = False


Reply = Whole | Streamed

_HTML: Final = (
    b"<html>\r\n<head><title>%(status)d</title></head>\r\n<body>\r\n"
    b"<center><h1>%(status)d</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
    b"</body>\r\n</html>\r\n"
)


def reply_json(content: object) -> Whole:
    return Whole(body=msgspec.json.encode(content))


def reply_refusal(refusal: Refusal, request_id: str, *, shape: str = "api") -> Whole:
    status = refusal.status
    match "cloudflare" if refusal.is_from_the_edge and shape == "api" else shape:
        case "cloudflare":
            body = msgspec.json.encode(refusal.describe_at_the_edge())
            return Whole(body=body, status=status, is_from_api=False)
        case "html":
            body = _HTML % {b"status": status}
            content_type = "text/html; charset=UTF-8"
            return Whole(body=body, status=status, content_type=content_type, is_from_api=False)
        case "empty":
            return Whole(body=b"", status=status, is_from_api=False)
        case "null-request-id":
            # Recorded with a 401, without a request-id header (messages-wire 1.1).
            body = msgspec.json.encode(refusal.describe(None))
            return Whole(body=body, status=status, is_from_api=False)
        case _:
            body = msgspec.json.encode(refusal.describe(request_id))
            return Whole(body=body, status=status)
