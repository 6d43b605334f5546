"""The arguments of every endpoint: one HTTP request, and the simulator's configuration."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from starlette.datastructures import Headers, QueryParams

from proxy.simulator.fault_headers import Misbehaviour
from proxy.simulator.request_body import decode_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Configuration of one simulator, from the arguments of `create_simulator`."""

    today: datetime.date
    ping_after_start: bool
    strict_alternation: bool
    legacy_models_alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    method: str
    path: str
    query: QueryParams
    headers: Headers
    body: bytes
    asked: Misbehaviour
    number: int  # of this request, counted from 1; ids are computed from it
    conditions: Conditions

    @property
    def pings(self) -> int:
        usual = 1 if self.conditions.ping_after_start else 0
        return usual if self.asked.pings is None else self.asked.pings

    def decode_body(self) -> object:
        return decode_json(self.body, content_encoding=self.headers.get("content-encoding", ""))

    def wants_stream(self, *, usual: bool) -> bool:
        return usual if self.asked.form is None else self.asked.form == "stream"
