"""The table of models as people see it: what is served, what names become, and what ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from proxy.model_endings import ModelEnding, ending_of
from translators import Catalogue, Model

SERVED_COLUMNS: Final = (
    *("model", "status", "retires", "context", "max output", "prefill", "sampling", "thinking"),
)
"""Names of what `served_row` returns."""


def effective_models(catalogue: Catalogue) -> list[Model]:
    """Return the models without those that another entry of the same name has replaced."""
    return [model for model in catalogue.models if catalogue.find(model.id) is model]


def served_models(catalogue: Catalogue, today: date) -> list[Model]:
    """Return the models that still answer."""
    day = today.isoformat()
    return [model for model in effective_models(catalogue) if not model.is_retired(day)]


def retired_models(catalogue: Catalogue, today: date) -> list[tuple[Model, str]]:
    """Return the models that have ended, each with what its name becomes."""
    day = today.isoformat()
    return [
        (model, catalogue.resolve(model.id, day).id)
        for model in effective_models(catalogue)
        if model.is_retired(day)
    ]


def served_row(model: Model, today: date) -> tuple[str, ...]:
    """Return what is known of a model; `?` is what is not."""
    known = model.capabilities
    not_before = f"not before {model.retires_not_before}" if model.retires_not_before else ""
    return (
        " = ".join((model.id, *model.aliases)),
        model.status(today.isoformat()),
        model.retires or not_before,
        f"{model.context_tokens:,}" if model.context_tokens else "?",
        f"{known.max_output_tokens:,}" if known.max_output_tokens else "?",
        "?" if known.prefill is None else "yes" if known.prefill else "no",
        known.sampling.value if known.sampling else "?",
        known.thinking.value if known.thinking else "?",
    )


def endings(catalogue: Catalogue, today: date) -> Iterator[tuple[Model, ModelEnding]]:
    """Yield the models that end soon or may, those first that certainly do."""
    found = [
        (model, ending)
        for model in effective_models(catalogue)
        if (ending := ending_of(model, today.isoformat()))
    ]
    yield from (each for each in found if each[1].is_to_come)
    yield from (each for each in found if not each[1].is_certain)


def ending_in_words(model: Model, ending: ModelEnding) -> str:
    """Return a sentence about a model that ends soon, or may."""
    if not ending.is_certain:
        return f"{model.id} may retire at any time from {ending.day} on."
    after = f"{model.successor} takes its place" if model.successor else "no successor is known"
    return f"{model.id} retires on {ending.day}; {after}."
