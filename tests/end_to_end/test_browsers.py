"""What a page in somebody's browser can make of a Holdover on their machine."""

import pytest

from tests.harness import KEY, V2, body, running_proxy
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


def test_a_foreign_page_may_use_keys_of_its_own():
    with running_proxy() as holdover:
        assert holdover.complete(headers={"origin": "https://app.example"}).status_code == 200


def test_a_program_may_use_a_key_that_is_held():
    with running_proxy(upstream_key="sk-ant-api03-held") as holdover:
        assert holdover.complete().status_code == 200
