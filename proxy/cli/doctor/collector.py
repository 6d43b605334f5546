"""Try whether the collector of traces takes spans; none are sent to it."""

from __future__ import annotations

import asyncio
import os
from typing import Final
from urllib.parse import urlsplit

from proxy.cli.doctor.finding import Finding, Level
from proxy.config.settings import Settings

_SECONDS: Final = 5
_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_DEFAULT: Final = "http://localhost:4318"
"""Address of a collector where no variable names one, by the OTLP specification."""


async def try_collector(settings: Settings) -> Finding:
    """Return whether the collector answers as one does."""
    if not settings.traces:
        return Finding(Level.OK, "traces", "none are sent (`traces`)")
    from proxy.observability.spans import collector_takes_spans  # noqa: PLC0415 - needs an extra

    variable = next((name for name in _VARIABLES if os.environ.get(name)), _VARIABLES[-1])
    url = urlsplit(os.environ.get(variable) or _DEFAULT)
    where = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"  # a path or a password may be secret
    if await asyncio.to_thread(collector_takes_spans, _SECONDS):
        return Finding(Level.OK, "traces", f"the collector at {where} takes spans")
    return Finding(
        Level.FAILED,
        "traces",
        f"the collector at {where} took no spans within {_SECONDS} seconds",
        f"start it, or correct {variable}: the address of its OTLP receiver for HTTP",
    )
