import json
import socket

from proxy.cli.serve import server_for
from proxy.server_protocol import name_unnamed_statuses
from tests.parties import House, body


def status_line(home: House, status: int) -> bytes:
    host, port = home.url.removeprefix("http://").split(":")
    content = json.dumps(body()).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/complete HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\nconnection: close\r\n"
            b"simulate-error: %d\r\ncontent-length: %d\r\n\r\n%b" % (status, len(content), content)
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.partition(b"\r\n")[0]


def test_every_error_has_a_reason_phrase(home: House):
    name_unnamed_statuses()

    assert status_line(home, 529) == b"HTTP/1.1 529 Overloaded"
    assert status_line(home, 520) == b"HTTP/1.1 520 Error"
    assert status_line(home, 404) == b"HTTP/1.1 404 Not Found"


def test_the_server_says_nothing_of_itself():
    config = server_for(None, "127.0.0.1", 0).config  # type: ignore[arg-type]

    assert (config.server_header, config.date_header, config.access_log) == (False, False, False)
