"""What a legacy request becomes, as JSON; nothing is sent."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import typer

from proxy.app import policy_of
from proxy.cli.serve import settings_or_exit
from translators import (
    EXPLANATIONS,
    InvalidCompletionRequest,
    Plan,
    decode_completion_request,
    dialect_of,
    plan_request,
)


def run_explain(file: Path, version: str | None, config: Path | None) -> None:
    """Print the plan for the request in a file (`-`: standard input); status 1 if it has none."""
    settings = settings_or_exit(config, None)
    body = sys.stdin.buffer.read() if str(file) == "-" else _read_or_exit(file)
    try:
        plan = plan_request(
            decode_completion_request(body),
            dialect_of(version),
            policy_of(settings),
            today=datetime.now(UTC).date().isoformat(),
        )
    except InvalidCompletionRequest as exc:
        typer.echo(f"holdover: {exc}", err=True)
        raise typer.Exit(1) from exc
    typer.echo(msgspec.json.format(msgspec.json.encode(as_explanation(plan))).decode())


def as_explanation(plan: Plan) -> dict[str, object]:
    """A plan in the words of its users."""
    return {
        "request": plan.request,
        "adjustments": [
            {
                "kind": adjustment.kind.value,
                "field": adjustment.field,
                "asked": adjustment.asked,
                "sent": adjustment.sent,
                "why": EXPLANATIONS[adjustment.kind],
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


def _read_or_exit(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        typer.echo(f"holdover: {file}: {exc.strerror}", err=True)
        raise typer.Exit(2) from exc
