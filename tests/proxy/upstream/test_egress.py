"""By which proxy an upstream is asked, and whom TLS trusts, as the environment says."""

import os
from base64 import b64encode
from pathlib import Path

import pytest

from proxy.errors import InvalidSettings
from proxy.upstream.egress import Origin, check_egress, proxy_for, trust

FAR = "https://api.example.com"


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, ("http", "proxy", 3128)),
        ({"https_proxy": "proxy:3128", "HTTPS_PROXY": "://"}, ("http", "proxy", 3128)),
        ({"HTTPS_PROXY": "https://proxy"}, ("https", "proxy", 443)),
        ({"HTTPS_PROXY": "http://[2001:db8::1]:3128"}, ("http", "2001:db8::1", 3128)),
        ({"ALL_PROXY": "proxy"}, ("http", "proxy", 80)),
        ({"ALL_PROXY": "://", "HTTPS_PROXY": "proxy"}, ("http", "proxy", 80)),
        ({"HTTP_PROXY": "://"}, None),
        ({"HTTPS_PROXY": "://", "NO_PROXY": "example.com"}, None),
    ],
)
def test_a_proxy_is_the_one_that_is_named_for_the_scheme_or_for_all(
    environment: dict[str, str], proxy: Origin | None, monkeypatch: pytest.MonkeyPatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    found = proxy_for(FAR)

    assert (found and found.origin) == proxy
    assert found is None or found.authorization is None


def test_the_password_of_a_proxy_is_in_what_it_is_told_and_not_in_what_we_say(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("HTTPS_PROXY", "https://user:p%40ss@proxy")

    found = proxy_for(FAR)

    assert found is not None
    assert found.authorization == b"Basic " + b64encode(b"user:p@ss")
    assert str(found) == "proxy:443"
    assert "Basic" not in repr(found)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost", "http://[::1]"])
def test_there_is_none_on_the_way_to_this_machine(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy")

    assert proxy_for(url) is None


@pytest.mark.parametrize(
    "address",
    [
        *("://", "http://", "http:// x", "foo bar", "http://user:pw@", "ftp://x", "socks4://x"),
        *("http://[::1", "http://x:y", "http://x:99999", "http://x\ny", "socks5://"),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_what_is_no_address_of_a_proxy_is_named_by_its_variable(
    variable: str, address: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(variable, address)
    with pytest.raises(InvalidSettings) as told:
        check_egress(None, FAR)

    assert str(told.value) == (
        f"{variable}: is not the address of a proxy: write http://HOST:PORT, "
        "or put api.example.com into NO_PROXY"
    )


def test_a_socks_proxy_is_not_spoken_to(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", "socks5h://user:secret@proxy:1080")
    with pytest.raises(InvalidSettings, match="ALL_PROXY: names a SOCKS proxy") as told:
        proxy_for(FAR)

    assert "secret" not in str(told.value)


def test_the_environment_says_whom_to_trust(monkeypatch: pytest.MonkeyPatch, certificate, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")  # a file counts for more

    assert trust().cert_store_stats()["x509"] == 1
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trust().cert_store_stats()["x509"] == 0


def test_clients_share_whom_to_trust_until_the_certificates_change(
    monkeypatch: pytest.MonkeyPatch, certificate, tmp_path: Path
):
    file = tmp_path / "certificates.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    file.write_bytes(certificate.path.read_bytes())
    before = trust()
    assert trust() is before

    file.write_bytes(certificate.path.read_bytes())
    os.utime(file, ns=(0, 0))
    assert trust() is not before

    file.unlink()
    with pytest.raises(InvalidSettings, match="SSL_CERT_FILE"):
        trust()


def test_a_log_of_keys_that_cannot_be_written_is_named_and_not_whom_to_trust(
    monkeypatch: pytest.MonkeyPatch, tmp_path
):
    log = tmp_path / "keys" / "log"
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    with pytest.raises(InvalidSettings, match=f"SSLKEYLOGFILE: {log}: No such file"):
        trust()
