"""The headers of the response to the client, read off what is known of the exchange."""

from __future__ import annotations

from typing import Final

from proxy.exchange.context import ExchangeContext
from proxy.headers import (
    Headers,
    date_header,
    end_to_end,
    first,
    headers_for_a_page,
    passed_down,
)
from proxy.rollout import campaign_headers

_MAX_VALUE_LENGTH: Final = 1024
"""Characters of a header that Holdover adds; far below what any client refuses."""


def translated_headers(context: ExchangeContext) -> Headers:
    """Return the headers of a response that Holdover writes, without those of the body."""
    headers = [*passed_down(context.response_headers), date_header()]
    if first(headers, b"access-control-allow-origin") is None:
        headers += headers_for_a_page(context.headers)
    if first(headers, b"request-id") is None:
        headers.append((b"request-id", context.id.encode()))
    if context.plan is not None and context.plan.adjustments:
        names = ", ".join(context.plan.adjustment_names)
        headers.append((b"holdover-adjustments", _header_value(names)))
    if context.answered_model:
        headers.append((b"holdover-model", _header_value(context.answered_model)))
    if context.upstream_stop_reason:
        headers.append((b"holdover-stop-reason", _header_value(context.upstream_stop_reason)))
    return headers + _rule_headers(context)


def forwarded_headers(context: ExchangeContext) -> Headers:
    """Return the headers of a response that is passed on unchanged."""
    return end_to_end(context.response_headers) + _rule_headers(context)


def _rule_headers(context: ExchangeContext) -> Headers:
    if context.decision is None or context.decision.rule is None:
        return []
    rule = context.decision.rule
    return [(b"holdover-rule", rule.name.encode()), *campaign_headers(rule.campaign)]


def _header_value(text: str) -> bytes:
    """Return an upstream's text in a form that may stand in a header."""
    text = text[:_MAX_VALUE_LENGTH]
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if " " <= c <= "~" else "?" for c in text)
    return text.encode("ascii")
