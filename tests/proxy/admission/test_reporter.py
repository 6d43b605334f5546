from collections import Counter

from structlog.testing import capture_logs

from proxy.admission import Admission, AdmissionReporter, AskedLimits, Limits, Machine
from proxy.errors import CallerTooBusy, TooBusy

LIMITS = Limits.derived(AskedLimits(), Machine(connections=480, memory=2**30))


class Observer:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        self.refused = Counter[int]()

    def exchanges_now(self, **now: int) -> None:
        self.now = now

    def exchanges_refused(self, status: int, count: int) -> None:
        self.refused[status] += count


def test_a_flood_of_refusals_is_one_line_for_each_caller_and_reason():
    observer = Observer()
    reporter = AdmissionReporter(Admission(LIMITS), observer)
    for _ in range(50):
        reporter.count_refused("a", CallerTooBusy("Too many."))
    reporter.count_refused("b", TooBusy("Full."))
    with capture_logs() as lines:
        reporter.report()
        reporter.report()

    shown = [(line["caller"], line["count"], line["status"], line["reason"]) for line in lines]
    assert shown == [("a", 50, 429, "Too many."), ("b", 1, 529, "Full.")]
    assert {line["event"] for line in lines} == {"exchanges_refused"}
    assert observer.refused == {429: 50, 529: 1}
    assert observer.now == {"running": 0, "streams": 0, "waiting": 0, "body_bytes": 0}


def test_callers_that_are_too_many_to_list_are_counted_together():
    reporter = AdmissionReporter(Admission(LIMITS), Observer())
    for number in range(1_500):
        reporter.count_refused(str(number), TooBusy("Full."))
    with capture_logs() as lines:
        reporter.report()

    assert [line["count"] for line in lines if line["caller"] == "others"] == [500]
    assert len(lines) == 1_001
