from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.matrix import client_cases, upstream_cases
from tests.faults.matrix.runner import Result, run_class
from tests.faults.summary import PROPERTY

pytestmark = [pytest.mark.timeout(1800), pytest.mark.scaled, pytest.mark.unmeasured]
_SHOWN = 30


@pytest.fixture
def check(record_property: Callable[[str, object], None]) -> Callable[[Result], None]:
    """Fails if anything went wrong; the summary says so in either case."""

    def check(result: Result) -> None:
        record_property(PROPERTY, [result.cases, len(result.wrong), result.leaked])
        shown = "\n".join([problem for one in result.wrong.values() for problem in one][:_SHOWN])
        assert not result.wrong, f"{len(result.wrong)} of {result.cases} cases:\n{shown}"
        assert not result.leaked

    return check


@pytest.mark.faults("upstream")
def test_whatever_upstream_does_ends_in_an_answer_or_an_error(
    check: Callable[[Result], None], tmp_path: Path
):
    check(run_class(tmp_path, upstream_cases.cases(), unreachable=upstream_cases.refusals()))


@pytest.mark.faults("client")
def test_whatever_a_client_does_ends_with_its_exchange(
    check: Callable[[Result], None], tmp_path: Path
):
    crowds = list(client_cases.beside_thousands())
    check(run_class(tmp_path, client_cases.cases(), settings=client_cases.SETTINGS, warm_up=crowds))
