"""The document of our own surface says what is served, and what is served keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from proxy.app import create_app
from proxy.config.sources import load_settings
from proxy.endpoints import Front
from proxy.endpoints.openapi import SURFACE
from tests.harness import ADMIN, ADMIN_TOKEN, KEY, ProxyUnderTest, running_proxy
from tests.hypothesis_profiles import scaled

DOCUMENT: Final = "/holdover/openapi.json"
CHECKS: Final = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
"""Not those that want each odd value refused: lenient repairs it, and says so."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[ProxyUnderTest]:
    with running_proxy(admin_token=ADMIN_TOKEN, mount_prefix="/legacy", traffic=False) as served:
        yield served


def document(proxy: ProxyUnderTest) -> dict[str, Any]:
    answer = proxy.client.get(f"{proxy.url}{DOCUMENT}", headers=ADMIN)
    assert answer.status_code == 200
    described: dict[str, Any] = answer.json()
    return described


def test_each_page_that_is_served_is_described_and_no_other():
    front = create_app(load_settings(admin_token=ADMIN_TOKEN))
    assert isinstance(front, Front)
    served = {route.path for route in front.pages.routes}  # type: ignore[attr-defined]

    assert served == {*SURFACE} - {"/v1/complete"} | {"/holdover", "/holdover/{rest:path}"}


def test_the_document_needs_the_admin_token_as_all_pages_beside_it(proxy: ProxyUnderTest):
    assert proxy.client.get(f"{proxy.url}{DOCUMENT}").status_code == 401


def test_where_the_server_is_holds_under_any_prefix(proxy: ProxyUnderTest):
    (server,) = document(proxy)["servers"]
    base = proxy.client.build_request("GET", f"{proxy.url}/legacy{DOCUMENT}").url.join(
        server["url"]
    )

    assert str(base) == f"{proxy.url}/legacy/"


@pytest.mark.without_coverage
@pytest.mark.one_in(4)
@pytest.mark.parametrize("path", SURFACE)
def test_answers_keep_to_the_document_whatever_is_asked(proxy: ProxyUnderTest, path: str):
    described = schemathesis.openapi.from_dict(document(proxy))
    operation = described[path][SURFACE[path].method]

    @given(case=operation.as_strategy())
    @settings(max_examples=scaled(200), suppress_health_check=list(HealthCheck))
    def is_kept(case: schemathesis.Case) -> None:
        credentials = ADMIN if path.startswith("/holdover/") else KEY
        answer = case.call(base_url=proxy.url, headers=credentials)
        case.validate_response(answer, checks=CHECKS)

    is_kept()
