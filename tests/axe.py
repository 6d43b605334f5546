"""Find what keeps people out of a page who use a keyboard or a screen reader, with axe-core."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from tests.browser import Page

AXE: Final = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
"""Installed by `npm install --no-save --no-package-lock axe-core@4` in the checkout."""
_RUN: Final = """
axe.run(document, {resultTypes: ["violations"]}).then((found) => JSON.stringify(
    found.violations.map((one) => ({id: one.id, impact: one.impact,
        where: one.nodes.map((node) => node.target.join(" "))}))
))
"""


def barriers(page: Page) -> list[str]:
    """Return what axe-core finds in a page that is more than minor; skip where it is not there."""
    if not AXE.exists():
        pytest.skip("there is no axe-core: npm install --no-save --no-package-lock axe-core@4")
    page.run(AXE.read_text() + "; 0")
    answer = page.ask("Runtime.evaluate", expression=_RUN, returnByValue=True, awaitPromise=True)
    found = json.loads(answer["result"]["value"])
    return [
        f"{one['id']} at {place}"
        for one in found
        if one["impact"] != "minor"
        for place in one["where"]
    ]
