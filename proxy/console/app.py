"""The console as an application: its pages by path, and what is shown if one fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import structlog
from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.console.access.forms import Form, read_form, require_own
from proxy.console.access.gate import SESSION, Gate, OneTimeAddress, problem_page
from proxy.console.pages.overview import overview
from proxy.console.problems import Problem
from proxy.console.site import Site
from proxy.console.visit import Change, Page, Visit
from proxy.errors import InvalidSettings
from proxy.security.hosts import HostCheck
from proxy.security.redaction import describe_crash
from proxy.traffic.store.errors import StoreError

log = structlog.get_logger()

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

PAGES: Final[Mapping[str, Page]] = {
    "/": overview,
}
"""Pages by path; looking at one changes nothing."""
QUESTIONS: Final[Mapping[str, Change]] = {}
"""Forms that ask what is too long for an address, by their path; they change nothing."""
CHANGES: Final[Mapping[str, Change]] = {}
"""Forms that change something, by their path."""


def create_console(
    site: Site, *, hosts: HostCheck, token: SecretStr | None, once: OneTimeAddress
) -> ASGIApp:
    """Build the console; it opens nothing before its first request."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await site.close()

    routes = [
        *(Route(path, _show(site, page), methods=["GET", "HEAD"]) for path, page in PAGES.items()),
        *(Route(path, _ask(site, form), methods=["POST"]) for path, form in QUESTIONS.items()),
        *(Route(path, _do(site, form), methods=["POST"]) for path, form in CHANGES.items()),
    ]
    pages = Router(routes, redirect_slashes=False, lifespan=lifespan)
    pages.default = _not_found(site)
    return Gate(pages=pages, hosts=hosts, prefix=site.prefix, token=token, once=once)


def _show(site: Site, page: Page) -> Endpoint:
    return _in_words(site, page)


def _ask(site: Site, question: Change) -> Endpoint:
    async def ask(visit: Visit) -> Response:
        form = await read_form(visit.request)
        require_own(form, visit.session)
        return await question(visit, form)

    return _in_words(site, ask)


def _do(site: Site, change: Change) -> Endpoint:
    async def do(visit: Visit, form: Form) -> Response:
        if why := site.why_readonly():
            raise Problem(403, why, title="Nothing was changed")
        return await change(visit, form)

    return _ask(site, do)


def _in_words(site: Site, page: Page) -> Endpoint:
    """Answer with a page that says what is wrong, whatever that is."""

    async def endpoint(request: Request) -> Response:
        try:
            return await page(Visit.of(site, request, request.scope[SESSION]))
        except Problem as exc:
            problem = exc
        except StoreError as exc:
            problem = Problem(503, f"{exc}.", title="The records cannot be read")
        except InvalidSettings as exc:
            problem = Problem(409, str(exc), title="The settings do not allow this")
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Exception as exc:  # noqa: BLE001 - the other pages go on
            log.error("console_crashed", path=request.scope["path"], **describe_crash(exc))
            problem = Problem(
                500, "This is a fault of Holdover's. The log of the console says where it is."
            )
        return problem_page(problem, site.prefix)

    return endpoint


def _not_found(site: Site) -> ASGIApp:
    async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
        problem = Problem(404, "There is no page at this address.")
        await problem_page(problem, site.prefix)(scope, receive, send)

    return not_found
