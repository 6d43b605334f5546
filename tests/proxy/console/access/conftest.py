"""The browser that the tests of the report's page have."""

from tests.proxy.report.page.conftest import browser

__all__ = ["browser"]
