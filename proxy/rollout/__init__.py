"""
Rules that choose the route of a request: shares, schedules and guards, without I/O.

    RuleSettings -> Rule        compiled once, when the settings are read
    Question -> Decision        `decide`, for every request
"""

from proxy.rollout.bucketing import basis_points, bucket
from proxy.rollout.decide import (
    Decision,
    DecisionReason,
    Question,
    Verdict,
    bucket_of,
    buckets_in_steps,
    decide,
    objections,
    verdict_in_words,
    verdicts,
)
from proxy.rollout.retiring import RetiringModel, retirement_warnings, retiring_models
from proxy.rollout.rules import Fallback, Rollout, Route, Rule, Shadow
from proxy.rollout.schedule import brown_out_until, campaign_headers, is_over, next_brown_outs
from proxy.rollout.validation import Finding, validate_rules

__all__ = [
    "Decision",
    "DecisionReason",
    "Fallback",
    "Finding",
    "Question",
    "RetiringModel",
    "Rollout",
    "Route",
    "Rule",
    "Shadow",
    "Verdict",
    "basis_points",
    "brown_out_until",
    "bucket",
    "bucket_of",
    "buckets_in_steps",
    "campaign_headers",
    "decide",
    "is_over",
    "next_brown_outs",
    "objections",
    "retirement_warnings",
    "retiring_models",
    "validate_rules",
    "verdict_in_words",
    "verdicts",
]
