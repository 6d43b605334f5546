"""Recorded requests with what was said in them, to ask again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from proxy.traffic import Body, Content, compress
from proxy.traffic.store.queries import FoundExchange
from tests.harness import body
from tests.record_factory import record


def kept(part: str, said: object) -> Body:
    """A body as it is kept, of a value as JSON or of bytes as they are."""
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    data = compress(raw)
    return Body(part=part, size=len(raw), digest="00", data=data, timing=None)


def exchange(number: int, completion: str = " Hi", **fields: Any) -> list[Any]:
    """One that was answered, and its bodies; what is no field of a record is one of the request."""
    asked = {name: fields.pop(name) for name in ("prompt", "model", "stream") if name in fields}
    recorded = record(**{"id": f"req_{number:04}", "received": moment(number)} | fields)
    answer = {"completion": completion, "stop_reason": "stop_sequence"}
    bodies = kept("legacy_in", body(**asked)), kept("legacy_back", answer)
    return [recorded, Content(id=recorded.id, received=recorded.received, bodies=bodies)]


def moment(number: int) -> str:
    """So many seconds after midnight."""
    return f"2026-11-23T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000+00:00"


def numbered(*numbers: int, **fields: Any) -> list[Any]:
    """Return records that are a second apart."""
    return [record(id=f"req_{n:04}", received=moment(n), **fields) for n in numbers]


def ids(found: Iterable[FoundExchange]) -> list[int]:
    return [int(each.record.id.removeprefix("req_")) for each in found]
