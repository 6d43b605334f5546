"""What the log says, checked in a process of its own: logging is global."""

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from proxy.log_config import configure_logs
configure_logs({form!r})
structlog.get_logger().info("exchange", status=200)
logging.getLogger("uvicorn.error").error("ASGI callable returned without completing response.")
try:
    raise RuntimeError("sk-ant-secret")
except RuntimeError:
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    structlog.get_logger().error("again", exc_info=True)
"""


def lines(form: str) -> list[str]:
    program = [sys.executable, "-c", PROGRAM.format(form=form)]
    return subprocess.run(program, capture_output=True, text=True, check=True).stderr.splitlines()


def test_lines_are_json_unless_a_person_is_watching():
    first, second, third = [json.loads(line) for line in lines("auto")]

    assert (first["event"], first["status"], first["level"]) == ("exchange", 200, "info")
    assert (second["event"], second["error"]) == ("Exception in ASGI application", "RuntimeError")
    assert (third["event"], third["error"]) == ("again", "RuntimeError")


def test_a_crash_never_quotes_what_it_was_about_in_either_form():
    for form in ["json", "console"]:
        said = "\n".join(lines(form))

        assert "RuntimeError" in said
        assert "sk-ant-secret" not in said
