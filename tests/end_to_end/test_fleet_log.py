"""The log of several processes into one pipe: whole lines in each write, or they are torn."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.unmeasured

PROGRAM = """
import logging, structlog
from proxy.observability.log_config import configure_logs
configure_logs("json")
structlog.get_logger().info("exchange", path="x" * 20_000)
logging.getLogger("uvicorn.error").info("Started")
structlog.get_logger().error("settings_bad")
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_write_is_of_whole_lines_whether_python_buffers_or_not(unbuffered: str):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stderr=theirs.fileno(),
            check=True,
        )
        ours.settimeout(PATIENCE_SECONDS)
        writes: list[bytes] = []
        while b"".join(writes).count(b"\n") < 3:
            writes.append(ours.recv(65_536))

    assert [json.loads(line)["event"] for line in b"".join(writes).splitlines()] == [
        *("exchange", "Started", "settings_bad")
    ]
    assert all(write.endswith(b"}\n") for write in writes)
