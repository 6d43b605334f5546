"""
At the end of a run, says how many faults of each class were tried and what became of them.

A test that is marked `faults(CLASS)` is one case of that class, unless it reports
how many cases it is with `record_property(PROPERTY, ...)`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import pytest

PROPERTY = "faults"
"""Number of cases, number of those that went wrong, and what the server has leaked, if anything."""


@dataclass
class Tally:
    """What became of a class of cases."""

    cases: int = 0
    wrong: int = 0

    def __str__(self) -> str:
        return f"{self.cases:,} cases, {self.wrong:,} wrong"


@dataclass(eq=False)  # pytest keeps plugins in sets
class FaultSummary:
    """Counts cases as tests report them, also those that ran in other processes."""

    classes: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    leaked: list[str] = field(default_factory=list)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line(
            "markers", "faults(class): is a case of this class in the summary of faults"
        )

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if (mark := item.get_closest_marker("faults")) is not None:
            item.user_properties.append(("class of faults", mark.args[0]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        name = properties.get("class of faults")
        if not isinstance(name, str) or (report.when != "call" and not report.failed):
            return
        found = properties.get(PROPERTY)
        cases, wrong, leaked = found if isinstance(found, list | tuple) else (1, 0, "")
        self.classes[name].cases += cases
        self.classes[name].wrong += wrong or int(report.failed and not leaked)
        if leaked:
            self.leaked.append(f"{name}: {leaked}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.classes:
            return
        counted = [f"{name} {tally}" for name, tally in sorted(self.classes.items())]
        leaked = ", ".join(self.leaked) or "nothing"
        terminalreporter.write_line("")
        terminalreporter.write_line(f"faults: {'; '.join(counted)}; leaked: {leaked}")
