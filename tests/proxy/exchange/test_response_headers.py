"""The headers of an answer that Holdover writes."""

from proxy.exchange.context import ExchangeContext
from proxy.exchange.response_headers import translated_headers

PAGE = [
    (b"origin", b"https://app.example"),
    (b"anthropic-dangerous-direct-browser-access", b"true"),
]


def test_what_upstream_says_to_a_page_is_not_said_twice():
    context = ExchangeContext(path="/v1/complete", headers=PAGE, query=b"")
    context.set_response([(b"access-control-allow-origin", b"*")])

    allowed = [value for name, value in translated_headers(context) if b"allow-origin" in name]
    assert allowed == [b"*"]
