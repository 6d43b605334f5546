"""What is printed is for a program as it is, and for a terminal nothing that it would obey."""

import os
import pty
from contextlib import redirect_stdout

from proxy.terminal import print_bytes

RESET = "\x1b[0m"
"""What typer ends a line on a terminal with."""


def test_bytes_are_lines_on_a_terminal_and_nothing_in_them_is_obeyed():
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, os.fdopen(theirs, "w") as terminal:
        with redirect_stdout(terminal):
            print_bytes(b"-a\x1b[2J\n+b\xff\n")
        terminal.flush()
        shown = b""
        while shown.count(b"\n") < 2:
            shown += screen.read(100)

    lines = shown.decode().replace(RESET, "").split("\r\n")
    assert lines == ["-a\\u001b[2J", "+b\N{REPLACEMENT CHARACTER}", ""]
