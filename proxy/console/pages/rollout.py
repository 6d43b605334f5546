"""The rollout: what the rules do, whom another share would take, what the kill switch would do."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from proxy.config.history import Change, history_of
from proxy.config.toml_edit import try_share
from proxy.console.problems import Problem
from proxy.console.rollout.board import (
    MOST_READ,
    Board,
    RuleView,
    board_of,
    guard_states,
    recorded_traffic,
)
from proxy.console.rollout.calendar import WEEKS, calendar_of
from proxy.console.rollout.past import PastChange, past_changes
from proxy.console.rollout.preview import Preview, unknown_headers
from proxy.console.rollout.sentences import OTHERWISE, OVERRIDES, quoted
from proxy.console.rollout.server_state import override_of, words_of
from proxy.console.server_client import ServerAnswer
from proxy.console.site import CurrentSettings
from proxy.console.visit import Visit
from proxy.errors import InvalidSettings
from proxy.risks import override_risks
from proxy.rollout import basis_points
from proxy.rollout.rule_schema import Action, OverrideSettings, RuleSettings
from proxy.spelling import or_rather
from proxy.traffic.store.errors import StoreError

_NEWEST_CHANGES: Final = 10
_CHANGES_ON_A_PAGE: Final = 50
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%?", re.ASCII)
_DECIMALS: Final = 2
_ALL: Final = 100
_FRESH_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a page about the rules is made of."""

    current: CurrentSettings
    server: ServerAnswer
    board: Board
    store_problem: str | None


async def rollout(visit: Visit) -> Response:
    """Show the rules, the kill switch, the calendar and the last changes."""
    seen = await _see(visit)
    settings = seen.current.settings
    past, history_problem = await _history(visit, seen.current)
    return await visit.page(
        "rollout.html",
        current=seen.current,
        server=seen.server,
        server_words=words_of(seen.server, seen.current),
        board=seen.board,
        store_problem=seen.store_problem,
        override=override_of(settings),
        overrides=OVERRIDES,
        otherwise=OTHERWISE,
        can_forward=settings.legacy_url is not None,
        can_change=can_change(visit, seen.current),
        is_configmap=await visit.site.run(_is_configmap, visit),
        most_read=MOST_READ,
        calendar=calendar_of(settings.rollout, visit.now),
        weeks=WEEKS,
        past=past[:_NEWEST_CHANGES],
        past_count=len(past),
        history_problem=history_problem,
    )


async def rollout_history(visit: Visit) -> Response:
    """Show all changes, newest first."""
    past, history_problem = await _history(visit, await visit.site.settings())
    pages = max(1, -(-len(past) // _CHANGES_ON_A_PAGE))
    given = visit.parameter("page") or "1"
    page = int(given) if re.fullmatch("[1-9][0-9]{0,5}", given, re.ASCII) else 0
    if not 1 <= page <= pages:
        raise Problem(404, f"page: there are the pages 1 to {pages} of the history.")
    first = (page - 1) * _CHANGES_ON_A_PAGE
    return await visit.page(
        "rollout_history.html",
        past=past[first : first + _CHANGES_ON_A_PAGE],
        past_count=len(past),
        first=first,
        page=page,
        pages=pages,
        history_problem=history_problem,
    )


async def share_preview(visit: Visit) -> Response:
    """Show whom a share would take, before anything is written."""
    name = visit.parameter("rule")
    if name is None:
        return visit.redirect("/rollout")
    share = parsed_share(visit.parameter("share"))
    seen = await _see(visit)
    view = found_rule(seen.board, seen.current, name)
    refusal = seen.current.problem or await _refusal(visit, name, share)
    return await visit.page(
        "rollout_share.html",
        view=view,
        share=share,
        current=seen.current,
        preview=None
        if view.reach is None
        else Preview(reach=view.reach, before=view.rule.share, after=share),
        store_problem=seen.store_problem,
        before_buckets=view.buckets,
        after_buckets=basis_points(share),
        caveats=_caveats(seen, view),
        refusal=refusal,
        can_change=can_change(visit, seen.current),
    )


async def override_preview(visit: Visit) -> Response:
    """Show what the kill switch would do, and ask for its confirmation."""
    if (action := visit.parameter("action")) is None:
        return visit.redirect("/rollout")
    return await confirm_override(visit, override_action(action))


async def confirm_override(visit: Visit, action: Action, *, typed: str | None = None) -> Response:
    """Ask for the confirmation; `typed` is a wrong one."""
    current = await visit.site.settings()
    settings = current.settings
    if action == "forward" and settings.legacy_url is None:
        raise Problem(
            409,
            "Nothing can be forwarded: the settings have no `legacy_url`.",
            title="The settings do not allow this",
        )
    thrown = settings.model_copy(update={"rollout_override": OverrideSettings(action=action)})
    return await visit.page(
        "rollout_override.html",
        200 if typed is None else 400,
        action=action,
        what=OVERRIDES[action],
        typed=typed,
        risks=list(override_risks(thrown)),
        override=override_of(settings),
        current=current,
        can_change=can_change(visit, current),
    )


def override_action(given: str | None) -> Action:
    """Return the action that was named; raises `Problem`."""
    for action in OVERRIDES:
        if given == action:
            return action
    raise Problem(400, f"action: choose one of {', '.join(OVERRIDES)}.")


def can_change(visit: Visit, current: CurrentSettings) -> bool:
    """Return True if forms are of use: the file can be written, and is valid."""
    return visit.site.why_readonly() is None and current.problem is None


def parsed_share(given: str | None) -> float:
    """Return a share in percent as it was written; raises `Problem`."""
    found = _SHARE.fullmatch(given or "")
    share = float(found[1]) if found else -1.0
    if found is None or share > _ALL:
        hint = " Write a decimal point." if "," in (given or "") else ""
        raise Problem(
            400,
            f"share: {quoted(given or '')} is not a share. Give a number from 0 to 100, with up to"
            f" two decimals.{hint}",
        )
    if share != round(share, _DECIMALS):
        raise Problem(400, f"share: {quoted(found[1])} has more than two decimals; round it.")
    return share


def found_rule(board: Board, current: CurrentSettings, name: str) -> RuleView:
    """Return a rule by its name; raises `Problem`."""
    if (view := board.find(name)) is not None:
        return view
    nearest = or_rather(name, (rule.name for rule in current.settings.rollout), ".")
    raise Problem(404, f"There is no rule {quoted(name)} in the settings{nearest}")


async def _see(visit: Visit) -> _Seen:
    current = await visit.site.settings()
    server = await visit.site.server.ask()
    settings, problem = current.settings, None
    # The switches are needed most when something is broken.
    patience = visit.site.patience_of_switches
    try:
        async with asyncio.timeout(patience):
            recorded = await visit.site.remembered.get(
                ("rollout", current.version),
                _FRESH_SECONDS,
                lambda: visit.site.query(recorded_traffic, settings, visit.now_ms),
            )
    except TimeoutError:
        recorded = None
        problem = (
            f"The records could not be read within {patience:g} seconds, so there are no numbers."
        )
    except StoreError as exc:
        recorded, problem = None, f"The records cannot be read, so there are no numbers: {exc}."
    guards = await visit.site.run(guard_states, settings, visit.site.reader.path, server)
    board = await visit.site.run(board_of, settings, recorded, guards, visit.now)
    return _Seen(current=current, server=server, board=board, store_problem=problem)


async def _history(visit: Visit, current: CurrentSettings) -> tuple[list[PastChange], str | None]:
    path = visit.site.reader.path
    if path is None:
        return [], "There is no settings file, so there is no history of its changes."

    def read() -> list[Change]:
        return history_of(current.settings.state_dir, path).read()

    try:
        return past_changes(await visit.site.run(read)), None
    except OSError as exc:
        where = current.settings.state_dir
        return [], f"The history in {where} cannot be read: {exc.strerror}."


async def _refusal(visit: Visit, rule: str, share: float) -> str | None:
    """Return why a share cannot be set, so that it is not offered."""
    path, secrets = visit.site.reader.path, visit.site.reader.secrets
    if path is None:
        return None
    try:
        await visit.site.run(try_share, path, rule, share, secrets_dir=secrets)
    except InvalidSettings as exc:
        return str(exc)
    return None


def _caveats(seen: _Seen, view: RuleView) -> list[str]:
    """Return sentences about what the preview cannot know."""
    rule, reach = view.rule, view.reach
    found = list(_caveats_of_rule(rule))
    if reach is not None and reach.nameless and (rule.by or "caller") == "caller":
        found.append(
            "Callers without a name are dealt by their keys, which are not recorded: whether one"
            " is in the share is not known, so its requests count in part. Name it on its page"
            " to know; naming deals it anew, once."
        )
    if seen.board.recorded is not None and seen.board.recorded.newest.has_more:
        found.append(
            f"There were more requests in the last 24 hours than the newest {MOST_READ:,}, from"
            " which this is counted."
        )
    if seen.current.settings.rollout_override is not None:
        found.append("The override is on, so that no rule decides until it is taken back.")
    if view.tripped is not None:
        found.append("Its guard has tripped: the share stays at zero until it is re-armed.")
    return found


def _caveats_of_rule(rule: RuleSettings) -> list[str]:
    found = []
    if headers := unknown_headers(rule.match):
        names = ", ".join(map(quoted, headers))
        found.append(
            f"The rule looks at {names}, which no record has, so the callers below are those whose"
            " requests fit otherwise: fewer may be concerned."
        )
    match rule.by:
        case "user_id":
            what = "by the users of callers (`metadata.user_id`)"
        case "prompt":
            what = "by prompts"
        case "random":
            what = "at random"
        case _:
            return found
    found.append(
        f"This share is dealt {what}, which no record has: every caller is concerned in part, and"
        " the numbers are what is to be expected."
    )
    return found


def _is_configmap(visit: Visit) -> bool:
    """Return True if Kubernetes has mounted the file: it puts a link `..data` beside it."""
    path = visit.site.reader.path
    return path is not None and (path.parent / "..data").is_symlink()
