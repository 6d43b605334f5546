"""
Tell an application that a client has gone while it takes no more of the client's body.

ASGI says so behind everything that the client has sent. Whoever passes a body on, and whose
own reader has stopped, does not come to that.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Scope

EXTENSION: Final = "holdover.client_gone"
"""Name of the extension of ASGI that holds the event."""


async def until_gone(scope: Scope) -> None:
    """Return once the client has closed its connection; never, if the server does not say so."""
    gone = scope.get("extensions", {}).get(EXTENSION) or asyncio.Event()
    await gone.wait()
