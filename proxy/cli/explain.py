"""`holdover explain`: say what a legacy request becomes, in prose or as data; nothing is sent."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from proxy.cli.load_config import policy_or_exit, settings_or_exit
from proxy.explanation import as_explanation, in_prose
from proxy.spelling import or_rather
from proxy.terminal import exit_with_error, print_lines, print_to_stderr
from translators import (
    InvalidCompletionRequest,
    as_code,
    decode_completion_request,
    dialect_of,
    plan_request,
)

Form: TypeAlias = Literal["text", "json"]


def run_explain(
    file: Path, version: str | None, config: Path | None, *, language: str | None, form: Form
) -> None:
    """Print the plan for the request in a file (`-` for stdin); exit with 1 if it is invalid."""
    policy = policy_or_exit(settings_or_exit(config, None))
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as exc:
        exit_with_error(f"cannot read {file}: {exc.strerror}")
    try:
        plan = plan_request(
            decode_completion_request(body),
            dialect_of(version),
            policy,
            today=datetime.now(UTC).date().isoformat(),
        )
    except InvalidCompletionRequest as exc:
        exit_with_error(str(exc), status=1)
    model = plan.sent_model
    if policy.catalogue.find_in_any_spelling(model) is None:
        # On stderr, because stdout may be JSON: what is said of this model is a guess.
        nearest = or_rather(model, policy.catalogue.names)
        print_to_stderr(
            f"holdover: warning: Holdover does not know the model {model!r}{nearest}",
            "It would be asked by this name, and what it takes be learnt from its refusals, or from"
            " `model_facts` in the settings.",
        )
    if language is not None:
        print_lines(*as_code(plan, language).removesuffix("\n").split("\n"))
    elif form == "json":
        text = msgspec.json.format(msgspec.json.encode(as_explanation(plan))).decode()
        print_lines(*text.split("\n"))  # line ends within JSON strings are escaped already
    else:
        print_lines(*in_prose(plan), "")
        print_lines(
            "Nothing was sent. `--format json` shows the whole request, `--code python` the call"
            " that replaces it."
        )
