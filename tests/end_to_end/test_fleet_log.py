"""The log of several processes into one file: a line is written at once, or they are torn."""

import json
import os
import socket
import subprocess
import sys

import pytest

PROGRAM = """
import logging, structlog
from proxy.observability.log_config import configure_logs
configure_logs("json")
structlog.get_logger().info("exchange", path="x" * 20_000)
logging.getLogger("uvicorn.error").info("Started")
structlog.get_logger().error("settings_bad")
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_each_line_is_one_write_whether_python_buffers_or_not(unbuffered: str):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stderr=theirs.fileno(),
            check=True,
        )
        ours.settimeout(5)
        writes = [ours.recv(65_536) for _ in range(3)]

    assert [json.loads(write)["event"] for write in writes] == [
        *("exchange", "Started", "settings_bad")
    ]
    assert all(write.endswith(b"}\n") for write in writes)
