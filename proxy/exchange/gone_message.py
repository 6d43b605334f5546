"""The message to a client whose request a rule refuses: since when, how long, what to call."""

from __future__ import annotations

from proxy.rollout import Decision, DecisionReason
from translators import Catalogue, CompletionRequest


def gone_message(
    decision: Decision, request: CompletionRequest | None, catalogue: Catalogue, today: str
) -> str:
    """Return the message for the legacy envelope; it names the model to move to."""
    match decision.why, decision.rule, decision.ends:
        case DecisionReason.SUNSET, rule, _ if rule and rule.campaign.sunset:
            fact = f"POST /v1/complete ended here on {rule.campaign.sunset:%Y-%m-%d}."
        case _, rule, ends if ends is not None:
            sunset = rule and rule.campaign.sunset
            announced = f"; it ends for good on {sunset:%Y-%m-%d}" if sunset else ""
            fact = f"POST /v1/complete is switched off until {ends:%Y-%m-%d %H:%M %Z}{announced}."
        case _:
            fact = "POST /v1/complete is no longer served here."
    successor = catalogue.resolve(request.model, today).id if request else "a current model"
    remedy = f"Use the Messages API (POST /v1/messages) with {successor} instead."
    campaign = decision.rule.campaign if decision.rule else None
    link = f" See {campaign.link}" if campaign and campaign.link else ""
    return f"{fact} {remedy}{link}"
