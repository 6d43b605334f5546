"""
Trigrams: which documents may contain a text, without reading them.

A trigram is three bytes in a row of a text in UTF-8, normalized as a search compares it. A
document without one of a text's trigrams cannot contain the text; one that has them all may.
The postings of a trigram are the numbers of the documents that have it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from operator import sub
from typing import Final, TypeAlias

import msgspec

from proxy.traffic.content import compress, decompress
from proxy.traffic.store.text_search import normalized

Trigram: TypeAlias = tuple[int, int, int]

PAIRS: Final = 256 * 256
"""Number of pairs of bytes with which a trigram may begin."""
_MAX_WANTED: Final = 16
"""Limit on the trigrams that a search looks up: more make hardly a difference."""
_ROWS: Final = msgspec.msgpack.Decoder(dict[int, msgspec.Raw])
_NUMBERS: Final = msgspec.msgpack.Decoder(list[int])


def trigrams_of(texts: Iterable[str]) -> set[Trigram]:
    """Return all trigrams of a document's texts."""
    distinct = {normalized(text) for text in texts}
    longest = max(distinct, key=len, default="")
    found = _trigrams(longest)
    for text in distinct:
        # The legacy request repeats most of what the Messages request says.
        if len(text) * 2 < len(longest) or text not in longest:
            found |= _trigrams(text)
    return found


def wanted_trigrams(text: str) -> list[Trigram]:
    """Return trigrams to look up for a text, a few of all parts; none if it is too short."""
    found = sorted(_trigrams(normalized(text)))
    return found[:: -(-len(found) // _MAX_WANTED) or 1]


def pair_of(trigram: Trigram) -> int:
    """Return the first two bytes as a number below `PAIRS`: the key of a row of postings."""
    return trigram[0] << 8 | trigram[1]


def encode_postings(postings: Mapping[Trigram, Sequence[int]]) -> dict[int, bytes]:
    """Return rows of postings, one for each pair; the numbers have to ascend."""
    rows: dict[int, dict[int, list[int]]] = {}
    for trigram, numbers in postings.items():
        differences = list(map(sub, numbers, chain((0,), numbers)))
        rows.setdefault(pair_of(trigram), {})[trigram[2]] = differences
    return {pair: compress(msgspec.msgpack.encode(row)) for pair, row in rows.items()}


def documents_with(wanted: Collection[Trigram], rows: Mapping[int, bytes]) -> set[int]:
    """Return the documents that have all trigrams; raises `MsgspecError` if a row is damaged."""
    lists: list[msgspec.Raw] = []
    for trigram in wanted:
        row = rows.get(pair_of(trigram))
        numbers = None if row is None else _ROWS.decode(decompress(row)).get(trigram[2])
        if numbers is None:
            return set()
        lists.append(numbers)
    shortest, *others = sorted(lists, key=len)
    found = set(accumulate(_NUMBERS.decode(shortest)))
    for numbers in others:
        if not found:
            break
        found.intersection_update(accumulate(_NUMBERS.decode(numbers)))
    return found


def _trigrams(text: str) -> set[Trigram]:
    data = text.encode(errors="surrogatepass")
    return set(zip(data, data[1:], data[2:], strict=False))
