"""
Tables of the client's headers that go to an upstream, and of those that end here, with reasons.

A translated request is a request of Holdover's own. Of the client's headers it keeps what the
application says in headers of its own (`x-team: billing`), and the few others that an API or a
gateway is known to read. What describes the way to Holdover ends: api.anthropic.com answers 401
to a server's request with a browser's origin and 403 to one that has passed another Cloudflare,
and the addresses of callers are nobody else's business. Another header that ends here may be the
application's own, so it is named as an adjustment.

A forwarded request is the client's own, so all goes on but what must not leave or is refused.
Names are lower-case bytes, as ASGI gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from proxy.errors import MissingKey
from proxy.headers import (
    BROWSER_SIGN,
    CREDENTIALS,
    NEVER_FORWARDED,
    OWN_PREFIX,
    PREFLIGHT_SIGN,
    SET_BY_HOLDOVER,
    Headers,
    bearer_token,
    connection_options,
    spelled,
)
from proxy.security.hosts import ip_address_of
from proxy.security.keyring import Destination


class _Group(NamedTuple):
    """Names and prefixes of headers that end here for one reason."""

    names: bytes
    prefixes: bytes = b""


_OF_THE_CLIENTS_OWN_REQUEST: Final = _Group(
    # Replaced in the new request, or about the SDK that wrote the old one.
    b" ".join(sorted(SET_BY_HOLDOVER)) + b" anthropic-sdk client cookie",
    b"x-stainless-",
)
_OF_HTTP: Final = _Group(
    # Of HTTP itself, of browsers' fetches, and of their hints about the device.
    b"a-im alt-used cache-control cookie2 date device-memory digest dnt downlink dpop dpr ect "
    b"early-data forwarded from http2-settings last-modified max-forwards mime-version pragma "
    b"prefer priority purpose range rtt save-data signature signature-input "
    b"upgrade-insecure-requests via viewport-width want-digest warning width",
    b"accept- access-control- content- if- proxy- sec-",
)
_REQUEST_LINE_OVERRIDES: Final = _Group(
    # Some servers use these in place of the method and path, which are what Holdover has checked.
    b"x-original-url x-original-uri x-rewrite-url x-override-url x-forwarded-prefix "
    b"x-http-method x-http-method-override x-method-override"
)
_AWS_SIGNATURES: Final = _Group(b"", b"x-amz-")  # valid for one host only
_SIGN_INS: Final = _Group(
    # Keys, tokens and names of users for a proxy, tunnel or gateway in front of Holdover.
    b"x-forwarded-access-token x-forwarded-authorization x-goog-iap-jwt-assertion x-userinfo "
    b"x-serverless-authorization x-endpoint-api-userinfo x-apigateway-api-userinfo x-functions-key "
    b"x-firebase-appcheck x-github-token "
    b"x-remote-user x-webauth-user x-access-token "
    b"x-id-token x-jwt-assertion x-client-dn x-client-verify x-client-cert x-credential-identifier "
    b"x-anonymous-consumer x-consumer-id x-consumer-username x-consumer-custom-id "
    b"x-consumer-groups",
    b"cf-access- x-auth-request- x-amzn-oidc- x-ms-token- x-ms-client-principal "
    b"x-goog-authenticated-user- x-pomerium- x-authentik- x-authelia- x-vouch- x-tailscale- "
    b"x-authenticated- x-replit-user- x-rapidapi- x-mashape- x-tunnel-",
)
_BROWSERS: Final = _Group(
    # The page, the reader and the session that a browser speaks for.
    b"origin referer x-requested-with x-csrf-token x-csrftoken x-xsrf-token x-client-data "
    b"x-do-not-track x-moz x-purpose x-device-user-agent x-original-user-agent " + BROWSER_SIGN,
    b"x-chrome- x-operamini- x-ucbrowser-",
)
_PROXIES_WITHOUT_X: Final = _Group(
    # What proxies, CDNs and sign-ins call without an `x-`.
    b"client-ip disguised-host front-end-https rlnclientipaddr surrogate-capability",
    b"akamai- ali- cdn- cloudfront- do-connecting- eagleeye- fastly- fly- incap- l5d- ngrok- oidc- "
    b"remote- ssl- "
    b"tailscale- tls- true-client- wl-proxy-",
)
_TRACERS: Final = _Group(
    # What tracers and meshes add by themselves, besides the standard `traceparent`.
    b"b3 elastic-apm-traceparent newrelic sentry-trace uber-trace-id"
)
_CLOUDFLARE: Final = _Group(b"cdn-loop true-client-ip", b"cf-")
_PROXIES: Final = _Group(
    # What proxies, tunnels, meshes and CDNs say about themselves, their client and the way.
    b"x-forwarded x-scheme x-url-scheme x-host x-real-host x-real-port x-real-scheme "
    b"x-original-host x-original-proto x-original-for x-original-forwarded-for x-original-method "
    b"x-remote-host x-replaced-path x-served-by x-request-start x-queue-start x-cdn "
    b"x-site-deployment-id x-waws-unencoded-url x-cloud-trace-context x-amzn-trace-id "
    b"x-amzn-requestid x-amzn-request-context x-uidh x-msisdn x-att-deviceid "
    b"x-proto x-real-proto x-client-port x-client-scheme x-timer x-matched-path x-nws-log-uuid "
    b"x-imforwards x-ja3 x-ja4 "
    b"x-wap-profile x-varnish x-iinfo x-proxy-id x-geo-country x-geo-city x-geo-region "
    b"x-geo-latitude x-geo-longitude x-country-code x-edge-location x-edge-request-id "
    b"x-now-id x-now-trace x-now-deployment-url x-render-origin-server",
    b"x-forwarded- x-envoy- x-istio- x-b3- x-appengine- x-gfe- x-google- x-azure- x-fd- x-arr- "
    b"x-appservice- x-vercel- x-nf- x-railway- x-heroku- x-fastly- x-akamai- x-sucuri- x-ngrok- "
    b"x-bluecoat- x-amzn-tls- x-amzn-mtls- x-amzn-waf- x-kong- x-traefik- x-nginx- x-haproxy- "
    b"x-tls- x-ssl- x-zscaler- x-geoip- x-client-geo- x-cloudfront- x-ingress- "
    b"x-cdn- x-edgeconnect- x-sigsci- x-apigateway- x-amzn-apigateway- x-amzn-vpc x-amzn-lambda- "
    b"x-middleware- x-invoke- x-nextjs- x-pinggy- x-ja3- x-ja4- x-gravitee-",
)
_NAMED_FOR_THE_WAY: Final = re.compile(
    rb"x-(?:.+-)?(?:ips?|ipaddress|clientip|remoteip|realip|userip|socketip|addr|remoteaddr)(?:-.+)?"
    rb"|x-(?:.+-)?via"
)
_MAY_BE_AN_ADDRESS: Final = re.compile(rb"(?=.*[.:])[0-9a-fA-F.:]{2,53}")
_WORDS: Final = re.compile(rb"[\s,;=\"'()<>/%|\[\]]+")
_VERSIONS: Final = (b"version", b"-build", b"-release")
"""Endings of names whose values may look like an address without being one: `10.4.2.1`."""

_ENDING: Final = (
    *(_OF_THE_CLIENTS_OWN_REQUEST, _REQUEST_LINE_OVERRIDES, _AWS_SIGNATURES, _SIGN_INS),
    *(_OF_HTTP, _BROWSERS, _CLOUDFLARE, _PROXIES, _PROXIES_WITHOUT_X, _TRACERS),
)
_READ_BY_GATEWAYS: Final = (
    # Of gateways that an `upstream_url` may name, and of `holdover simulate`.
    *(b"helicone-", b"cf-aig-", b"simulate-"),
)
_PASSING_NAMES: Final = frozenset(b"traceparent tracestate".split())
"""The application's trace, so that a gateway in front of the model can be part of it."""
_PASSING_PREFIXES: Final = (
    b"x-",  # the application's own
    b"anthropic-",  # of the Messages API, such as `anthropic-workspace-id`
    *_READ_BY_GATEWAYS,
)

_MUST_NOT_LEAVE: Final = (_REQUEST_LINE_OVERRIDES, _AWS_SIGNATURES, _SIGN_INS)
_REFUSED: Final = _Group(
    # A Cloudflare refuses requests that say they have passed another, and those with two
    # `x-forwarded-for` or a long one (its error 1000).
    _CLOUDFLARE.names + b" x-forwarded-for",
    _CLOUDFLARE.prefixes,
)
_SPEAKS_FOR_A_PAGE: Final = (
    # The API answers a page's own request with CORS headers, and refuses any other that has an
    # origin.
    BROWSER_SIGN,
    PREFLIGHT_SIGN,
)

_NOT_FOR_UPSTREAM: Final = (
    "authorization: Holdover forwards only Bearer tokens to the upstream, not Basic credentials or "
    "AWS signatures. Send an API key as x-api-key, or as Authorization: Bearer."
)


def _names(groups: Iterable[_Group]) -> frozenset[bytes]:
    return frozenset(name for group in groups for name in group.names.split())


def _prefixes(groups: Iterable[_Group]) -> tuple[bytes, ...]:
    return (OWN_PREFIX, *(prefix for group in groups for prefix in group.prefixes.split()))


_ENDING_NAMES: Final = NEVER_FORWARDED | CREDENTIALS | _names(_ENDING)
_ENDING_PREFIXES: Final = _prefixes(_ENDING)
_NOT_FORWARDED_NAMES: Final = NEVER_FORWARDED | {b"host"} | _names((*_MUST_NOT_LEAVE, _REFUSED))
_NOT_FORWARDED_PREFIXES: Final = _prefixes((*_MUST_NOT_LEAVE, _REFUSED))


def translated_request_headers(headers: Headers, to: Destination) -> Headers:
    """Return the headers of a legacy request that its translation keeps, and the operator's own."""
    dropped = connection_options(headers) | {name for name, _ in to.extra_headers}
    kept = [
        (name, value)
        for name, value in headers
        if (plain := spelled(name)) not in dropped
        and (plain in to.kept_headers or _is_the_applications_own(plain, value))
    ]
    return [*kept, *to.extra_headers]


def unsent_headers(headers: Headers, to: Destination) -> tuple[str, ...]:
    """Return the names of the application's own headers that its translation does not keep."""
    names = {spelled(name): None for name, _ in headers}
    expected = connection_options(headers) | to.kept_headers | _ENDING_NAMES | _PASSING_NAMES
    return tuple(
        name.decode("latin-1")
        for name in names
        if name not in expected
        and not name.startswith(_PASSING_PREFIXES)
        and not name.startswith(_ENDING_PREFIXES)
    )


def _is_the_applications_own(name: bytes, value: bytes) -> bool:
    if name in _PASSING_NAMES or name.startswith(_READ_BY_GATEWAYS):
        return True
    return (
        name.startswith(_PASSING_PREFIXES)
        and name not in _ENDING_NAMES
        and not name.startswith(_ENDING_PREFIXES)
        and not _NAMED_FOR_THE_WAY.fullmatch(name)
        and (name.endswith(_VERSIONS) or not any(map(_is_an_address, _WORDS.split(value))))
    )


def _is_an_address(word: bytes) -> bool:
    """Return True for an IP address, also with a port, a zone or a mask."""
    if not _MAY_BE_AN_ADDRESS.fullmatch(word):
        return False
    host = word.decode("ascii")
    if host.count(":") == 1:
        host = host.partition(":")[0]
    return ip_address_of(host) is not None


def forwarded_request_headers(headers: Headers, to: Destination) -> Headers:
    """
    Return the headers of a forwarded request, and the operator's own.

    The upstream may see only API keys and bearer tokens. Raises `MissingKey` if the
    client has sent credentials of other kinds only.
    """
    dropped = _NOT_FORWARDED_NAMES | connection_options(headers)
    dropped |= {name for name, _ in to.extra_headers}
    if not any(name in _SPEAKS_FOR_A_PAGE for name, _ in headers):
        dropped |= {b"origin"}
    if to.instead is not None:  # a cookie may be a credential, too
        dropped |= {b"cookie"}
    credentials: Headers = []
    rest: Headers = []
    for name, value in headers:
        plain = spelled(name)
        if plain in CREDENTIALS:
            credentials.append((name, value))
        elif plain.startswith(_READ_BY_GATEWAYS) or not (
            plain in dropped or plain.startswith(_NOT_FORWARDED_PREFIXES)
        ):
            rest.append((name, value))
    rest += to.extra_headers
    if to.instead is not None:
        return rest + to.instead
    fit = [
        (name, value)
        for name, value in credentials
        if spelled(name) != b"authorization" or bearer_token(value) is not None
    ]
    if credentials and not fit:
        raise MissingKey(_NOT_FOR_UPSTREAM)
    return rest + fit
