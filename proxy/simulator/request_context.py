"""The arguments of every endpoint: one HTTP request, and the simulator's configuration."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from starlette.datastructures import Headers, QueryParams

from proxy.simulator.checks.request_body import decode_json
from proxy.simulator.faults.fault_headers import SimulateOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """Configuration of one simulator, from the arguments of `create_simulator`."""

    today: datetime.date
    ping_after_start: bool
    strict_alternation: bool
    legacy_models_alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """A request with its `simulate-*` options."""

    method: str
    path: str
    query: QueryParams
    headers: Headers
    body: bytes
    options: SimulateOptions
    number: int  # of this request, counted from 1; ids are computed from it
    config: SimulatorConfig

    @property
    def pings(self) -> int:
        """Number of pings to send in a stream."""
        usual = 1 if self.config.ping_after_start else 0
        return usual if self.options.pings is None else self.options.pings

    def decode_body(self) -> object:
        return decode_json(self.body, content_encoding=self.headers.get("content-encoding", ""))

    def wants_stream(self, *, usual: bool) -> bool:
        """Return True to stream; `usual` is what the body asks for, and options override it."""
        return usual if self.options.form is None else self.options.form == "stream"
