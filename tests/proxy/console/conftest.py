"""The browser in which pages of the console are tried."""

from tests.proxy.report.page.conftest import browser

__all__ = ["browser"]
