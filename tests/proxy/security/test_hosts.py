import pytest

from proxy.errors import ForeignHost, ForeignOrigin, MalformedRequest
from proxy.security.hosts import HostCheck, is_loopback, only_host

LOCAL = HostCheck(is_local=True)
NAMED = HostCheck(is_local=False, allowed=frozenset({"proxy.example", "*.internal"}))
OPEN = HostCheck(is_local=False)


def problem(
    check: HostCheck, host: str, *, holds_keys: bool = False, **headers: str
) -> type | None:
    given = [(b"host", host.encode())]
    given += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    try:
        check.check(given, holds_keys=holds_keys)
    except ForeignHost as exc:
        return type(exc)
    return None


@pytest.mark.parametrize(
    "name", ["localhost", "a.localhost", "127.0.0.1", "127.8.9.1", "[::1]", "::1"]
)
def test_names_of_this_machine(name: str):
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name", ["", "localhost.example", "notlocalhost", "10.0.0.1", "[::2]", "::"]
)
def test_names_that_may_mean_another_machine(name: str):
    assert not is_loopback(name)


@pytest.mark.parametrize("headers", [[], [(b"host", b"a"), (b"host", b"a")], [(b"host", b"")]])
def test_a_host_is_named_once(headers: list[tuple[bytes, bytes]]):
    with pytest.raises(MalformedRequest):
        only_host(headers)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "localhost.:80", "127.0.0.1:1", "[::1]:8080", "x.localhost"],
)
def test_a_loopback_address_serves_loopback_hosts(host: str):
    assert problem(LOCAL, host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "a b",
        "[::ffff]",
    ],
)
def test_a_loopback_address_serves_no_other_hosts(host: str):
    assert problem(LOCAL, host) is ForeignHost


def test_hosts_are_served_if_they_are_allowed():
    for host in ("proxy.example:8080", "Proxy.Example", "a.b.internal", "localhost", "10.1.2.3:80"):
        assert problem(NAMED, host) is None
    for host in ("example", "proxy.example.evil", "xproxy.example", "internal"):
        assert problem(NAMED, host) is ForeignHost


def test_every_host_is_served_on_other_addresses_if_none_are_named():
    assert problem(OPEN, "whatever.example") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost:8080.evil.example"},
        {"origin": "http://evil@localhost:8080"},
        {"origin": "https://evil.example", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": " Cross-Site "},
    ],
)
def test_pages_of_other_sites_may_not_use_a_key_that_is_held(headers: dict[str, str]):
    assert problem(LOCAL, "localhost:8080", holds_keys=True, **headers) is ForeignOrigin
    assert problem(LOCAL, "localhost:8080", holds_keys=False, **headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:8080"},
        {"origin": "HTTP://LocalHost:8080", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
    ],
)
def test_pages_of_our_own_and_programs_may(headers: dict[str, str]):
    assert problem(LOCAL, "localhost:8080", holds_keys=True, **headers) is None


def test_a_page_may_whose_host_is_allowed():
    allowed = {"origin": "https://app.internal", "sec_fetch_site": "cross-site"}
    assert problem(NAMED, "proxy.example", holds_keys=True, **allowed) is None


def test_every_origin_of_several_has_to_be_our_own():
    headers = [
        (b"host", b"localhost"),
        (b"origin", b"http://localhost"),
        (b"origin", b"https://evil.example"),
    ]
    with pytest.raises(ForeignOrigin):
        LOCAL.check(headers, holds_keys=True)


def test_a_client_of_http_1_0_need_not_name_a_host():
    LOCAL.check([], holds_keys=True)
    NAMED.check([], holds_keys=True)
