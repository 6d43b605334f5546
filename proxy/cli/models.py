"""`holdover models`: the table of models, and what each retired name becomes today."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import typer

from proxy.cli.load_config import (
    environment_key_for,
    or_exit,
    policy_or_exit,
    settings_or_exit,
)
from proxy.config.settings import Settings
from proxy.errors import Failure
from proxy.headers import Headers
from proxy.late_log import log_to_stderr
from proxy.model_endings import SOON_DAYS, ending_of
from proxy.terminal import exit_with_error, print_lines, show_table
from translators import (
    UPSTREAM_VERSION,
    Catalogue,
    ListedModel,
    Model,
    UpstreamProtocolError,
    decode_listing,
    differences,
    translate_error,
)

_MODELS_PATH: Final = b"/v1/models?limit=1000"
_SERVED = (
    *("model", "status", "retires", "context", "max output", "prefill", "sampling", "thinking"),
)
_BECOMES = ("name", "retired", "becomes")


def run_models(config: Path | None, *, refresh: bool, check: bool = False) -> None:
    """
    Print the table; with `refresh`, print how upstream's list differs from it instead.

    With `check`, exit with status 1 if it does, because somebody has to act.
    """
    settings = settings_or_exit(config, None)
    catalogue = policy_or_exit(settings).catalogue
    today = datetime.now(UTC).date()
    if refresh:
        import asyncio  # noqa: PLC0415 - few verbs need it

        try:
            with or_exit():
                found = asyncio.run(_compare_with_upstream(catalogue, settings, today))
        except (Failure, UpstreamProtocolError) as exc:
            exit_with_error(f"cannot list the models of {settings.upstream_url}: {exc}", status=1)
        print_lines(*(found or ["The upstream's list agrees with this table of models."]))
        if found and check:
            raise typer.Exit(1)
        return
    day = today.isoformat()
    models = _effective_models(catalogue)
    served = [_row(model, today) for model in models if not model.is_retired(day)]
    retired = [
        (model.id, model.retires or "", catalogue.resolve(model.id, day).id)
        for model in models
        if model.is_retired(day)
    ]
    show_table(_SERVED, served, title=f"Models served on {today}")
    show_table(_BECOMES, retired, title="What retired names become today")
    print_lines(*_retiring_soon(catalogue, day))


def _row(model: Model, today: date) -> tuple[str, ...]:
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


def _retiring_soon(catalogue: Catalogue, today: str) -> list[str]:
    certain: list[str] = []
    possible: list[str] = []
    for model in _effective_models(catalogue):
        ending = ending_of(model, today)
        if ending is None:
            continue
        if ending.is_to_come:
            after = (
                f"{model.successor} takes its place" if model.successor else "no successor is known"
            )
            certain.append(f"{model.id} retires on {ending.day}; {after}.")
        elif not ending.is_certain:
            possible.append(f"{model.id} may retire at any time from {ending.day} on.")
    return [f"Within {SOON_DAYS} days:", *(certain + possible or ["nothing retires."])]


def _effective_models(catalogue: Catalogue) -> list[Model]:
    return [model for model in catalogue.models if catalogue.find(model.id) is model]


async def _compare_with_upstream(
    catalogue: Catalogue, settings: Settings, today: date
) -> list[str]:
    from proxy.config.build import build_runtime_config  # noqa: PLC0415
    from proxy.security.redaction import Digester  # noqa: PLC0415
    from proxy.upstream.client import UpstreamClient  # noqa: PLC0415 - a third of a second
    from proxy.upstream.transport import Timeouts  # noqa: PLC0415

    log_to_stderr()
    upstream = UpstreamClient(settings.upstream_url, Timeouts(read=30))
    # The headers that a request of the server's would have, with its key.
    site = build_runtime_config(settings, Digester(None)).keyring.messages
    headers: Headers = [(b"anthropic-version", UPSTREAM_VERSION.encode()), *site.extra_headers]
    if site.key is not None:
        headers += site.credential(site.key.secret).fields
    elif key := environment_key_for(settings, is_on_loopback=upstream.is_on_loopback):
        headers.append((b"x-api-key", key.encode("latin-1")))
    listed: list[ListedModel] = []
    target = _MODELS_PATH
    try:
        while True:
            answer = await upstream.forward("GET", target, headers, None)
            body = await answer.read()
            if not answer.is_success:
                raise UpstreamProtocolError(translate_error(answer.status, body).message)
            page = decode_listing(body)
            listed += page.data
            if not (page.has_more and page.last_id):
                break
            target = _MODELS_PATH + b"&after_id=" + quote(page.last_id, safe="").encode()
    finally:
        await upstream.close()
    return differences(catalogue, listed, today.isoformat())
