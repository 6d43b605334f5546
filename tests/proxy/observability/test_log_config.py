"""What the log says, checked in a process of its own: logging is global."""

import json
import subprocess
import sys

import pytest

from tests.hostile import TEXT, WORD, obeyed

PROGRAM = """
import logging, structlog
from proxy.observability.log_config import configure_logs
configure_logs({form!r})
structlog.get_logger().info("shadow", status=200)
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


@pytest.mark.unmeasured
def test_lines_are_json_unless_a_person_is_watching():
    first, second, third = [json.loads(line) for line in lines("auto")]

    assert (first["event"], first["status"], first["level"]) == ("shadow", 200, "info")
    assert (second["event"], second["error"]) == ("Exception in ASGI application", "RuntimeError")
    assert (third["event"], third["error"]) == ("again", "RuntimeError")


@pytest.mark.unmeasured
def test_a_crash_never_quotes_what_it_was_about_in_either_form():
    for form in ["json", "console"]:
        said = "\n".join(lines(form))

        assert "RuntimeError" in said
        assert "sk-ant-secret" not in said


HOSTILE = """
import logging, structlog
from proxy.observability.log_config import configure_logs

TEXT = {text!r}

class Hostile:
    def __repr__(self):
        return TEXT

configure_logs({form!r})
log = structlog.get_logger()
log.info(TEXT, status=200, text=TEXT, nested=[{{TEXT: (TEXT,)}}], **{{TEXT: Hostile()}})
log.error("half", of=chr(0xD800), path=Hostile(), stack=TEXT, exception=TEXT)
logging.getLogger("uvicorn.error").error("%s", TEXT)
logging.getLogger(TEXT).warning(TEXT, stack_info=True)
"""


@pytest.mark.measured
@pytest.mark.unmeasured
@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("text", [TEXT, WORD], ids=["text", "word"])
def test_nothing_that_is_logged_is_obeyed_by_a_terminal(form: str, text: str):
    program = [sys.executable, "-c", HOSTILE.format(form=form, text=text)]
    said = subprocess.run(program, capture_output=True, check=True).stderr.decode()

    assert obeyed(said) == []
    if form == "json":
        first, half, third, fourth = map(json.loads, said.removesuffix("\n").split("\n"))
        assert first["event"] == first["text"] == first[text] == third["event"] == text
        assert first["nested"] == [{text: [text]}]
        assert (half["of"], fourth["event"]) == ("\ud800", text)


UNFIT = """
import logging
from proxy.observability.log_config import configure_logs
configure_logs("json")
logging.getLogger("other").error("%d", "sk-ant-secret")
"""


@pytest.mark.measured
@pytest.mark.unmeasured
def test_a_line_that_cannot_be_formatted_fails_nobody_and_is_not_quoted():
    program = [sys.executable, "-c", UNFIT]
    (line,) = subprocess.run(program, capture_output=True, check=True).stderr.splitlines()

    said = json.loads(line)
    assert (said["event"], said["logger"], said["error"]) == (
        *("log_line_failed", "other"),
        "TypeError",
    )
    assert b"sk-ant-secret" not in line


RAISING = """
import structlog
from proxy.observability.log_config import configure_logs
configure_logs("auto")
structlog.get_logger().error("before")
raise SystemExit({status})
"""


@pytest.mark.unmeasured
@pytest.mark.parametrize("status", [0, 3])
def test_what_was_logged_just_before_the_end_is_written(status: int):
    program = [sys.executable, "-c", RAISING.format(status=status)]
    ended = subprocess.run(program, capture_output=True, check=False)

    assert ended.returncode == status
    assert json.loads(ended.stderr)["event"] == "before"


@pytest.mark.unmeasured
def test_a_process_without_standard_error_logs_to_nobody():
    shell = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, RAISING.format(status=4)]

    assert subprocess.run(shell, check=False).returncode == 4
