"""
Ask recorded requests again, and compare each new answer with the recorded one.

    RemainingExchange -> Forecast
    RecordedExchange -> Asker.ask -> ReplayResult -> ReplayReport

Requests are sent as they were recorded, that is, redacted. The traffic of a
replay is not recorded as traffic of any caller.
"""

from proxy.replay.ask import Asker
from proxy.replay.forecast import Forecast, ModelForecast, forecast
from proxy.replay.report import ReplayReport, build_replay_report, cost_of
from proxy.replay.run import Run, TokenBudget
from proxy.replay.simulator_probe import is_simulator

__all__ = [
    "Asker",
    "Forecast",
    "ModelForecast",
    "ReplayReport",
    "Run",
    "TokenBudget",
    "build_replay_report",
    "cost_of",
    "forecast",
    "is_simulator",
]
