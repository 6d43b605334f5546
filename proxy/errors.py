"""
Errors that an exchange can end with, apart from those of the translation itself.

* `Failure`
    * `MalformedRequest`, `TargetTooLong`, `HeadTooLarge`, `HeadTooSlow`, `BodyStalled`, `Tunnel`,
      `UnknownCoding`, `ForeignHost`, `ForeignOrigin` -- the client's
      fault: the server refuses the request before any endpoint sees it
    * `MissingKey` (`UnknownKey`, `MisplacedToken`), `BodyNotReadable`, `BodyTooLarge`,
      `BodyEndless` (`BodyTooLong`, `BodyTooSlow`) -- the client's fault
    * `Gone` -- no one's fault: a rule refuses the request
    * `NotForwardable`, `MethodNotAllowed`, `NotFound` (`NotBedrock`), `TooManyTries` -- the
      client's fault, found before the body is read
    * `CallerTooBusy` -- the client's fault: it sends too many at a time
    * `KeyRefused`, `ShuttingDown`, `TooBusy` (`NoRoomForBody`), `TooManyClients`
      -- Holdover's fault
    * `UpstreamFailure` (`UpstreamUnreachable`, `UpstreamTooSlow`, `UpstreamBrokeOff`) -- the
      upstream's fault
* `ClientGone` -- the client has disconnected, so no error is sent
* `InvalidSettings` -- the operator's fault, at the start or when the settings change

Together with `translators.TranslationError` the failures are the only
errors whose text may reach a client. Any other exception is a bug in Holdover and
is answered with a 500 that gives no details.
"""

from __future__ import annotations

import enum
from typing import ClassVar

from proxy.terminal_text import escape_for_terminal


class Blame(enum.Enum):
    """The party at fault when an exchange fails."""

    NOBODY = "nobody"
    CLIENT = "client"
    UPSTREAM = "upstream"
    HOLDOVER = "holdover"


class InvalidSettings(Exception):
    """
    The settings are invalid; each line of the text names a setting and what it should be.

    Quoted values are escaped, because the text goes to terminals and into logs.
    """

    def __init__(self, *findings: str) -> None:
        super().__init__("\n".join(map(escape_for_terminal, findings)))


class Failure(Exception):
    """Base class of errors that are sent to the client with this `status` and `error_type`."""

    status = 500
    error_type = "api_error"
    blame = Blame.CLIENT
    headers: ClassVar[tuple[tuple[bytes, bytes], ...]] = ()
    """Response headers that are sent with the error."""

    @property
    def detail(self) -> str:
        """The text for the log; by default the text that the client gets."""
        return str(self)


class MalformedRequest(Failure):
    """The request is not valid HTTP/1.1, or servers might disagree about its meaning."""

    status = 400
    error_type = "invalid_request_error"


class TargetTooLong(MalformedRequest):
    """The path and query of the request are longer than the limit."""

    status = 414


class HeadTooLarge(MalformedRequest):
    """The headers, chunk lines or trailers of the request are larger than the limit."""

    status = 431


class HeadTooSlow(MalformedRequest):
    """The headers of a request did not arrive in the time allowed."""

    status = 408
    error_type = "timeout_error"


class BodyStalled(HeadTooSlow):
    """No further bytes of the body arrived in the time allowed."""


class Tunnel(MalformedRequest):
    """The request asks for a tunnel to another host (`CONNECT`)."""

    status = 405


class UnknownCoding(MalformedRequest):
    """The body has a transfer coding that Holdover does not support."""

    status = 501


class ForeignHost(Failure):
    """The request names a host that is not served here."""

    status = 403
    error_type = "permission_error"


class ForeignOrigin(ForeignHost):
    """A page of another site asks what it may not: to use Holdover's key, or to read answers."""


class MissingKey(Failure):
    """The request has no API key and no bearer token; text as recorded (messages-wire 1.1)."""

    status = 401
    error_type = "authentication_error"


class UnknownKey(MissingKey):
    """The key is not among those that the operator lists; text as recorded (messages-wire 4)."""


class MisplacedToken(MissingKey):
    """The admin token was sent in place of an API key."""


class Gone(Failure):
    """A rule refuses such requests; the status tells clients not to retry."""

    status = 410
    error_type = "not_found_error"
    blame = Blame.NOBODY


class BodyTooLarge(Failure):
    """The body is larger than the API accepts; text as recorded (messages-wire 4)."""

    status = 413
    error_type = "request_too_large"


class BodyEndless(Failure):
    """The rest of the body is not read, so the connection cannot be used again."""


class BodyTooLong(BodyEndless, BodyTooLarge):
    """The body, of unknown length, grew beyond the size allowed."""


class BodyTooSlow(BodyEndless):
    """The body did not arrive in the time allowed."""

    status = 408
    error_type = "timeout_error"


class BodyNotReadable(Failure):
    """The body has a content encoding that Holdover cannot decode."""

    status = 400
    error_type = "invalid_request_error"


class NotForwardable(Failure):
    """The request target lies outside of the upstream's base URL."""

    status = 400
    error_type = "invalid_request_error"


class MethodNotAllowed(Failure):
    """The path does not support the method, or no path does."""

    status = 405
    error_type = "invalid_request_error"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"The method is not allowed here. Use one of these: {', '.join(allowed)}.")
        self.allowed = allowed


class NotFound(Failure):
    """The path neither belongs to Holdover nor is forwarded to the upstream."""

    status = 404
    error_type = "not_found_error"


class NotBedrock(NotFound):
    """The path belongs to Bedrock's API, whose requests are signed for one host only."""


class TooManyTries(Failure):
    """There were too many attempts with a wrong admin token."""

    status = 429
    error_type = "rate_limit_error"


class CallerTooBusy(Failure):
    """The caller has as many requests running and waiting as one caller may have."""

    status = 429
    error_type = "rate_limit_error"
    headers = ((b"retry-after", b"1"), (b"x-should-retry", b"true"))


class TooBusy(Failure):
    """Holdover has as many requests as it can serve; which of them end first is up to upstream."""

    status = 529
    error_type = "overloaded_error"
    blame = Blame.HOLDOVER
    headers = ((b"retry-after", b"2"), (b"x-should-retry", b"true"))


class NoRoomForBody(BodyEndless, TooBusy):
    """As many bytes of bodies are held as may be, so that the rest of this one is not read."""


class KeyRefused(Failure):
    """
    The upstream rejected a key of Holdover's, or requires one that Holdover does not have.

    The upstream's own text is not passed on, because the client would suspect its own
    key. The header stops SDKs from retrying, as they do for 5xx (messages-wire 4).
    """

    status = 502
    blame = Blame.HOLDOVER
    headers = ((b"x-should-retry", b"false"),)

    def __init__(self, setting: str, status: int) -> None:
        super().__init__(
            "The upstream rejected Holdover's own API key, or requires one that Holdover does not "
            "have. Your key is not the cause: contact the operator of Holdover."
        )
        self._refused = f"{setting}: the upstream rejected this key with status {status}"

    @property
    def detail(self) -> str:
        """The setting that holds the key, and the status that the upstream answered with."""
        return self._refused


class ShuttingDown(Failure):
    """Holdover shuts down before the exchange has ended."""

    status = 503
    blame = Blame.HOLDOVER


class TooManyClients(Failure):
    """Holdover has no room for another connection, or for headers that are still to end."""

    status = 529
    error_type = "overloaded_error"
    blame = Blame.HOLDOVER
    headers = ((b"retry-after", b"1"), (b"x-should-retry", b"true"))


class UpstreamFailure(Failure):
    """The upstream was not reached or did not answer; only the operator is told where and why."""

    status = 502
    blame = Blame.UPSTREAM

    def __init__(self, text: str, *, detail: str | None = None) -> None:
        super().__init__(text)
        self._detail = detail or text

    @property
    def detail(self) -> str:
        """Host and port, and what went wrong there."""
        return self._detail


class Unreachable(enum.Enum):
    """Why no connection to an upstream could be made, in words for a client."""

    CERTIFICATE = "its certificate is not accepted"
    TLS = "TLS failed"
    NAME = "its name is not known"
    REFUSED = "it refuses connections"
    CLOSED = "it closes connections at once"
    NETWORK = "the network does not lead there"
    SLOW = "connecting took too long"
    PROXY = "the outbound proxy refuses"


class UpstreamUnreachable(UpstreamFailure):
    """No connection could be made, so the request was not sent."""

    def __init__(self, text: str, *, detail: str, reason: Unreachable) -> None:
        super().__init__(text, detail=detail)
        self.reason = reason


class UpstreamTooSlow(UpstreamFailure):
    """The upstream sent no answer, or no further part of it, in the time allowed."""

    status = 504
    error_type = "timeout_error"


class UpstreamBrokeOff(UpstreamFailure):
    """The connection to the upstream broke after the request was sent."""


class ClientGone(Exception):
    """The client closed its connection before it received its answer."""
