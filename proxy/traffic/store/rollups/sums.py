"""
Add up exchanges by time bucket and group; no I/O.

There are three kinds of groups, because their product would be too large: the shapes of
exchanges, the programs of callers with their latencies, and the results of shadows. Clients can
create as many groups as exchanges, so a bucket has room for a limited number; the rest is
counted in a group called other, of which only the outcome is known.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from proxy.timestamps import DAY_MS, HOUR_MS, MINUTE_MS
from proxy.traffic.store.fingerprint import adjustment_kinds
from proxy.traffic.store.rollups.sketch import Sketch, count_durations, merge_into
from proxy.traffic.store.row_mapping import Row
from proxy.traffic.store.stored_json import UNREADABLE_COMPARISON, read_comparison

STEPS_MS: Final = (MINUTE_MS, HOUR_MS, DAY_MS)
"""The lengths of time buckets, each a multiple of the one before."""
MAX_GROUPS: Final = 500
"""Groups of one kind in a bucket. Callers that the settings name have as much room again, which
nobody can use up who only guesses keys."""

_DIGEST_BYTES: Final = 8
_SHAPE_COLUMNS: Final = (
    *("caller_name", "caller", "dialect", "streamed", "features", "rule", "asked_model"),
    *("sent_model", "route", "status", "error_type", "outcome"),
)


class Kind(enum.StrEnum):
    """The three kinds of groups that exchanges are summed up by."""

    SHAPE = "shape"
    """Exchanges of one shape, as `fingerprint` defines it."""
    PROGRAM = "program"
    """Exchanges of one caller with one SDK and user agent."""
    SHADOW = "shadow"
    """Shadows or controls of one caller and rule, with the same failure."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of time in which one kind of groups is summed up."""

    kind: Kind
    begin_ms: int


@dataclass(slots=True, kw_only=True)
class GroupSum:
    """The sums of one group in one bucket; the fields are columns of `rollups`."""

    exchanges: int = 0
    first_ms: int
    last_ms: int
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    captured: int = 0
    similarity: float = 0.0
    equal: int = 0
    latest_id: str = ""
    captured_ms: int = 0
    captured_id: str = ""
    latency: Sketch = field(default_factory=Sketch)

    def merge(self, later: GroupSum) -> None:
        """Add other sums of the group; of two examples, those of the later exchange stay."""
        self.exchanges += later.exchanges
        self.input_tokens += later.input_tokens
        self.output_tokens += later.output_tokens
        self.captured += later.captured
        self.similarity += later.similarity
        self.equal += later.equal
        if later.captured_ms >= self.captured_ms:
            self.captured_ms, self.captured_id = later.captured_ms, later.captured_id
        if later.last_ms >= self.last_ms:
            self.latest_id = later.latest_id or self.latest_id
        self.first_ms = min(self.first_ms, later.first_ms)
        self.last_ms = max(self.last_ms, later.last_ms)
        merge_into(self.latency, later.latency)


Groups: TypeAlias = dict[int, GroupSum]


@dataclass(slots=True)
class Sums:
    """Sums in buckets of one length, and descriptions of their groups, rows of `rollup_groups`."""

    step_ms: int
    buckets: dict[Bucket, Groups] = field(default_factory=dict[Bucket, Groups])
    described: dict[int, Row] = field(default_factory=dict[int, Row])

    def add_exchange(self, exchange: Mapping[str, Any]) -> None:
        """Count an exchange, a row of `exchanges`, by its shape and by its caller's program."""
        shaped = self._sum(Kind.SHAPE, self._shape_of(exchange), exchange)
        shaped.exchanges += 1
        shaped.input_tokens += exchange["input_tokens"] or 0.0
        shaped.output_tokens += exchange["output_tokens"] or 0.0
        columns = ("caller_name", "caller", "sdk", "user_agent")
        key = self._described(Kind.PROGRAM, {name: exchange[name] for name in columns})
        program = self._sum(Kind.PROGRAM, key, exchange)
        program.exchanges += 1
        count_durations(program.latency, exchange)

    def add_captured(self, exchange: Mapping[str, Any]) -> None:
        """Count that the request body of an exchange was kept."""
        shaped = self._sum(Kind.SHAPE, self._shape_of(exchange), exchange)
        shaped.captured += 1
        received = exchange["received_ms"]
        if received >= shaped.captured_ms:
            shaped.captured_ms, shaped.captured_id = received, exchange["id"]

    def add_shadow(self, exchange: Mapping[str, Any], shadow: Mapping[str, Any]) -> None:
        """Count a row of `shadows` at the time of its exchange."""
        columns = ("rule", "leg", "failure")
        group = {name: exchange[name] for name in ("caller_name", "caller")}
        group |= {name: shadow[name] for name in columns}
        written = shadow["comparison"]
        compared = None if written is None else read_comparison(written)
        if written is not None and compared is None:
            group["failure"] = group["failure"] or UNREADABLE_COMPARISON
        shadowed = self._sum(Kind.SHADOW, self._described(Kind.SHADOW, group), exchange)
        shadowed.exchanges += 1
        if compared is not None:
            shadowed.similarity += compared.similarity or 0.0
            shadowed.equal += compared.equal

    def add(self, bucket: Bucket, key: int, group: GroupSum) -> None:
        """Add sums that are already there; the group has to be among `described`."""
        groups = self.buckets.setdefault(bucket, {})
        if key in groups:
            groups[key].merge(group)
        else:
            groups[key] = group

    def limit(self, stored: Mapping[Bucket, Collection[int]], most: int = MAX_GROUPS) -> None:
        """Move groups that find no room into the one called other; `stored` ones have theirs."""
        for bucket, groups in self.buckets.items():
            there = stored.get(bucket, ())
            new = sorted(groups.keys() - set(there), key=lambda key: -groups[key].exchanges)
            if len(there) + len(new) <= most:
                continue
            room = {True: 2 * most - len(there), False: most - len(there)}
            for place, key in enumerate(new):
                is_named = self.described[key]["caller_name"] is not None
                if place >= room[is_named] and not self.described[key]["is_other"]:
                    self._move_to_other(bucket, key)

    def _move_to_other(self, bucket: Bucket, key: int) -> None:
        group = self.buckets[bucket].pop(key)
        outcome = self.described[key].get("outcome")
        other = self._described(bucket.kind, {"outcome": outcome}, is_other=True)
        self.add(bucket, other, group)

    def _sum(self, kind: Kind, key: int, exchange: Mapping[str, Any]) -> GroupSum:
        """Return the sums of a group at the time of an exchange, to add to them."""
        received = exchange["received_ms"]
        bucket = Bucket(kind, received // self.step_ms * self.step_ms)
        groups = self.buckets.setdefault(bucket, {})
        if (found := groups.get(key)) is None:
            found = groups[key] = GroupSum(first_ms=received, last_ms=received)
        if received >= found.last_ms:
            found.last_ms, found.latest_id = received, exchange["id"]
        found.first_ms = min(found.first_ms, received)
        return found

    def _shape_of(self, exchange: Mapping[str, Any]) -> int:
        key: int = exchange["shape"]
        if key not in self.described:
            group = {name: exchange[name] for name in _SHAPE_COLUMNS}
            group["is_rescued"] = exchange["first_failure"] is not None
            kinds = adjustment_kinds(exchange["adjustments"])
            group["adjustments"] = msgspec.json.encode(kinds).decode()
            self.described[key] = {"key": key, "is_other": False, **group}
        return key

    def _described(self, kind: Kind, group: Row, *, is_other: bool = False) -> int:
        key = _key_of((kind, is_other, *group.values()))
        if key not in self.described:
            self.described[key] = {"key": key, "is_other": is_other, **group}
        return key


@lru_cache(10_000)
def _key_of(values: tuple[object, ...]) -> int:
    """Return the key of a group; collisions of 64 bits are negligible."""
    digest = hashlib.blake2b(msgspec.json.encode(values), digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)
