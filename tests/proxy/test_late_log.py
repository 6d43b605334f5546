"""The log of commands: structlog comes with the first line, which is not among what is printed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.unmeasured

CHOSEN = (
    "import structlog; structlog.configure(logger_factory=lambda *_: structlog.PrintLogger())\n"
)
LINE = """
import sys
from proxy.late_log import log

assert ("structlog" in sys.modules) == {is_chosen}
log.warning("odd", number=1)
"""


@pytest.mark.parametrize(("chosen", "stream"), [("", "stderr"), (CHOSEN, "stdout")])
def test_lines_go_to_stderr_unless_the_process_has_chosen_otherwise(chosen: str, stream: str):
    code = chosen + LINE.format(is_chosen=bool(chosen))
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )

    written = {"stdout": run.stdout, "stderr": run.stderr}
    assert "odd" in written.pop(stream)
    assert list(written.values()) == [""]
