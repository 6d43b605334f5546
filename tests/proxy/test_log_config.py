"""What the log says, checked in a process of its own: logging is global."""

import json
import re
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

RECORDS = """
import structlog
from proxy.failures import Blame
from proxy.log_config import configure_logs
from proxy.redaction import Redacted
from proxy.traffic import MadeAdjustment
from tests.records import record
configure_logs({form!r})
made = MadeAdjustment("map_model", Redacted("model"), Redacted("\u4e2d"), Redacted('"'))
one = record(adjustments=(made, made), blame=Blame.UPSTREAM, temperature=float("inf"))
structlog.get_logger().info("exchange", fields=one)
structlog.get_logger().info("exchange", **one.as_fields())
"""


def lines(form: str, program: str = PROGRAM) -> list[str]:
    command = [sys.executable, "-c", program.format(form=form)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()


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


def test_a_record_is_written_field_by_field_in_either_form():
    stamp = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
    for form in ["json", "console"]:
        as_a_whole, by_field = [stamp.sub("now", line) for line in lines(form, RECORDS)]

        assert as_a_whole == by_field
        assert "map_model" in by_field
