"""
Recorded requests, asked again, and each new answer beside the recorded one.

    Recorded -> Asker.ask -> ReplayResult -> ReplayReport

What is asked again is what was kept: redacted text. The traffic of a replay is
not recorded as anybody's.
"""

from proxy.replay.ask import Asker
from proxy.replay.report import ReplayReport, build_replay_report, cost_of
from proxy.replay.run import Run, TokenBudget
from proxy.replay.simulator_probe import is_simulator

__all__ = [
    "Asker",
    "ReplayReport",
    "Run",
    "TokenBudget",
    "build_replay_report",
    "cost_of",
    "is_simulator",
]
