"""Explanation of a translation plan, as shown to users."""

from __future__ import annotations

from translators import EXPLANATIONS, REMEDIES, Plan


def as_explanation(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON data: the Messages request, its adjustments, the answer's form."""
    return {
        "request": plan.request,
        "adjustments": [
            {
                "kind": adjustment.kind.value,
                "field": adjustment.field,
                "asked": adjustment.asked,
                "sent": adjustment.sent,
                "why": EXPLANATIONS[adjustment.kind],
                "remedy": REMEDIES[adjustment.kind],
            }
            for adjustment in plan.adjustments
        ],
        "answer": {
            "version": plan.dialect.version,
            "model": plan.echoed_model,
            "emulated_stops": plan.emulated_stops,
            "removed_echo": plan.echo,
            "gains_leading_space": plan.gains_leading_space,
        },
    }
