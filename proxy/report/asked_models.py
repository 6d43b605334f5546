"""Find out which callers ask for which models, and how often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from proxy.report.callers import CallerStatistics
from proxy.report.model import HitCaller


def asked_models(callers: Iterable[CallerStatistics]) -> Mapping[str, tuple[HitCaller, ...]]:
    """Return the callers that asked for each model, in the order in which they are given."""
    asked = defaultdict[str, list[HitCaller]](list)
    for caller in callers:
        counts: Counter[str] = Counter()
        for each in caller.shapes:
            if each.asked is not None:
                counts[each.asked] += each.exchanges
        for model, count in counts.items():
            asked[model].append(HitCaller(name=caller.name, digest=caller.digest, count=count))
    return {model: tuple(hits) for model, hits in asked.items()}
