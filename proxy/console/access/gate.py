"""
The gate in front of all pages: the host, the session, and what browsers may do with a page.

    host -> static file? -> sign-in? -> session? -> page

A form that changes something has to come from a page of the same session (see `forms`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.console.access.forms import read_form, require_own
from proxy.console.access.sessions import SECONDS, Session, Sessions
from proxy.console.addresses import address
from proxy.console.problems import Problem
from proxy.console.rendering import CONTENT_TYPES, render, static_files
from proxy.endpoints.admin_token import AdminToken, WrongTokenLimiter, peer_address
from proxy.errors import Failure
from proxy.security.hosts import HostCheck

log = structlog.get_logger()

COOKIE: Final = "holdover_console"
SESSION: Final = "session"
"""Key of the request's scope under which its session is."""
_STATIC: Final = "/static/"
_SIGN_IN: Final = "/sign-in"
_ENTER: Final = "/enter"
_SIGN_OUT: Final = "/sign-out"
_LONGEST_NAME: Final = 60
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(slots=True, kw_only=True)
class OneTimeAddress:
    """An address that opens the console once; then there is another one."""

    base: str
    """Address of the console, without a slash at its end."""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def __str__(self) -> str:
        """Return the address."""
        return f"{self.base}{_ENTER}?once={self.secret}"

    def take(self, given: str) -> bool:
        """Return True if this is the secret, which then is used up."""
        if not secrets.compare_digest(given.encode(errors="replace"), self.secret.encode()):
            return False
        self.secret = secrets.token_urlsafe(24)
        return True


@dataclass(slots=True, kw_only=True)
class Gate:
    """Lets in who has a session, and lets people begin one."""

    pages: ASGIApp
    hosts: HostCheck
    prefix: str
    token: SecretStr | None
    """The admin token; None if only the one-time address opens the console."""
    once: OneTimeAddress
    sessions: Sessions = field(default_factory=Sessions)
    wrong: WrongTokenLimiter = field(default_factory=WrongTokenLimiter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request of somebody with a session on to its page, or lead to the sign-in."""
        if scope["type"] != "http":
            await self.pages(scope, receive, send)
            return
        # A proxy in front may have removed the prefix or not.
        path: str = scope["path"]
        if self.prefix and (path == self.prefix or path.startswith(f"{self.prefix}/")):
            path = path.removeprefix(self.prefix) or "/"
        scope = {**scope, "path": path, "root_path": ""}
        request = Request(scope, receive)
        app: ASGIApp
        try:
            self.hosts.check(scope["headers"], holds_keys=False)
            app = await self._answer(request)
        except Problem as exc:
            app = problem_page(exc, self.prefix)
        except Failure as exc:
            app = problem_page(Problem(exc.status, str(exc)), self.prefix)
        await app(scope, receive, _with_headers(send))

    async def _answer(self, request: Request) -> ASGIApp:
        path = request.scope["path"]
        if path.startswith(_STATIC):
            return _static_file(path.removeprefix(_STATIC))
        if path == _ENTER:
            return await self._enter(request)
        if path == _SIGN_IN:
            return await self._sign_in(request)
        session_id = request.cookies.get(COOKIE)
        session = self.sessions.find(session_id)
        if session is None:
            return self._ask_to_sign_in(request)
        if path == _SIGN_OUT:
            return await self._sign_out(request, session)
        request.scope[SESSION] = session
        return self.pages

    async def _enter(self, request: Request) -> Response:
        """Begin a session for who has the one-time address."""
        if self.token is None and self.once.take(request.query_params.get("once", "")):
            log.info("console_entered", another=str(self.once))
            return self._begin(request, "console", "/")
        self._count_wrong(request)
        raise Problem(
            403,
            "This address has been used, or is not complete. It works once; the terminal in which "
            "the console runs shows another one.",
        )

    async def _sign_in(self, request: Request) -> Response:
        target = _own_path(request.query_params.get("next"))
        if self.token is None:
            raise Problem(401, _NEEDS_ADDRESS)
        if request.method != "POST":
            return self._sign_in_page(target)
        form = await read_form(request)
        given = form.get("token", "").strip().encode(errors="replace")
        if not AdminToken(self.token).opens([(b"authorization", b"Bearer " + given)]):
            self._count_wrong(request)
            return self._sign_in_page(target, is_wrong=True)
        name = " ".join(form.get("name", "").split())[:_LONGEST_NAME]
        return self._begin(request, name or f"console at {peer_address(request.scope)}", target)

    def _sign_in_page(self, target: str, *, is_wrong: bool = False) -> Response:
        text = render("sign_in.html", url=self._url, target=target, is_wrong=is_wrong)
        return HTMLResponse(text, 403 if is_wrong else 200)

    def _count_wrong(self, request: Request) -> None:
        peer = peer_address(request.scope)
        if (seconds := self.wrong.add(peer)) is not None:
            raise Problem(429, f"There were too many wrong tries: wait {seconds} seconds.")
        log.warning("console_refused", peer=peer)

    def _begin(self, request: Request, name: str, target: str) -> Response:
        response = RedirectResponse(f"{self.prefix}{target}", HTTPStatus.SEE_OTHER)
        response.set_cookie(
            COOKIE,
            self.sessions.begin(name),
            max_age=SECONDS,
            path=self.prefix or "/",
            secure=_is_tls(request),
            httponly=True,
            samesite="strict",
        )
        log.info("console_signed_in", name=name, peer=peer_address(request.scope))
        return response

    async def _sign_out(self, request: Request, session: Session) -> Response:
        if request.method != "POST":
            raise Problem(405, "Use the button to sign out.")
        require_own(await read_form(request), session)
        self.sessions.end(request.cookies.get(COOKIE))
        response = RedirectResponse(f"{self.prefix}{_SIGN_IN}", HTTPStatus.SEE_OTHER)
        response.delete_cookie(COOKIE, path=self.prefix or "/")
        return response

    def _ask_to_sign_in(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            raise Problem(
                401,
                "Your session has ended, so nothing was changed. Sign in and repeat what you did.",
            )
        if request.headers.get("sec-fetch-site") == "cross-site":
            # The cookie does not come with a link from elsewhere, but with one from this page.
            return HTMLResponse(render("same_site.html", url=self._url, target=_address(request)))
        if self.token is None:
            raise Problem(401, _NEEDS_ADDRESS)
        target = _own_path(_address(request))
        location = self._url(_SIGN_IN, next=None if target == "/" else target)
        return RedirectResponse(location, HTTPStatus.SEE_OTHER)

    def _url(self, path: str, **parameters: str | None) -> str:
        return address(self.prefix, path, **parameters)


_NEEDS_ADDRESS: Final = (
    "Open the address that the terminal shows in which the console runs: it signs you in. To let "
    "people sign in with a token, set `admin_token`."
)


def problem_page(problem: Problem, prefix: str) -> Response:
    """Return a page that says in words what went wrong."""

    def url(path: str, **parameters: str | None) -> str:
        return address(prefix, path, **parameters)

    title = problem.title or HTTPStatus(problem.status).phrase
    text = render("problem.html", url=url, title=title, message=str(problem))
    return HTMLResponse(text, problem.status)


def _static_file(name: str) -> Response:
    data = static_files().get(name)
    if data is None:
        raise Problem(404, "There is no such file.")
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(data, media_type=CONTENT_TYPES[name.rpartition("/")[2]], headers=headers)


def _with_headers(send: Send) -> Send:
    """Add what keeps other sites, caches and foreign markup away from a page."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return with_headers


def _is_tls(request: Request) -> bool:
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "").lower()}


def _address(request: Request) -> str:
    path: str = request.scope["path"]
    return path + (f"?{query}" if (query := request.url.query) else "")


def _own_path(target: str | None) -> str:
    """Return a path to lead to after the sign-in, if it is one of the console's."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    found = urlsplit(target)
    return target if not found.scheme and not found.netloc and "\\" not in target else "/"
