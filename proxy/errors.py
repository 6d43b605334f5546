"""
What can go wrong around a translation, and whose fault it is.

* `Failure`
    * `MalformedRequest`, `TargetTooLong`, `HeadTooLarge`, `HeadTooSlow`, `BodyStalled`, `Tunnel`,
      `UnknownCoding`, `ForeignHost`, `ForeignOrigin` -- the client's: no endpoint sees such
      a request
    * `MissingKey` (`UnknownKey`, `MisplacedToken`), `BodyNotReadable`, `BodyTooLarge`,
      `BodyEndless` (`BodyTooLong`, `BodyTooSlow`) -- the client's fault
    * `Gone` -- nobody's: a rule refuses it
    * `NotForwardable`, `MethodNotAllowed`, `NotFound` (`NotBedrock`), `TooManyTries` -- the
      client's, before anything is read
    * `KeyRefused`, `ShuttingDown` -- ours
    * `UpstreamUnreachable`, `UpstreamTooSlow`, `UpstreamBrokeOff` -- the upstream's fault
* `ClientGone` -- nobody is left to be told
* `InvalidSettings` -- the operator's, at the start or when the settings change

Together with `translators.TranslationError` the failures are all the errors
whose text may reach a client. Anything else is a bug of ours, and answers 500
without saying more.
"""

from __future__ import annotations

import enum
from typing import ClassVar

from proxy.terminal_text import escape_for_terminal


class Blame(enum.Enum):
    """Whose fault it is that an exchange did not end as it should."""

    NOBODY = "nobody"
    CLIENT = "client"
    UPSTREAM = "upstream"
    HOLDOVER = "holdover"


class InvalidSettings(Exception):
    """
    The settings cannot be used; the text names each setting and what it should be, a line each.

    What is quoted of them is printable: it goes to terminals and into logs.
    """

    def __init__(self, *findings: str) -> None:
        super().__init__("\n".join(map(escape_for_terminal, findings)))


class Failure(Exception):
    """Base class; `status` and `error_type` are what the client is told."""

    status = 500
    error_type = "api_error"
    blame = Blame.CLIENT
    headers: ClassVar[tuple[tuple[bytes, bytes], ...]] = ()
    """What the client is told beside that."""

    @property
    def detail(self) -> str:
        """What the log is told."""
        return str(self)


class MalformedRequest(Failure):
    """What came is not HTTP/1.1, or not in a way that everybody reads alike."""

    status = 400
    error_type = "invalid_request_error"


class TargetTooLong(MalformedRequest):
    """The path and query of a request go beyond what is read."""

    status = 414


class HeadTooLarge(MalformedRequest):
    """The headers of a request, or what stands around its body, go beyond what is read."""

    status = 431


class HeadTooSlow(MalformedRequest):
    """The headers of a request did not arrive in the time allowed."""

    status = 408
    error_type = "timeout_error"


class BodyStalled(HeadTooSlow):
    """Nothing more of a body arrived in the time allowed."""


class Tunnel(MalformedRequest):
    """The request asks for a connection to somebody else (`CONNECT`)."""

    status = 405


class UnknownCoding(MalformedRequest):
    """A body comes in a transfer coding that is not understood here."""

    status = 501


class ForeignHost(Failure):
    """The request names a host that is not served here."""

    status = 403
    error_type = "permission_error"


class ForeignOrigin(ForeignHost):
    """A page of another site asks for what needs a key that is held here."""


class MissingKey(Failure):
    """Neither `x-api-key` nor a bearer token; text as recorded (messages-wire 1.1)."""

    status = 401
    error_type = "authentication_error"


class UnknownKey(MissingKey):
    """None of the keys that the operator lists; text as recorded (messages-wire 4)."""


class MisplacedToken(MissingKey):
    """The admin token, where a key belongs."""


class Gone(Failure):
    """A rule refuses such requests; the status says that they need not be tried again."""

    status = 410
    error_type = "not_found_error"
    blame = Blame.NOBODY


class BodyTooLarge(Failure):
    """More than the API takes; text as recorded (messages-wire 4)."""

    status = 413
    error_type = "request_too_large"


class BodyEndless(Failure):
    """The body goes on beyond the size or the time allowed, and says not where it ends."""


class BodyTooLong(BodyEndless, BodyTooLarge):
    """It went on beyond the size allowed."""


class BodyTooSlow(BodyEndless):
    """It did not arrive in the time allowed."""

    status = 408
    error_type = "timeout_error"


class BodyNotReadable(Failure):
    """The body is encoded in a way that is not decoded here."""

    status = 400
    error_type = "invalid_request_error"


class NotForwardable(Failure):
    """A target that is not below the upstream's base url."""

    status = 400
    error_type = "invalid_request_error"


class MethodNotAllowed(Failure):
    """A method that this path does not have, or that no path here has."""

    status = 405
    error_type = "invalid_request_error"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"The methods here are {', '.join(allowed)}.")
        self.allowed = allowed


class NotFound(Failure):
    """A path that is neither one of Holdover's own nor for the upstream."""

    status = 404
    error_type = "not_found_error"


class NotBedrock(NotFound):
    """A path of Bedrock's API, whose clients sign what they send to one host and no other."""


class TooManyTries(Failure):
    """The admin token was guessed at too often."""

    status = 429
    error_type = "rate_limit_error"


class KeyRefused(Failure):
    """
    Upstream refused a key that we hold, or missed one that we do not.

    The client is not told so in upstream's words, or it would doubt its own key;
    and its SDK need not ask again, as SDKs do from 500 on (messages-wire 4).
    """

    status = 502
    blame = Blame.HOLDOVER
    headers = ((b"x-should-retry", b"false"),)

    def __init__(self, setting: str, status: int) -> None:
        super().__init__(
            "Upstream refused Holdover's own key, or missed one. Yours is not the reason: tell "
            "whoever runs Holdover."
        )
        self._refused = f"{setting}: refused with status {status}"

    @property
    def detail(self) -> str:
        """Which key, by the setting that it is given in."""
        return self._refused


class ShuttingDown(Failure):
    """The process ends before the exchange does."""

    status = 503
    blame = Blame.HOLDOVER


class UpstreamUnreachable(Failure):
    """No connection: the request was not sent."""

    status = 502
    blame = Blame.UPSTREAM


class UpstreamTooSlow(Failure):
    """No answer, or no more of it, in the time allowed."""

    status = 504
    error_type = "timeout_error"
    blame = Blame.UPSTREAM


class UpstreamBrokeOff(Failure):
    """The connection broke after the request was sent."""

    status = 502
    blame = Blame.UPSTREAM


class ClientGone(Exception):
    """The client closed its connection before it had its answer."""
