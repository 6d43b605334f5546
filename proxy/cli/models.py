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
from proxy.model_endings import SOON_DAYS
from proxy.report.model_table import (
    SERVED_COLUMNS,
    ending_in_words,
    endings,
    retired_models,
    served_models,
    served_row,
)
from proxy.terminal import exit_with_error, print_lines, show_table
from translators import (
    UPSTREAM_VERSION,
    Catalogue,
    ListedModel,
    UpstreamProtocolError,
    decode_listing,
    differences,
    translate_error,
)

_MODELS_PATH: Final = b"/v1/models?limit=1000"
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
    served = [served_row(model, today) for model in served_models(catalogue, today)]
    retired = [
        (model.id, model.retires or "", becomes)
        for model, becomes in retired_models(catalogue, today)
    ]
    show_table(SERVED_COLUMNS, served, title=f"Models served on {today}")
    show_table(_BECOMES, retired, title="What retired names become today")
    ending = [ending_in_words(*each) for each in endings(catalogue, today)]
    print_lines(f"Within {SOON_DAYS} days:", *(ending or ["nothing retires."]))


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
