"""
Evaluate conditions under which a report fails: `readiness<0.95`, `errors>0.01`, `callers>0`.

`readiness` and `errors` are checked for every caller separately, `callers` and
`exchanges` for all together. A caller whose readiness is not known fails any
condition on readiness, and so does a report without callers: nothing shows
that they are ready.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from proxy.report.formatting import one_or_many, percent
from proxy.report.model import CallerReport, Report
from proxy.report.phrases import caller_name, headline
from proxy.spelling import or_rather
from proxy.terminal_text import escape_for_terminal

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_NAMES: Final = ("readiness", "errors", "callers", "exchanges")
_PER_CALLER: Final = ("readiness", "errors")
_MAX_LISTED: Final = 20
_CONDITION: Final = re.compile(r"\s*([a-z]+)\s*([<>=!]=?)\s*(\d+(?:\.\d+)?|\.\d+)\s*", re.ASCII)


class InvalidCondition(ValueError):
    """A condition could not be parsed; the message shows valid ones."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition under which the report fails."""

    name: str
    sign: str
    number: float

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Parse `NAME OP NUMBER`; raise `InvalidCondition`."""
        found = _CONDITION.fullmatch(text)
        if found is None or found[1] not in _NAMES or found[2] not in _OPERATORS:
            form = (
                f"; write a name ({', '.join(_NAMES)}), one of {' '.join(_OPERATORS)}, and a"
                " number, for example readiness<0.95"
            )
            misspelt = "" if found is None or found[1] in _NAMES else found[1]
            said = or_rather(misspelt, _NAMES, otherwise=form)
            raise InvalidCondition(f"{text!r} is not a valid condition{said}")
        return cls(found[1], found[2], float(found[3]))

    def holds_for(self, value: float) -> bool:
        """Return True if the value meets the condition, so that the report fails."""
        return _OPERATORS[self.sign](value, self.number)

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self.number:g}"


def broken_thresholds(condition: Condition, report: Report) -> Iterator[str]:
    """Yield a sentence for each of the first failures, and how many more there are."""
    if condition.name in _PER_CALLER and not report.standings:
        yield f"there is no caller to judge: {escape_for_terminal(headline(report))} ({condition})"
    failures = _failures(condition, report)
    yield from islice(failures, _MAX_LISTED)
    if more := sum(1 for _ in failures):
        yield f"{one_or_many(more, 'more caller')} ({condition})"


def _failures(condition: Condition, report: Report) -> Iterator[str]:
    totals = report.totals
    match condition.name:
        case "readiness" | "errors" as name:
            in_full = {(caller.name, caller.digest): caller for caller in report.callers}
            for standing in report.standings:
                value = standing.readiness if name == "readiness" else standing.error_share
                if value is None or condition.holds_for(value):
                    why = _why(name, value, in_full.get((standing.name, standing.digest)))
                    yield f"{escape_for_terminal(f'{caller_name(standing)}: {why}')} ({condition})"
        case name:
            count = totals.callers if name == "callers" else totals.exchanges
            if condition.holds_for(count):
                yield f"{count:,} {name} ({condition})"


def _why(name: str, value: float | None, caller: CallerReport | None) -> str:
    if value is None:
        return "its readiness is not known, as none of its requests can be judged"
    what = f"its {'readiness' if name == 'readiness' else 'share of errors'} is {value:.4g}"
    if caller is None:
        return f"{what}; use `--caller` to see why"
    if name == "readiness":
        decisions = (each for each in caller.readiness.reasons if each.work == "decision")
        why = "; ".join(f"{each.name} in {percent(each.share)}" for each in decisions)
    else:
        errors = caller.errors[:3]
        why = "; ".join(f"{each.count:,} times {each.status} {each.type}" for each in errors)
    return f"{what}: {why}" if why else what
