"""`holdover explain`: print what a legacy request becomes, as JSON; nothing is sent."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from proxy.cli.load_config import policy_or_exit, settings_or_exit
from proxy.explanation import as_explanation
from proxy.terminal import exit_with_error, print_lines
from translators import (
    InvalidCompletionRequest,
    as_code,
    decode_completion_request,
    dialect_of,
    plan_request,
)


def run_explain(file: Path, version: str | None, config: Path | None, language: str | None) -> None:
    """Print the plan for the request in a file (`-` for stdin); exit with 1 if it is invalid."""
    settings = settings_or_exit(config, None)
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as exc:
        exit_with_error(f"cannot read {file}: {exc.strerror}")
    try:
        plan = plan_request(
            decode_completion_request(body),
            dialect_of(version),
            policy_or_exit(settings),
            today=datetime.now(UTC).date().isoformat(),
        )
    except InvalidCompletionRequest as exc:
        exit_with_error(str(exc), status=1)
    if language is not None:
        text = as_code(plan, language).removesuffix("\n")
    else:
        text = msgspec.json.format(msgspec.json.encode(as_explanation(plan))).decode()
    print_lines(*text.split("\n"))  # line ends within JSON strings are escaped already
