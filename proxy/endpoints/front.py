"""
Decide where a request goes: to a page of Holdover, to translation, upstream, or nowhere.

    host -> method -> path -> a page? -> admin token? -> Bedrock's? -> a preflight? -> a completion?
         -> upstream

If a request goes nowhere, its body is not read, and nothing of it is sent on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.admission import Admission, AdmissionReporter
from proxy.endpoints.admin_token import AdminToken, peer_address
from proxy.endpoints.own_answers import METHODS, preflight, refusal, without_caching
from proxy.endpoints.passthrough import logged_path
from proxy.endpoints.paths import (
    Path,
    is_bedrock_path,
    is_completion_path,
    is_own_page,
    read_path,
    without_prefix,
)
from proxy.errors import Failure, MethodNotAllowed, MisplacedToken, NotBedrock, NotForwardable
from proxy.exchange.handler import CurrentConfig
from proxy.headers import Headers, headers_for_a_page, is_preflight
from proxy.observability.metrics import Metrics
from proxy.security.hosts import HostCheck
from proxy.security.redaction import Redactor

log = structlog.get_logger("holdover.traffic")

_OWN: Final = b"/holdover/"
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_METHOD_LENGTH: Final = 32
_MISPLACED: Final = (
    "This is Holdover's admin token, which opens its own pages under /holdover/ and nothing else. "
    "It was not sent on; send an API key instead."
)
_NOT_BEDROCK: Final = (
    "Bedrock's API is not served here, and nothing was sent on. Call POST /v1/complete or POST "
    "/v1/messages instead, with `model` in the body and an API key as x-api-key: the Anthropic "
    "SDK's own client does so, its Bedrock client and AWS's SDKs do not."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The ASGI application in front of all others."""

    complete: ASGIApp
    forward: ASGIApp
    pages: ASGIApp
    mount_prefix: str
    hosts: HostCheck
    present: CurrentConfig
    admin_token: AdminToken
    metrics: Metrics
    redactor: Redactor
    admission: Admission
    admission_reporter: AdmissionReporter

    def refuse_at_once(self, scope: Scope) -> Failure | None:
        """
        Return why a request is refused before anything is done for it, or None.

        This is asked when there is too much to do, so it has to cost little: it looks at neither
        the host nor the rest of the path, and may refuse what would get another error.
        """
        if not self.admission.waiting or scope["method"] != "POST" or _OWN in scope["raw_path"]:
            return None
        caller = self.present.config.keyring.digest_of(scope["headers"])
        failure = self.admission.refusal(caller)
        if failure is not None:
            self.admission_reporter.count_refused(caller, failure)
        return failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the application that serves it, or refuse it."""
        if scope["type"] != "http":
            await self.pages(scope, receive, send)
            return
        cors_headers: Headers = []
        try:
            self.hosts.check(scope["headers"], holds_keys=self.present.config.keyring.holds_keys)
            cors_headers = headers_for_a_page(scope["headers"])
            if scope["method"] not in METHODS:
                raise MethodNotAllowed(METHODS)
            if _CONTROL.search(scope["query_string"]):
                raise NotForwardable("query: percent-encode control characters")
            path = read_path(without_prefix(scope["raw_path"], self.mount_prefix))
            is_page = is_own_page(path, self.mount_prefix)
            # Our pages are routed by their raw path, so only the exact spelling reaches them.
            shown = path.raw.decode() if is_page else path.plain
            scope = {**scope, "path": shown, "raw_path": path.raw}
            app = self.pages if is_page else self._traffic_app(scope, path)
        except Failure as exc:
            if isinstance(exc, MisplacedToken):
                self.metrics.admin_token_refused("misplaced")
                log.warning("admin_token_misplaced", peer=peer_address(scope))
            log.info(
                "refused",
                method=scope["method"][:_METHOD_LENGTH],
                path=logged_path(scope, self.redactor),
                status=exc.status,
                reason=str(exc),
            )
            read_by_page = {name.decode(): value.decode("latin-1") for name, value in cors_headers}
            is_page, app = True, refusal(exc, read_by_page)
        await app(scope, receive, without_caching(send) if is_page else send)

    def _traffic_app(self, scope: Scope, path: Path) -> ASGIApp:
        """Choose translation, forwarding or a preflight's answer; raise a `Failure` for none."""
        if self.admin_token.is_in(scope["headers"]):
            raise MisplacedToken(_MISPLACED)
        if is_bedrock_path(path):
            raise NotBedrock(_NOT_BEDROCK)
        is_completion = is_completion_path(path)
        if is_preflight(scope["method"], scope["headers"]):
            # A preflight has no key. Who may use ours has been checked, and Holdover answers for
            # completions itself; otherwise upstream says which pages may ask it.
            holds_keys = self.present.config.keyring.holds_keys
            return preflight(scope["headers"]) if is_completion or holds_keys else self.forward
        return self.complete if is_completion and scope["method"] == "POST" else self.forward
