"""What the SDK says of its collector, in Holdover's log."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from proxy.observability.spans import Tracing, _int64, _ProblemLog
from proxy.security.redaction import Redactor

SECRET = "sk-ant-api03-Qm7vT2xLr9Zk4Wc8Np1Yb6Hd3Fs5Gj0Ua"


@pytest.fixture
def sdk_log() -> Iterator[logging.Logger]:
    """A logger that reports to Holdover's log alone."""
    logger = logging.getLogger("an-sdk")
    logger.propagate = False
    logger.addHandler(_ProblemLog(Redactor()))
    yield logger
    logger.handlers.clear()


def test_a_problem_is_said_once_however_often_it_comes(sdk_log: logging.Logger):
    with capture_logs() as said:
        for number in range(100):
            sdk_log.warning("%s did not get span %d", SECRET, number)
        sdk_log.error("This is another one.")
        sdk_log.info("This is none.")

    assert [(line["event"], line["reason"]) for line in said] == [
        ("traces_failing", "[key] did not get span 0"),
        ("traces_failing", "This is another one."),
    ]


def test_a_header_that_the_sdk_does_not_understand_is_not_quoted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token: of-the-collector")
    with capture_logs() as said:
        tracing = Tracing("1", Redactor())
    asyncio.run(tracing.close())

    assert [line["event"] for line in said] == ["traces_failing"]
    assert said[0]["reason"].startswith("A header in OTEL_EXPORTER_OTLP_HEADERS is left out")
    assert "of-the-collector" not in str(said)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("number", "sent"),
    [
        (None, None),
        (7, 7),
        (2.0, 2),
        (2**63, 2**63 - 1),
        (-(2**70), -(2**63) + 1),
        (1e300, 2**63 - 1),
    ],
)
def test_no_number_is_too_large_for_the_wire(number: float | None, sent: int | None):
    assert _int64(number) == sent
