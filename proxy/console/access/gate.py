"""
The gate in front of all pages: the host, the session, and what browsers may do with a page.

    host -> static file? -> other site? -> sign-in? -> session? -> page

A form that changes something has to come from a page of the same session (see `forms`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import structlog
from pydantic import SecretStr
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.console.access.cookies import cookie_name, session_ids, set_cookie
from proxy.console.access.forms import read_form, require_own
from proxy.console.access.one_time_address import OneTimeAddress
from proxy.console.access.other_sites import refuse_other_sites
from proxy.console.access.sessions import Session, Sessions
from proxy.console.access.targets import (
    ENTER,
    SIGN_IN,
    SIGN_OUT,
    STATIC,
    below_prefix,
    own_target,
    target_of,
)
from proxy.console.addresses import address
from proxy.console.problems import Problem
from proxy.console.rendering import CONTENT_TYPES, render, static_files
from proxy.endpoints.admin_token import AdminToken, WrongTokenLimiter, peer_address
from proxy.errors import ClientGone, Failure
from proxy.security.hosts import HostCheck

log = structlog.get_logger()

SESSION: Final = "session"
"""Key of the request's scope under which its session is."""
_READING: Final = ("GET", "HEAD")
_LONGEST_NAME: Final = 60
_MAX_SIGN_IN_BYTES: Final = 8 * 1024
"""Limit on the form of somebody who is not known yet."""
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With `no-referrer`, browsers would say of our own forms that they come from nowhere.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_SIGN_IN_FIRST: Final = {"www-authenticate": 'Cookie realm="Holdover console"'}
"""Headers that a 401 must have (RFC 9110, section 11.6.1); browsers ignore a scheme that is not
known to them, and show the page."""


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
        request = Request(below_prefix(scope, self.prefix), receive)
        send = _with_headers(send)
        try:
            self.hosts.check(request.headers.raw, holds_keys=False)
            answer = await self._answer(request)
            await answer(request.scope, receive, send)
            return
        except Problem as exc:
            problem = exc
        except ClientGone:
            return  # nobody reads an answer
        except Failure as exc:
            problem = Problem(exc.status, str(exc))
        await self._problem_page(problem, request.scope)(request.scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        path: str = request.scope["path"]
        if path.startswith(STATIC):
            _require_method(request, *_READING)
            return _static_file(path.removeprefix(STATIC))
        refuse_other_sites(request, self.hosts)
        session = self._session_of(request)
        if path == ENTER:
            return self._enter(request, session)
        if path == SIGN_IN:
            return await self._sign_in(request, session)
        if path == SIGN_OUT:
            return await self._sign_out(request, session)
        if session is None:
            return self._ask_to_sign_in(request)
        request.scope[SESSION] = session
        return self.pages

    def _session_of(self, request: Request) -> Session | None:
        found = (self.sessions.find(each) for each in session_ids(request, self._cookie(request)))
        return next(filter(None, found), None)

    def _enter(self, request: Request, session: Session | None) -> Response:
        """Begin a session for who has the one-time address."""
        _require_method(request, "GET")  # programs that preview an address do not use it up
        if session is not None or self.token is not None:
            return RedirectResponse(self._url("/"), HTTPStatus.SEE_OTHER)
        if self.once.take(request.query_params.get("once", "")):
            return self._begin(request, "console", "/")
        self._count_wrong(request)
        raise Problem(
            403,
            "This address has been used, or is not complete. It works once; the terminal in which "
            "the console runs shows another one.",
        )

    async def _sign_in(self, request: Request, session: Session | None) -> Response:
        _require_method(request, *_READING, "POST")
        target = own_target(request.query_params.get("next"))
        if request.method != "POST" and session is not None:
            return RedirectResponse(f"{self.prefix}{target}", HTTPStatus.SEE_OTHER)
        if self.token is None:
            raise _needs_address()
        if request.method != "POST":
            return self._sign_in_page(target)
        form = await read_form(request, max_bytes=_MAX_SIGN_IN_BYTES)
        name = _printable(form.get("name", ""))
        given = form.get("token", "").strip().encode()
        if not AdminToken(self.token).opens([(b"authorization", b"Bearer " + given)]):
            self._count_wrong(request)
            return self._sign_in_page(target, name=name, is_wrong=True)
        return self._begin(request, name or f"console at {peer_address(request.scope)}", target)

    def _sign_in_page(self, target: str, *, name: str = "", is_wrong: bool = False) -> Response:
        text = render("sign_in.html", url=self._url, target=target, name=name, is_wrong=is_wrong)
        return HTMLResponse(text, 403 if is_wrong else 200)

    def _count_wrong(self, request: Request) -> None:
        peer = peer_address(request.scope)
        if (seconds := self.wrong.add(peer)) is not None:
            raise Problem(
                429,
                f"There were too many wrong tries within a minute: wait {seconds} seconds before "
                "the next one. What is right works at once.",
                headers={"retry-after": str(seconds), "connection": "close"},
            )
        log.warning("console_refused", peer=peer)

    def _begin(self, request: Request, name: str, target: str) -> Response:
        cookie = self._cookie(request)
        self._end(request, cookie)
        response = RedirectResponse(f"{self.prefix}{target}", HTTPStatus.SEE_OTHER)
        set_cookie(response, request, cookie, self.sessions.begin(name), self.prefix)
        log.info("console_signed_in", name=name, peer=peer_address(request.scope))
        return response

    async def _sign_out(self, request: Request, session: Session | None) -> Response:
        _require_method(request, "POST")
        cookie = self._cookie(request)
        if session is not None:
            require_own(await read_form(request, max_bytes=_MAX_SIGN_IN_BYTES), session)
            self._end(request, cookie)
            log.info("console_signed_out", name=session.name, peer=peer_address(request.scope))
        response = RedirectResponse(self._url(SIGN_IN), HTTPStatus.SEE_OTHER)
        set_cookie(response, request, cookie, "", self.prefix)
        return response

    def _end(self, request: Request, cookie: str) -> None:
        for session_id in session_ids(request, cookie):
            self.sessions.end(session_id)

    def _ask_to_sign_in(self, request: Request) -> Response:
        if request.method not in _READING:
            raise Problem(
                401,
                "Your session has ended, so nothing was changed. Sign in and repeat what you did.",
                headers=_SIGN_IN_FIRST,
            )
        target = target_of(request)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # The cookie does not come with a link from elsewhere, but with one from this page.
            return HTMLResponse(render("same_site.html", url=self._url, target=target))
        if self.token is None:
            raise _needs_address()
        location = self._url(SIGN_IN, next=None if target == "/" else target)
        return RedirectResponse(location, HTTPStatus.SEE_OTHER)

    def _problem_page(self, problem: Problem, scope: Scope) -> Response:
        title = problem.title or HTTPStatus(problem.status).phrase
        session = {"session": scope[SESSION]} if SESSION in scope else {}
        text = render(
            "problem.html",
            url=self._url,
            path=scope["path"],
            title=title,
            message=str(problem),
            **session,
        )
        return HTMLResponse(text, problem.status, dict(problem.headers))

    def _cookie(self, request: Request) -> str:
        return cookie_name(request, self.once.base, self.prefix)

    def _url(self, path: str, **parameters: str | None) -> str:
        return address(self.prefix, path, **parameters)


def _needs_address() -> Problem:
    return Problem(
        401,
        "Open the address that the terminal shows in which the console runs: it signs you in. To "
        "let people sign in with a token, set `admin_token`.",
        title="You are not signed in",
        headers=_SIGN_IN_FIRST,
    )


def _require_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise wrong_method(*allowed)


def wrong_method(*allowed: str) -> Problem:
    """Return the problem of a request whose method its address does not take."""
    uses = "Open this address" if "GET" in allowed else "Use the form on the page"
    return Problem(
        405,
        f"This is not what the address is for, so nothing was changed. {uses} in a browser.",
        headers={"allow": ", ".join(allowed)},
    )


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


def _printable(name: str) -> str:
    """Return a name on one line, without what a terminal or an editor would act on."""
    text = "".join(each if each.isprintable() else " " for each in name)
    return " ".join(text.split())[:_LONGEST_NAME]
