"""What a page in somebody's browser can make of a Holdover on their machine."""

import pytest

from proxy.security.keyring import hash_token
from tests.end_to_end.raw import recording
from tests.harness import ADMIN_TOKEN, KEY, V2, body, running_proxy
from tests.servers import fetch

PATHS = ["/v1/complete", "/v1/messages", "/healthz", "/readyz", "/metrics", "/holdover/rollout"]


@pytest.mark.parametrize("path", PATHS)
def test_a_host_that_is_not_this_machine_is_refused_everywhere(path: str):
    with running_proxy() as holdover:
        answer = fetch(
            "POST", holdover.url + path, json=body(), headers=KEY | V2 | {"host": "evil.example"}
        )

        assert holdover.received() == []
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["type"] == "permission_error"
    assert "allowed_hosts" in error["message"]


def test_a_host_is_served_that_the_settings_allow():
    with running_proxy(allowed_hosts=["proxy.example"]) as holdover:
        assert holdover.complete(headers={"host": "proxy.example"}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_page_cannot_spend_a_key_that_is_held(path: str):
    with running_proxy(upstream_key="sk-ant-api03-held") as holdover:
        answer = fetch(
            "POST",
            holdover.url + path,
            json=body(),
            headers=V2 | {"origin": "https://evil.example"},
        )

        assert holdover.received() == []
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")


PAGE = {"origin": "https://app.example"}
SIGN = "anthropic-dangerous-direct-browser-access"
PREFLIGHT = PAGE | {
    "access-control-request-method": "POST",
    "access-control-request-headers": f"{SIGN},content-type,x-api-key",
}
TOKEN = "token-of-a-page-1234567890"
HELD = {
    "allowed_hosts": ["app.example"],
    "callers": {
        "page": {"token": f"sha256:{hash_token(TOKEN.encode())}", "upstream_key": "sk-held"}
    },
}


@pytest.mark.parametrize("path", ["/v1/complete", "/complete", "/v1/messages", "/v1/models"])
def test_a_preflight_needs_no_key_and_allows_what_is_then_answered(path: str):
    with running_proxy(**HELD) as holdover:
        allowed = fetch("OPTIONS", holdover.url + path, headers=PREFLIGHT)
        before = holdover.received()
        answer = holdover.complete(headers=PAGE | {SIGN: "true", "x-api-key": TOKEN})

    assert (allowed.status_code, allowed.content, before) == (204, b"", [])
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert allowed.headers["access-control-allow-methods"] == "POST"
    assert allowed.headers["access-control-allow-headers"] == f"{SIGN},content-type,x-api-key"
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize("path", ["/v1/complete", "/v1/messages"])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"origin": "https://evil.example"}, "allowed_hosts"),
        ({"access-control-request-headers": "x-api-key"}, f"{SIGN}: true"),
        ({"access-control-request-headers": ""}, f"{SIGN}: true"),
    ],
)
def test_a_preflight_for_a_page_that_may_not_ask_is_refused(
    path: str, changed: dict[str, str], said: str
):
    with running_proxy(**HELD) as holdover:
        refused = fetch("OPTIONS", holdover.url + path, headers=PREFLIGHT | changed)

        assert holdover.received() == []
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    assert said in refused.json()["error"]["message"]
    assert "access-control-allow-origin" not in refused.headers


def test_where_no_key_is_held_upstream_answers_preflights_for_what_is_forwarded():
    with recording() as upstream, running_proxy(upstream_url=upstream.url) as holdover:
        ours = fetch("OPTIONS", f"{holdover.url}/v1/complete", headers=PREFLIGHT)
        theirs = fetch("OPTIONS", f"{holdover.url}/v1/messages", headers=PREFLIGHT)

        assert upstream.request_lines == [b"OPTIONS /v1/messages HTTP/1.1"]
        assert upstream.values(b"origin") == [b"https://app.example"]
    assert (ours.status_code, theirs.status_code, theirs.text) == (204, 200, "ok")


@pytest.mark.parametrize("missing", ["origin", "access-control-request-method"])
def test_any_other_question_for_options_needs_a_key(missing: str):
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    with running_proxy(**HELD) as holdover:
        assert fetch("OPTIONS", f"{holdover.url}/v1/complete", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/holdover/rollout"])
def test_no_page_of_ours_is_for_other_sites_pages(path: str):
    with running_proxy(**HELD, admin_token=ADMIN_TOKEN) as holdover:
        refused = fetch("OPTIONS", holdover.url + path, headers=PREFLIGHT)

    assert refused.status_code in {401, 405}
    assert "access-control-allow-origin" not in refused.headers


def test_a_foreign_page_may_use_keys_of_its_own():
    with running_proxy() as holdover:
        assert holdover.complete(headers={"origin": "https://app.example"}).status_code == 200


def test_a_program_may_use_a_key_that_is_held():
    with running_proxy(upstream_key="sk-ant-api03-held") as holdover:
        assert holdover.complete().status_code == 200
