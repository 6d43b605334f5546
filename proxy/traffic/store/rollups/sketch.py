"""
Sketches of durations: counts in bins whose bounds grow by a constant factor.

Two sketches are merged by adding their counts, so that a percentile of a year is as exact as
that of a minute: off by at most `ACCURACY`, however durations are distributed. One sketch
holds all three durations of exchanges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

Sketch: TypeAlias = dict[int, int]
"""How many durations fell into each bin, by the number of the bin."""

ACCURACY: Final = 0.01
"""Limit on the relative error of a duration that is read from its bin."""
DURATIONS: Final = ("total_ms", "first_byte_ms", "first_token_ms")
"""Columns of `exchanges` that are counted; each has its own range of bins."""

_SHORTEST_MS: Final = 0.1
"""Shorter durations are counted as this long."""
_LONGEST_MS: Final = 1e10
_GROWTH: Final = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GROWTH: Final = math.log(_GROWTH)
_BINS: Final = 2_000
"""Bins of each duration: more than there are between the shortest and the longest."""
_FIRST_BIN: Final = math.ceil(math.log(_SHORTEST_MS) / _LOG_GROWTH)
_DECODER: Final = msgspec.msgpack.Decoder(Sketch)


def count_durations(sketch: Sketch, exchange: Mapping[str, Any]) -> None:
    """Count the durations of an exchange, a row of `exchanges`; None means it never got there."""
    for number, name in enumerate(DURATIONS):
        milliseconds = exchange[name]
        if milliseconds is not None:
            among = number * _BINS + bin_of(milliseconds)
            sketch[among] = sketch.get(among, 0) + 1


def bin_of(milliseconds: float) -> int:
    """Return the number of the bin of a duration."""
    between = min(max(milliseconds, _SHORTEST_MS), _LONGEST_MS)
    return math.ceil(math.log(between) / _LOG_GROWTH) - _FIRST_BIN


def milliseconds_of_bin(number: int) -> float:
    """Return the duration that is closest, relatively, to all those of a bin."""
    return 2 * _GROWTH ** (number + _FIRST_BIN) / (_GROWTH + 1)


def counts_of(sketch: Sketch, duration: str) -> Iterator[tuple[float, int]]:
    """Yield the milliseconds of each bin of one of `DURATIONS`, and the count."""
    start = DURATIONS.index(duration) * _BINS
    for number, count in sketch.items():
        if start <= number < start + _BINS:
            yield milliseconds_of_bin(number - start), count


def merge_into(sketch: Sketch, other: Sketch) -> None:
    """Add the counts of another sketch to this one."""
    for number, count in other.items():
        sketch[number] = sketch.get(number, 0) + count


def encode_sketch(sketch: Sketch) -> bytes:
    """Encode a sketch for the store."""
    return msgspec.msgpack.encode(sketch)


def decode_sketch(encoded: bytes) -> Sketch:
    """Decode what `encode_sketch` has encoded."""
    return _DECODER.decode(encoded)
