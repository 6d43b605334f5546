"""`holdover migrate`: rewrite the source of programs that call the legacy API."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from proxy.cli.load_config import policy_or_exit, settings_or_exit
from proxy.cli.migrate_evidence import period_or_exit, with_evidence
from proxy.migrate import Target, Verdict
from proxy.migrate.files import CannotWrite, FileResult, Skipped, examine_file, write_result
from proxy.migrate.reports import annotation_of, as_json, as_sarif, diff_of, in_lines, summary
from proxy.migrate.tree import LeftOut, files_under
from proxy.terminal import counting, exit_with_error, print_bytes, print_lines, print_to_stderr

Mode: TypeAlias = Literal["show", "diff", "write", "check"]
Form: TypeAlias = Literal["terminal", "json", "sarif", "github"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options of the command."""

    mode: Mode
    form: Form
    config: Path | None
    models: Sequence[str]
    sdk: int
    since: str | None = None
    """From when recorded requests are matched with calls that are left by hand; None for not."""
    demo: bool = False
    secrets: Path | None = None


def run_migrate(paths: Sequence[Path], choices: Choices) -> None:
    """Examine the files, and show, diff or write; exit with 1 if `--check` finds any left."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        exit_with_error(f"there is no {missing[0]}")
    target = _target(choices)
    period = None if choices.since is None else period_or_exit(choices.since)
    left_out = LeftOut()
    results: list[FileResult] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    with counting("files") as count:
        for path in files_under(paths, left_out):
            count()
            key = os.path.realpath(path)
            found = examine_file(path, target) if key not in seen else None
            if isinstance(found, Skipped):
                skipped.append(found)
            elif found is not None and found.findings:
                seen.add(key)
                results.append(found)
    results.sort(key=lambda result: result.path.as_posix())
    if period is not None and choices.mode != "diff":  # a diff has no place for it
        results = with_evidence(results, period, choices.config, choices.secrets, demo=choices.demo)
    _act(results, choices)
    _say_what_was_left_out(left_out, skipped)
    if choices.mode == "check" and results:
        raise SystemExit(1)


def _target(choices: Choices) -> Target:
    policy = policy_or_exit(settings_or_exit(choices.config, None))
    named: dict[str, str] = {}
    for each in choices.models:
        old, equals, new = each.partition("=")
        if not (old and equals and new):
            exit_with_error(f"--model takes OLD=NEW, not {each!r}")
        named[old] = new
    catalogue = replace(policy.catalogue, overrides={**named, **policy.catalogue.overrides})
    return Target(
        policy=replace(policy, catalogue=catalogue),
        today=datetime.now(UTC).date().isoformat(),
        sdk=choices.sdk,
    )


def _act(results: list[FileResult], choices: Choices) -> None:
    if choices.mode == "diff":
        _show_diffs(results)
        return
    if choices.mode == "write":
        results = _written(results)
    _report(results, choices)


def _report(results: list[FileResult], choices: Choices) -> None:
    if choices.form in {"json", "sarif"}:
        data = as_json(results) if choices.form == "json" else as_sarif(results)
        text = msgspec.json.format(msgspec.json.encode(data)).decode()
        print_lines(*text.split("\n"))
        return
    if choices.form == "github":
        for result in results:
            print_lines(*(annotation_of(result.path, each) for each in result.findings))
        return
    for result in results:
        print_lines(*in_lines(result))
    print_lines(summary(results))
    changed = any(result.before != result.after for result in results)
    if changed and choices.mode == "show":
        print_lines("Nothing was changed: --diff shows what would be, --write does it.")


def _show_diffs(results: list[FileResult]) -> None:
    pieces: list[bytes] = []
    changed = [result for result in results if result.before != result.after]
    root = _root_of_names(changed)
    for result in changed:
        piece = diff_of(result, Path(os.path.relpath(result.path, root)).as_posix())
        if piece is None:
            print_to_stderr(
                f"holdover: {result.path} is not in the diff, which would show a key that is "
                "written in it; --write changes the file"
            )
        else:
            pieces.append(piece)
    by_hand = sum(each.verdict is Verdict.BY_HAND for result in results for each in result.findings)
    if by_hand:
        print_to_stderr(f"holdover: {by_hand} more to do by hand; without --diff they are listed")
    print_bytes(b"".join(pieces))


def _root_of_names(changed: Sequence[FileResult]) -> str:
    """Return where names in a diff begin: here, or above, as `git apply` takes no `..`."""
    here = os.getcwd()
    root = os.path.commonpath([here, *(os.path.abspath(result.path) for result in changed)])
    if root != here:
        print_to_stderr(f"holdover: names in the diff begin in {root}: apply it there")
    return root


def _written(results: list[FileResult]) -> list[FileResult]:
    """Write the files that can be written; return the results but for those that cannot."""
    written: list[FileResult] = []
    failed = False
    for result in results:
        if result.before != result.after:
            try:
                write_result(result)
            except CannotWrite as exc:
                print_to_stderr(f"holdover: {result.path} is not written: {exc}")
                failed = True
                continue
        written.append(result)
    if failed:
        print_to_stderr("holdover: commit these files or put them aside, and run it again")
    return written


def _say_what_was_left_out(left_out: LeftOut, skipped: list[Skipped]) -> None:
    for each in skipped:
        print_to_stderr(f"holdover: {each.path} was left out: {each.reason}")
    counted = ", ".join(f"{count:,} {reason}" for reason, count in left_out.counts.items())
    if counted:
        print_to_stderr(f"holdover: left out: {counted}")
