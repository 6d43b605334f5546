"""
A notice as it is sent: a JSON body, and the headers that sign it.

The signature is that of Standard Webhooks 1.0.0, so that libraries which verify those can verify
these: HMAC-SHA256 of `ID.TIMESTAMP.BODY`.
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Final, Literal

import msgspec

from proxy.headers import Headers
from proxy.notices.kinds import KINDS, Problem

_MOST_PROBLEMS: Final = 20
_LONGEST_TEXT: Final = 2_000
_USER_AGENT: Final = f"holdover/{version('holdover')}".encode()


class Subject(msgspec.Struct, frozen=True):
    """One of the problems that a notice is about."""

    subject: str
    """The rule, setting or model; empty if there is but one such problem."""
    text: str


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a notice that programs read."""

    id: str
    kind: str
    state: Literal["began", "ended", "test"]
    instance: str
    """Name of the machine, and process id of the worker that sends this."""
    runbook: str
    """Entry in the runbook, as alerts name it."""
    problems: list[Subject] = []
    """The problems, at most 20 of them."""
    changes: int = 0
    """How often such problems have begun or ended since the notice before this one."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a notice."""

    type: str
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    """Time at which it was made, in UTC."""
    text: str
    """Sentences for people that say what has happened, why, and what to do."""
    data: Details


def instance_name() -> str:
    """Return the name by which notices call this process: its machine and its process id."""
    return f"{socket.gethostname()}/{os.getpid()}"


def notice_of(
    kind: str,
    state: Literal["began", "ended"],
    problems: Sequence[Problem],
    *,
    instance: str,
    changes: int,
) -> Notice:
    """Return a notice that problems of a kind have begun or ended."""
    about = KINDS[kind]
    told = problems[:_MOST_PROBLEMS]
    texts = [_cut(_said(each, state)) for each in told]
    if more := len(problems) - len(told):
        texts.append(f"So it is with {more} more.")
    if state == "began" and about.advice:
        texts.append(about.advice)
    details = Details(
        id=_new_id(),
        kind=kind,
        state=state,
        instance=instance,
        runbook=f"RUNBOOK.md#{about.runbook}",
        problems=[Subject(each.subject, text) for each, text in zip(told, texts, strict=False)],
        changes=changes,
    )
    return _made(f"{kind}.{state}", " ".join(texts), details)


def trial_notice(instance: str) -> Notice:
    """Return a notice that says no more than that notices arrive."""
    details = Details(
        id=_new_id(),
        kind="test",
        state="test",
        instance=instance,
        runbook="RUNBOOK.md#a-notice-does-not-arrive",
    )
    return _made("test", "This is a test: notices of Holdover arrive here.", details)


def signed(notice: Notice, secret: bytes, *, now: float) -> tuple[Headers, bytes]:
    """Return the headers and the body of an attempt to send a notice at this time."""
    body = msgspec.json.encode(notice)
    named, at = notice.data.id.encode(), b"%d" % now
    signature = b64encode(hmac.digest(secret, b".".join((named, at, body)), "sha256"))
    headers = [
        (b"content-type", b"application/json"),
        (b"user-agent", _USER_AGENT),
        (b"webhook-id", named),
        (b"webhook-timestamp", at),
        (b"webhook-signature", b"v1," + signature),
    ]
    return headers, body


def _said(problem: Problem, state: Literal["began", "ended"]) -> str:
    if state == "began":
        return problem.text
    return KINDS[problem.kind].over.replace("{subject}", problem.subject)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."


def _new_id() -> str:
    return f"msg_{secrets.token_hex(16)}"


def _made(name: str, text: str, details: Details) -> Notice:
    return Notice(
        type=name,
        timestamp=datetime.now(UTC),
        text=f"{details.instance}: {text}",
        data=details,
    )
