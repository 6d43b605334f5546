"""Read a form that a page has sent, if it is a page of the console's own."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from proxy.console.access.sessions import Session
from proxy.console.problems import Problem

Form: TypeAlias = Mapping[str, str]
"""The fields of a form by name; of several fields with one name, the last."""

CSRF_FIELD: Final = "csrf"
MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_FIELDS: Final = 100


async def read_form(request: Request) -> Form:
    """Return the fields of a form; raises `Problem` if it is too large or not a form."""
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > MAX_BYTES:
                raise Problem(413, f"A form may have up to {MAX_BYTES:,} bytes.")
    except ClientDisconnect as exc:
        raise Problem(400, "The form did not arrive in full.") from exc
    try:
        fields = parse_qsl(
            received.decode(),
            keep_blank_values=True,
            strict_parsing=bool(received),
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as exc:
        raise Problem(400, "This is not a form as the console's pages send it.") from exc
    return dict(fields)


def require_own(form: Form, session: Session) -> None:
    """Raise `Problem` unless a page of this session has sent the form."""
    given = form.get(CSRF_FIELD, "").encode(errors="replace")
    if not hmac.compare_digest(given, session.csrf.encode()):
        raise Problem(
            403,
            "This form is not from a page of your present session, so nothing was changed. "
            "Open the page again and repeat what you did.",
        )
