"""Addresses, credentials and connections."""

from __future__ import annotations

from tests.clients.harness import scripted_proxy
from tests.clients.sdks import (
    NEW,
    NODE_0_4_4,
    NODE_0_137_0,
    PYTHON_0_2_2,
    SDKS,
    Client,
    Way,
    calls_in,
    every,
)

USE_SEVERAL = {NODE_0_4_4, NODE_0_137_0}  # as the fetch of Node sees fit
MIXED: tuple[Way, ...] = ("whole", "streamed", "whole", "whole", "streamed", "whole")


@every(SDKS)
def test_a_base_url_may_end_in_a_slash(client: Client):
    with scripted_proxy(text="Hello.") as proxy:
        seen = client.ask(f"{proxy.url}/")

    assert {one.text for one in seen.values()} == {" Hello."}


@every(tuple(client for client in SDKS if client is not PYTHON_0_2_2))  # which loses the prefix
def test_a_base_url_may_have_a_prefix(client: Client):
    with scripted_proxy(settings={"mount_prefix": "/legacy"}, text="Hello.") as proxy:
        seen = client.run(f"{proxy.url}/legacy/", calls_in(("whole", "streamed")))

    assert [one.text for one in seen] == [" Hello."] * 2


@every(SDKS)
def test_one_client_makes_several_calls(client: Client):
    with scripted_proxy(text="Hello.") as proxy:
        seen = client.run(proxy.url, calls_in(MIXED))

    assert [one.text for one in seen] == [" Hello."] * len(MIXED)
    if client not in USE_SEVERAL:
        assert proxy.connections == 1


@every(NEW)
def test_a_bearer_token_and_the_users_own_headers_go_upstream(client: Client):
    with scripted_proxy() as proxy:
        seen = client.run(
            proxy.url,
            calls_in(client.ways),
            api_key=None,
            auth_token="matrix",
            headers={"simulate-text": '"As told."'},
        )
        received = proxy.received()

    assert [one.text for one in seen] == [" As told."] * len(client.ways)
    names = [dict(one["headers"]) for one in received]
    assert {headers.get("authorization") for headers in names} == {"Bearer matrix"}
    assert {headers.get("x-api-key") for headers in names} == {None}
