"""
What a replay would ask: how many requests of which model, with how many tokens.

Every record that is left is decided and planned by the present rules, so that the model
that will be asked is priced, not the one that was. Bodies are not read for this: a request is
made from its record, and a share that is dealt by prompt, user or dice falls to
as many records as it would to requests, though not to the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from proxy.config.runtime import RuntimeConfig
from proxy.replay.ask import caller_of, headers_of
from proxy.report.replacement_call import example_request
from proxy.rollout import Question, bucket, decide
from proxy.traffic import TrafficRecord
from proxy.traffic.store.replay_results import RemainingExchange
from translators import (
    InvalidCompletionRequest,
    Plan,
    decode_completion_request,
    dialect_of,
    plan_request,
)


class ModelForecast(msgspec.Struct, frozen=True):
    """Requests that one model will be asked, and an estimate of the tokens needed."""

    model: str | None
    """The model that will be asked; None for a legacy upstream."""
    requests: int
    input_tokens: float
    output_tokens: float
    most_output_tokens: float
    """Output tokens if every answer is as long as its request allows, as it will be sent."""


class Forecast(msgspec.Struct, frozen=True):
    """All requests that are left."""

    models: tuple[ModelForecast, ...] = ()
    """The requests by model, with the model that is asked most often first."""
    refused: int = 0
    """Requests that will not be sent: a rule refuses them, or they cannot be translated."""

    @property
    def requests(self) -> int:
        """Number of requests that are left, including those that will not be sent."""
        return self.refused + sum(each.requests for each in self.models)


def forecast(
    remaining: Iterable[RemainingExchange], config: RuntimeConfig, now: datetime
) -> Forecast:
    """Return what asking these again takes by these rules, at this time."""
    refused = 0
    sums: dict[str | None, tuple[float, ...]] = {}
    for each in remaining:
        try:
            plan = _plan_of(each.record, config, now)
        except _NotSent:
            refused += 1
            continue
        model = None if plan is None else plan.sent_model
        most = each.most_output_tokens if plan is None else plan.request.max_tokens
        numbers = (1, each.input_tokens, each.output_tokens, most)
        sums[model] = tuple(map(sum, zip(sums.get(model, (0, 0, 0, 0)), numbers, strict=True)))
    models = (ModelForecast(model, int(count), *tokens) for model, (count, *tokens) in sums.items())
    return Forecast(tuple(sorted(models, key=lambda each: -each.requests)), refused)


class _NotSent(Exception):
    """The request would be refused before anything is sent."""


def _plan_of(record: TrafficRecord, config: RuntimeConfig, now: datetime) -> Plan | None:
    """Return what would be asked, or None if it is a legacy upstream; raises `_NotSent`."""
    try:
        decoded = decode_completion_request(msgspec.json.encode(example_request(record)))
        # Rules that deal by something which no record has get a bucket of the record's own.
        by_chance = [
            rule.name
            for rule in config.rollout.rules
            if rule.by in {"prompt", "random"}
            or (rule.by == "user_id" and "metadata" in record.features)
        ]
        question = Question(
            caller=caller_of(record, config.keyring),
            headers=headers_of(record),
            request=decoded.request,
            now=now,
            buckets={name: bucket(name, record.id.encode()) for name in by_chance},
        )
        decision = decide(config.rollout, question)
        if decision.action == "refuse":
            raise _NotSent
        if decision.action == "forward":
            return None
        dialect, today = dialect_of(record.version), now.date().isoformat()
        return plan_request(decoded, dialect, decision.route.policy, today=today)
    except InvalidCompletionRequest as exc:
        raise _NotSent from exc
