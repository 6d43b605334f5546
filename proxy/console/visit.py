"""One request of somebody who is signed in, and the answers that it can get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from proxy.config.rollout_edit import RolloutEdit
from proxy.console.access.forms import Form
from proxy.console.access.sessions import Session, Undo
from proxy.console.addresses import address
from proxy.console.problems import Problem
from proxy.console.rendering import render
from proxy.console.site import Site

Page: TypeAlias = "Callable[[Visit], Awaitable[Response]]"
"""Answers a visit that changes nothing."""
Change: TypeAlias = "Callable[[Visit, Form], Awaitable[Response]]"
"""Does what a form of the console's own asks for, then leads to a page."""

_LONGEST_PARAMETER: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of somebody who is signed in."""

    site: Site
    request: Request
    session: Session
    now: datetime

    @classmethod
    def of(cls, site: Site, request: Request, session: Session) -> Visit:
        """Return the visit that begins now."""
        return cls(site=site, request=request, session=session, now=datetime.now(UTC))

    @property
    def now_ms(self) -> int:
        """The time of the visit in milliseconds since the epoch."""
        return int(self.now.timestamp() * 1000)

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the address; None if it is missing or empty."""
        text = self.request.query_params.get(name, "").strip()
        if len(text) > _LONGEST_PARAMETER:
            raise Problem(400, f"{name}: use at most {_LONGEST_PARAMETER:,} characters.")
        return _storable(text) or None

    def path(self, name: str) -> str:
        """Return a part of the path that the route names."""
        return _storable(self.request.path_params[name])

    def edit(self, expected: str | None) -> RolloutEdit:
        """Return what changes the settings file, if it still has the version that is expected."""
        reader = self.site.reader
        assert reader.path is not None, "without a file no change is let through"
        return RolloutEdit(
            config=reader.path, by=self.session.name, secrets=reader.secrets, expected=expected
        )

    def url(self, path: str, **parameters: str | None) -> str:
        """Return an address of the console, with those parameters that are not None."""
        return address(self.site.prefix, path, **parameters)

    async def page(self, template: str, status: int = 200, **values: object) -> Response:
        """Return a page made from a template of `templates/`."""
        text = await self.site.run(
            render,
            template,
            url=self.url,
            path=self.request.scope["path"],
            session=self.session,
            notice=self.session.take_notice(),
            undo=self.session.take_undo(),
            now=self.now,
            why_readonly=self.site.why_readonly(),
            **values,
        )
        return HTMLResponse(text, status)

    def redirect(
        self,
        path: str,
        notice: str | None = None,
        *,
        undo: Undo | None = None,
        **parameters: str | None,
    ) -> Response:
        """Lead to another page of the console, which shows the notice once, and how to undo it."""
        self.session.notice, self.session.undo = notice, undo
        return RedirectResponse(self.url(path, **parameters), HTTPStatus.SEE_OTHER)


def _storable(text: str) -> str:
    """Replace what cannot be in a store, and what no database takes in a query."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
