"""
How much work code does: a number that is the same on every machine and on every day.

    stops = counted("translators.stops")
    works = [work_of(stops.plan_stops, hostile(size)) for size in (1_000, 2_000, 4_000)]
    assert is_linear(works)

Time is none: it has bad days, and a constant hides in it. Two things are
counted. `steps` are what Python does itself: calls, operators and rounds of
loops. `handed` is how many characters and items code that is not in Python was
given and gave back: it is taken to look at all of them, where `costs` knows no
better. What is hidden in one (`stop in echo` for each of many stops, `islice`
from the start each time) shows in the other.
"""

from tests.work.counting import Work, counted, is_linear, work_of

__all__ = ["Work", "counted", "is_linear", "work_of"]
