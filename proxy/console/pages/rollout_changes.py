"""Changes of the rollout: a share, the kill switch, a guard; each for the version that was seen."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from proxy.config.changes import changes_between
from proxy.config.settings import Settings
from proxy.config.toml_edit import ChangedMeanwhile
from proxy.console.access.forms import Form, version_in
from proxy.console.access.sessions import Undo
from proxy.console.pages.rollout import (
    can_change,
    confirm_override,
    override_action,
    parsed_share,
)
from proxy.console.problems import Problem
from proxy.console.rollout.sentences import quoted
from proxy.console.rollout.server_state import override_of
from proxy.console.visit import Visit
from proxy.rollout.rule_schema import RuleSettings

_APPLIED = "A running Holdover follows within two seconds."
_OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What somebody wanted while somebody else changed the file."""

    text: str
    seen: str
    """Version of the file that was looked at."""
    rule: str | None = None
    share: float | None = None
    override: str | None = None
    """An action, or `off`."""


async def change_share(visit: Visit, form: Form) -> Response:
    """Move a share."""
    rule, share = form.get("rule", ""), parsed_share(form.get("share"))
    wish = _Wish(
        text=f"{share:g} % for {quoted(rule)}", seen=version_in(form), rule=rule, share=share
    )
    before = _share_of((await visit.site.settings()).settings, rule)
    try:
        await visit.site.run(visit.edit(wish.seen).set_share, rule, share)
    except ChangedMeanwhile:
        return await _conflict(visit, wish)
    was = "" if before is None else f"{before:g} -> "
    undo = None
    if before is not None and before != share:
        back = visit.url("/rollout/share", rule=rule, share=f"{before:g}")
        undo = Undo(words=f"Back to {before:g} %", url=back)
    notice = f"Share of {quoted(rule)}: {was}{share:g} %. {_APPLIED}"
    return visit.redirect("/rollout", notice, undo=undo)


async def change_override(visit: Visit, form: Form) -> Response:
    """Throw the kill switch, once its name was typed, or take it back."""
    undo = None  # once it is thrown, the page has a button that takes it back
    if (given := form.get("action")) == _OFF:
        wish = _Wish(text="to take the override back", seen=version_in(form), override=_OFF)
        thrown = override_of((await visit.site.settings()).settings)
        notice = "The override is off: the rules decide again."
        if thrown is not None:
            back = visit.url("/rollout/override", action=thrown)
            undo = Undo(words=f"Back to {thrown} everything", url=back)
    else:
        action = override_action(given)
        typed = form.get("confirmation", "").strip()
        if typed.lower() != action:
            return await confirm_override(visit, action, typed=typed)
        wish = _Wish(text=f"the override {quoted(action)}", seen=version_in(form), override=action)
        notice = f"The override is {quoted(action)}: no rule decides any more."
    try:
        await visit.site.run(visit.edit(wish.seen).set_override, None if given == _OFF else given)
    except ChangedMeanwhile:
        return await _conflict(visit, wish)
    return visit.redirect("/rollout", f"{notice} {_APPLIED}", undo=undo)


async def rearm_guard(visit: Visit, form: Form) -> Response:
    """Give a rule whose guard has tripped its share back."""
    rule = form.get("rule", "")
    settings = (await visit.site.settings()).settings
    if _rule_of(settings, rule) is None:
        raise Problem(404, f"There is no rule {quoted(rule)} in the settings any more.")
    wish = _Wish(text=f"to re-arm the guard of {quoted(rule)}", seen=version_in(form), rule=rule)
    try:
        was_tripped = await visit.site.run(visit.edit(wish.seen).rearm, rule, settings.state_dir)
    except ChangedMeanwhile:
        return await _conflict(visit, wish)
    except OSError as exc:
        raise Problem(
            409,
            f"The guard of {quoted(rule)} is still tripped: its note in {settings.state_dir} cannot"
            f" be removed ({exc.strerror}).",
            title="Nothing was changed",
        ) from exc
    if was_tripped:
        notice = f"The guard of {quoted(rule)} is armed again. {_APPLIED}"
    else:
        notice = (
            f"The guard of {quoted(rule)} was armed already: somebody has re-armed it meanwhile."
            " Nothing was changed."
        )
    return visit.redirect("/rollout", notice)


async def _conflict(visit: Visit, wish: _Wish) -> Response:
    """Show what it was, what it is, and what was wanted; lead on from what is."""
    current = await visit.site.settings()
    seen = visit.site.reader.earlier.get(wish.seen)
    is_done = current.problem is None and _is_done(wish, current.settings)
    return await visit.page(
        "rollout_conflict.html",
        409,
        wish=wish,
        was=None if seen is None else _state_of(wish, seen),
        is_now=_state_of(wish, current.settings),
        is_done=is_done,
        changes=None if seen is None else changes_between(seen, current.settings),
        current=current,
        rule=None if wish.rule is None else _rule_of(current.settings, wish.rule),
        can_change=can_change(visit, current),
    )


def _state_of(wish: _Wish, settings: Settings) -> str:
    if wish.rule is None:
        return f"the override {quoted(override_of(settings) or _OFF)}"
    share = _share_of(settings, wish.rule)
    return "no such rule" if share is None else f"{share:g} % for {quoted(wish.rule)}"


def _is_done(wish: _Wish, settings: Settings) -> bool:
    if wish.override is not None:
        return (override_of(settings) or _OFF) == wish.override
    return wish.share is not None and _share_of(settings, wish.rule or "") == wish.share


def _share_of(settings: Settings, name: str) -> float | None:
    rule = _rule_of(settings, name)
    return None if rule is None else rule.share


def _rule_of(settings: Settings, name: str) -> RuleSettings | None:
    return next((rule for rule in settings.rollout if rule.name == name), None)
