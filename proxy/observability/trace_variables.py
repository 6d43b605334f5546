"""Try whether OpenTelemetry starts with its variables (`OTEL_...`) as they are."""

from __future__ import annotations

import logging

from proxy.errors import InvalidSettings


def check_trace_variables() -> None:
    """Raise `InvalidSettings` if it does not; what it only warns of, the workers log."""
    sdk_log = logging.getLogger("opentelemetry")
    sdk_log.handlers, sdk_log.propagate = [logging.NullHandler()], False
    try:
        from proxy.observability.spans import new_provider  # noqa: PLC0415 - this may fail, too

        new_provider("").shutdown()
    except Exception as exc:  # which one depends on the variable
        raise InvalidSettings(
            f"traces: OpenTelemetry finds fault with one of its variables `OTEL_...`: {exc}:"
            " correct or unset it"
        ) from exc
