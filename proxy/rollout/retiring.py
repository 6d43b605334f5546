"""Find the models that are asked and end soon: by whose rules, settings and callers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import msgspec

from proxy.model_endings import ending_of
from proxy.rollout.rules import Rollout, Route, Rule
from translators import Catalogue, Policy


class RetiringModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is asked and ends within 90 days."""

    model: str
    retires: str
    days: int
    successor: str | None
    """Model that is asked in its place from that day on."""
    settings: tuple[str, ...]
    """Settings outside the rules that name it."""
    rules: tuple[str, ...]
    """Rules that name it."""
    callers: tuple[str, ...]
    """Callers for whom it was asked lately, by name or digest."""


def retiring_models(
    rollout: Rollout, today: str, callers_of: Callable[[str], tuple[str, ...]]
) -> tuple[RetiringModel, ...]:
    """Return the models that are named or were asked lately and end soon, the first one first."""
    catalogue, policy = rollout.catalogue, rollout.otherwise.policy
    resolved = _Resolver(catalogue, today)
    of_settings = {place: resolved(names) for place, names in _named_by_settings(rollout).items()}
    of_rules = {rule.name: resolved(_named_by(_routes(rule), policy)) for rule in rollout.rules}
    found: list[RetiringModel] = []
    for model in catalogue.models:
        ending = ending_of(model, today)
        if ending is None or not ending.is_to_come or catalogue.find(model.id) is not model:
            continue
        settings = tuple(name for name, named in of_settings.items() if model.id in named)
        rules = tuple(name for name, named in of_rules.items() if model.id in named)
        callers = callers_of(model.id)
        if settings or rules or callers:
            found.append(
                RetiringModel(
                    model=model.id,
                    retires=ending.day,
                    days=ending.days_left,
                    successor=model.successor,
                    settings=settings,
                    rules=rules,
                    callers=callers,
                )
            )
    return tuple(sorted(found, key=lambda each: each.days))


def retirement_warnings(rollout: Rollout, today: str) -> Iterator[str]:
    """Yield a sentence for each setting and rule that names a model that has ended or soon does."""
    policy = rollout.otherwise.policy
    catalogue = replace(rollout.catalogue, overrides={})
    of_rules = {f"rule {rule.name}": _named_by(_routes(rule), policy) for rule in rollout.rules}
    for place, names in (_named_by_settings(rollout) | of_rules).items():
        for name in dict.fromkeys(names):
            model, sent = catalogue.listed(name), catalogue.resolve(name, today).id
            if model is not None and model.is_retired(today):
                now = f"{sent} is asked instead" if sent != name else "its requests fail"
                yield f"{place}: {name} retired on {model.retires}, and {now}; name another model"
    for each in retiring_models(rollout, today, lambda _: ()):
        days = "1 day" if each.days == 1 else f"{each.days} days"
        then = f"{each.successor} is asked" if each.successor else "its requests fail"
        for place in (*each.settings, *(f"rule {name}" for name in each.rules)):
            yield (
                f"{place}: {each.model} retires on {each.retires}, in {days}, and {then} from then"
                " on; name another model"
            )


def _named_by_settings(rollout: Rollout) -> dict[str, Iterable[str]]:
    """Return the models that the settings outside the rules name, by setting."""
    policy = rollout.otherwise.policy
    return {
        "models": rollout.catalogue.overrides.values(),
        "prefill_model": _rerouted_to(policy),
        "rollout_override": _named_by([rollout.override], policy),
    }


class _Resolver:
    """Finds the ids of the models that are asked by some names."""

    def __init__(self, catalogue: Catalogue, today: str) -> None:
        self._catalogue = replace(catalogue, overrides={})
        self._today = today

    def __call__(self, names: Iterable[str]) -> frozenset[str]:
        sent = (self._catalogue.resolve(name, self._today).id for name in names)
        found = (self._catalogue.find(name) for name in sent)
        return frozenset(model.id for model in found if model is not None)


def _routes(rule: Rule) -> tuple[Route | None, ...]:
    return (
        rule.route,
        rule.on_failure.route if rule.on_failure else None,
        rule.shadow.route if rule.shadow else None,
    )


def _named_by(routes: Iterable[Route | None], otherwise: Policy) -> Iterator[str]:
    """Yield the models that routes name themselves."""
    for route in routes:
        if route is None or route.action != "translate":
            continue
        overrides = route.policy.catalogue.overrides
        if overrides != otherwise.catalogue.overrides:
            yield from overrides.values()
        yield from set(_rerouted_to(route.policy)).difference(_rerouted_to(otherwise))


def _rerouted_to(policy: Policy) -> tuple[str, ...]:
    """Return the model that gets prefills, if there is one."""
    is_used = policy.prefill == "reroute" and policy.prefill_model is not None
    return (policy.prefill_model or "",) if is_used else ()
