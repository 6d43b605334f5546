"""Where a server listens: on every address of its host that this machine has."""

import socket

import pytest
import typer

from proxy.server.listening import Address, listen, listen_or_exit


def ports(sockets: list[socket.socket]) -> dict[str, int]:
    """Where they listen; and they are closed."""
    found = {each.getsockname()[0]: each.getsockname()[1] for each in sockets}
    for each in sockets:
        with socket.create_connection(each.getsockname()[:2]):
            pass
        each.close()
    return found


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_one_address_has_one_socket_and_connections_wait_in_it():
    assert list(ports(listen_or_exit("127.0.0.1", 0))) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["", "localhost"])
def test_all_addresses_of_a_host_have_the_same_port(host: str):
    found = ports(listen_or_exit(host, 0))

    assert len(set(found.values())) == 1


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6_is_one():
    assert list(ports(listen_or_exit("::1", 0))) == ["::1"]


def test_an_address_that_is_taken_leaves_no_other_open(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", ""):
            with pytest.raises(typer.Exit) as told:
                listen_or_exit(host, port)

            assert told.value.exit_code == 2
            assert "Address already in use" in capsys.readouterr().err


def test_an_address_of_another_machine_is_none_of_ours(capsys):
    with pytest.raises(typer.Exit):
        listen_or_exit("192.0.2.1", 0)

    assert capsys.readouterr().err == (
        "holdover: cannot listen on 192.0.2.1, port 0 (`host`, `port`): "
        "Cannot assign requested address\n"
    )


def address(host: str, port: int = 0) -> Address:
    return socket.AF_INET, (host, port)


def test_of_several_addresses_one_may_be_of_another_machine():
    assert list(ports(listen([address("192.0.2.1"), address("127.0.0.1")]))) == ["127.0.0.1"]


def test_of_several_addresses_none_may_be_taken():
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="Address already in use"):
            listen([address("127.0.0.1", port), address("127.0.0.2", port)])

        assert ports(listen([address("127.0.0.1", port)])) == {"127.0.0.1": port}


def test_a_port_can_be_shared_and_connections_go_to_who_listens():
    [old] = listen_or_exit("127.0.0.1", 0, reuse_port=True)
    [new] = listen_or_exit("127.0.0.1", old.getsockname()[1], reuse_port=True)
    with old, new:
        old.listen()
        for _ in range(20):
            with socket.create_connection(new.getsockname()):
                old.accept()[0].close()


def test_a_port_is_not_shared_with_who_does_not_share_it():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(typer.Exit):
        listen_or_exit("127.0.0.1", taken.getsockname()[1], reuse_port=True)
