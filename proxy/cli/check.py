"""`holdover check`: validate settings and try the rules offline, without sending anything."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from proxy.cli.load_config import runtime_config_or_exit, settings_or_exit
from proxy.config.digest_key import digest_key_file, read_digest_key
from proxy.config.runtime import RuntimeConfig
from proxy.config.settings import Settings
from proxy.errors import Failure, InvalidSettings
from proxy.exchange.gone_message import gone_message
from proxy.headers import Headers, first
from proxy.report.formatting import one_or_many
from proxy.risks import risks_of, spelled_moment
from proxy.rollout import Question, decide, next_brown_outs, verdict_in_words, verdicts
from proxy.rollout.rule_schema import BASIS_POINTS, Campaign
from proxy.security.keyring import Keyring
from proxy.security.redaction import CALLER_DIGEST
from proxy.server.state_dir import problem_with_state_dir
from proxy.spelling import or_rather
from proxy.terminal import exit_with_error, print_lines, print_to_stderr
from translators import InvalidCompletionRequest, decode_completion_request

_SHOWN_BROWN_OUTS = 3


def run_check(  # noqa: PLR0913, PLR0917 - one argument per option
    config: Path,
    secrets_dir: Path | None,
    request: Path | None,
    header: list[str],
    caller: str | None,
    now: datetime | None,
) -> None:
    """Print a summary of the settings, or how they decide a request; exit with 2 if invalid."""
    settings = settings_or_exit(config, secrets_dir)
    runtime = runtime_config_or_exit(settings)
    at = now.replace(tzinfo=UTC) if now else datetime.now(UTC)
    if not (caller is None or caller in settings.callers or CALLER_DIGEST.fullmatch(caller)):
        nearest = or_rather(caller, settings.callers)  # no rule could match such a name
        exit_with_error(f"--caller: no caller in [callers] is named {caller!r}{nearest}")
    if request is None:
        _print_summary(config, settings, at)
        print_lines(*_digests(settings, runtime.keyring))
        today = at.date().isoformat()
        risks = (*risks_of(settings, config, now=at), *runtime.warnings(today))
        print_to_stderr(*(f"holdover: warning: {risk}." for risk in risks))
        # No error: the file may be meant for another machine, or for another user of this one.
        if (problem := problem_with_state_dir(settings)) is not None:
            print_to_stderr(f"holdover: warning: {problem}")
        return
    try:
        question = _read_question(runtime, request, header, caller, at)
    except (Failure, InvalidSettings, InvalidCompletionRequest) as exc:
        exit_with_error(str(exc))
    _print_decision(runtime, question)
    if caller is not None and question.caller.name is None:
        print_to_stderr(
            "holdover: warning: shares of callers without a name are dealt by their keys, and "
            f"{caller} is only a digest: give the key as `--header 'x-api-key: ...'`, or name it."
        )


def _print_summary(config: Path, settings: Settings, now: datetime) -> None:
    rules = one_or_many(len(settings.rollout), "rule")
    callers = one_or_many(len(settings.callers), "caller")
    print_lines(f"{config} is valid: {rules}, {callers}.")
    for number, rule in enumerate(settings.rollout, 1):
        share = "" if rule.share == 100 else f" {rule.share:g} % by {rule.by or 'caller'}"  # noqa: PLR2004
        match = rule.match.model_dump(exclude_defaults=True)
        pairs = (f"{name} = {json.dumps(value, default=str)}" for name, value in match.items())
        scope = f"requests with {', '.join(pairs)}" if match else "all requests"
        print_lines(f"{number}. {rule.name}: {rule.action}{share}, for {scope}")
        print_lines(*(f"   {line}" for line in _announced(rule.campaign, now)))
    print_lines("Requests that no rule matches: translate.")
    if settings.rollout_override is not None:
        action = settings.rollout_override.action
        print_lines(
            f"OVERRIDE: every request is answered by `{action}`; the rules above are ignored.",
            bold=True,
        )


def _digests(settings: Settings, keyring: Keyring) -> Iterator[str]:
    """Yield what the log shows for the keys that are known here."""
    if settings.digest_key is not None:
        key = "digest_key"
    elif read_digest_key(settings.state_dir) is not None:
        key = f"the key in {digest_key_file(settings.state_dir)}"
    else:
        yield (
            "Digests of keys in the log: not known here. digest_key is not set, and "
            f"{digest_key_file(settings.state_dir)} cannot be read; `serve` makes it at its first "
            "start, and digests change whenever it is lost."
        )
        return
    yield f"Digests of keys in the log are made with {key}; `holdover keys digest` prints others."
    for held in {held.setting: held for held in keyring.held}.values():
        yield f"   {held.digest}  {held.setting}"
    for digest, name in keyring.names.items():
        yield f"   {digest}  the key of {name}"


def _announced(campaign: Campaign, now: datetime) -> Iterator[str]:
    """Yield what a campaign announces, with the dates that come next."""
    for word, moment in (("deprecated", campaign.deprecated), ("sunset", campaign.sunset)):
        if moment is not None:
            past = " (past)" if moment <= now else ""
            yield f"{word}: {spelled_moment(moment)}{past}"
    if not campaign.brown_outs:
        return
    coming = next_brown_outs(campaign, now, _SHOWN_BROWN_OUTS)
    for start, end in coming:
        begun = " (now)" if start <= now else ""
        yield f"brown-out: {spelled_moment(start)} to {spelled_moment(end)}{begun}"
    if not coming:
        yield "brown-outs: all are over"


def _read_question(
    config: RuntimeConfig, file: Path, header: list[str], name: str | None, now: datetime
) -> Question:
    headers: Headers = []
    for line in header:
        header_name, colon, value = line.partition(":")
        if not colon or not header_name.strip():
            raise InvalidSettings(f"--header {line!r} is not a header: write it as `name: value`")
        headers.append((header_name.strip().lower().encode(), value.strip().encode()))
    keyring = config.keyring
    if name is None and (first(headers, b"x-api-key") or first(headers, b"authorization")):
        caller = keyring.identify(headers)
    else:
        caller = keyring.named(name)
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as exc:
        raise InvalidSettings(f"cannot read {file}: {exc.strerror}") from exc
    bucket = secrets.randbelow(BASIS_POINTS)
    return Question(
        caller=caller,
        headers=headers,
        request=decode_completion_request(body).request,
        now=now,
        roll=lambda: bucket,
    )


def _print_decision(config: RuntimeConfig, question: Question) -> None:
    decision = decide(config.rollout, question)
    for verdict in verdicts(config.rollout, question):
        print_lines(verdict_in_words(verdict))
    print_lines(f"{decision.action}, because of: {decision.why.value}", bold=True)
    if decision.action == "refuse":
        today = question.now.date().isoformat()
        print_lines(gone_message(decision, question.request, config.rollout.catalogue, today))
