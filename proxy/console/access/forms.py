"""Read a form that a page has sent, if it is a page of the console's own."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from proxy.console.access.sessions import Session
from proxy.console.problems import Problem
from proxy.endpoints.request_body import read_body
from proxy.errors import BodyNotReadable, BodyTooLarge, BodyTooSlow

Form: TypeAlias = Mapping[str, str]
"""The fields of a form by name; of several fields with one name, the last."""

CSRF_FIELD: Final = "csrf"
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_SECONDS: Final = 60.0
"""Time limit for all of a form, so that nobody holds the console up by sending slowly."""
_MAX_FIELDS: Final = 100
_MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NOT_A_FORM: Final = "This is not a form as the console's pages send it, so nothing was changed."
_CLOSE: Final = {"connection": "close"}


async def read_form(
    request: Request, *, max_bytes: int = MAX_BYTES, max_seconds: float = MAX_SECONDS
) -> Form:
    """Return the fields of a form; raises `Problem` if it is too large, too slow or not a form."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != _MEDIA_TYPE:
        raise Problem(415, _NOT_A_FORM)
    try:
        body = await read_body(
            request.scope,
            request.receive,
            max_bytes=max_bytes,
            timeout_seconds=max_seconds,
        )
    except BodyTooLarge as exc:
        said = f"This form may have up to {max_bytes:,} bytes, so nothing was changed."
        raise Problem(413, said, headers=_CLOSE) from exc
    except BodyTooSlow as exc:
        said = (
            f"The form did not arrive within {max_seconds:g} seconds, so nothing was changed. "
            "Send it again."
        )
        raise Problem(408, said, headers=_CLOSE) from exc
    except BodyNotReadable as exc:
        raise Problem(415, _NOT_A_FORM) from exc
    # In a thread, as some megabytes of escaped characters take a while.
    return await asyncio.to_thread(_fields_in, body)


def require_own(form: Form, session: Session) -> None:
    """Raise `Problem` unless a page of this session has sent the form."""
    given = form.get(CSRF_FIELD, "").encode()
    if not hmac.compare_digest(given, session.csrf.encode()):
        raise Problem(
            403,
            "This form is not from a page of your present session, so nothing was changed. "
            "Open the page again and repeat what you did.",
        )


def version_in(form: Form) -> str:
    """Return the version of the settings that somebody looked at; raises `Problem` without one."""
    if not (version := form.get("version", "")):
        raise Problem(
            400,
            "version: is missing, so nothing was changed. Open the page again and repeat it.",
        )
    return version


def _fields_in(body: bytes) -> Form:
    """Parse a form strictly: browsers escape each character that means something."""
    if not body:
        return {}
    pairs = body.split(b"&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS or _BROKEN_ESCAPE.search(body):
        raise Problem(400, _NOT_A_FORM)
    fields: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition(b"=")
        if not equals:
            raise Problem(400, _NOT_A_FORM)
        fields[_text_of(name)] = _text_of(value)
    return fields


def _text_of(escaped: bytes) -> str:
    try:
        text = unquote_to_bytes(escaped.replace(b"+", b" ")).decode()
    except UnicodeDecodeError as exc:
        raise Problem(400, _NOT_A_FORM) from exc
    return text.replace("\0", "\ufffd")  # no settings file and no database takes it
