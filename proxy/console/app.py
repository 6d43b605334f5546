"""The console as an application: its pages by path, and what is shown if one fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.console.access.forms import Form, read_form, require_own
from proxy.console.access.gate import SESSION, Gate, wrong_method
from proxy.console.access.one_time_address import OneTimeAddress
from proxy.console.access.targets import ENTER, SIGN_IN, SIGN_OUT, STATIC
from proxy.console.pages.caller import caller, name_it, own_it
from proxy.console.pages.callers import callers
from proxy.console.pages.exchange import exchange
from proxy.console.pages.exchanges import exchanges
from proxy.console.pages.explain import explain, explain_request
from proxy.console.pages.models import models
from proxy.console.pages.overview import overview
from proxy.console.pages.rollout import (
    override_preview,
    rollout,
    rollout_history,
    share_preview,
)
from proxy.console.pages.rollout_changes import change_override, change_share, rearm_guard
from proxy.console.pages.shadows import shadows
from proxy.console.problems import Problem
from proxy.console.site import Site
from proxy.console.visit import Change, Page, Visit
from proxy.errors import ClientGone, InvalidSettings
from proxy.security.hosts import HostCheck
from proxy.security.redaction import describe_crash
from proxy.traffic.store.errors import StoreError

log = structlog.get_logger()

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

PAGES: Final[Mapping[str, Page]] = {
    "/": overview,
    "/callers": callers,
    "/callers/{who}": caller,
    "/exchanges": exchanges,
    "/exchanges/{id}": exchange,
    "/shadows": shadows,
    "/explain": explain,
    "/models": models,
    "/rollout": rollout,
    "/rollout/history": rollout_history,
    "/rollout/override": override_preview,
    "/rollout/share": share_preview,
}
"""Pages by path; looking at one changes nothing."""
QUESTIONS: Final[Mapping[str, Change]] = {
    "/explain": explain_request,
}
"""Forms that ask what is too long for an address, by their path; they change nothing."""
CHANGES: Final[Mapping[str, Change]] = {
    "/callers/{who}/name": name_it,
    "/callers/{who}/owner": own_it,
    "/rollout/override": change_override,
    "/rollout/rearm": rearm_guard,
    "/rollout/share": change_share,
}
"""Forms that change something, by their path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a console answers, by path."""

    pages: Mapping[str, Page]
    questions: Mapping[str, Change]
    changes: Mapping[str, Change]


ALL: Final = Contents(pages=PAGES, questions=QUESTIONS, changes=CHANGES)


def create_console(
    site: Site,
    *,
    hosts: HostCheck,
    token: SecretStr | None,
    once: OneTimeAddress,
    contents: Contents = ALL,
) -> ASGIApp:
    """Build the console; it opens nothing before its first request."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await site.close()

    routes = [
        *(
            _Route(path, _show(site, page), methods=["GET"])
            for path, page in contents.pages.items()
        ),
        *(
            _Route(path, _ask(site, form), methods=["POST"])
            for path, form in contents.questions.items()
        ),
        *(
            _Route(path, _do(site, form), methods=["POST"])
            for path, form in contents.changes.items()
        ),
    ]
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)
    router.default = _not_found
    return Gate(pages=router, hosts=hosts, prefix=site.prefix, token=token, once=once)


def path_under(prefix: str) -> str | None:
    """Return a path of the console that a prefix would hide; None if there is none."""
    own = (*PAGES, *QUESTIONS, *CHANGES, SIGN_IN, SIGN_OUT, ENTER, STATIC)
    found = (path for path in own if f"{path}/".startswith(f"{prefix}/"))
    return next(found, None) if prefix else None


class _Route(Route):
    """A page or a form; a request with another method than theirs is answered in words."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the router has found no route of its method if this has another."""
        if scope["method"] in _methods_of(self):
            await self.app(scope, receive, send)
            return
        router: Router = scope["router"]
        here = (each for each in router.routes if each.matches(scope)[0] is not Match.NONE)
        allowed = sorted({method for each in here for method in _methods_of(each)})
        raise wrong_method(*allowed)


def _methods_of(route: BaseRoute) -> set[str]:
    assert isinstance(route, Route)
    return route.methods or set()


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
    """Say with a `Problem` what is wrong, whatever that is."""

    async def endpoint(request: Request) -> Response:
        try:
            return await page(Visit.of(site, request, request.scope[SESSION]))
        except (Problem, ClientGone):
            raise
        except StoreError as exc:
            raise Problem(503, f"{exc}.", title="The records cannot be read") from exc
        except InvalidSettings as exc:
            raise Problem(409, str(exc), title="The settings do not allow this") from exc
        except Exception as exc:
            log.error("console_crashed", path=request.scope["path"], **describe_crash(exc))
            said = "This is a fault of Holdover's. The log of the console says where it is."
            raise Problem(500, said) from exc  # the other pages go on

    return endpoint


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Problem(404, "There is no page at this address.")
