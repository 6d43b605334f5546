"""Which of the client's headers go to an upstream, and which end at Holdover."""

import pytest

from proxy.errors import MissingKey
from proxy.headers import Headers
from proxy.security.credentials import Credential
from proxy.security.keyring import Destination
from proxy.upstream.request_headers import (
    forwarded_request_headers,
    translated_request_headers,
    unsent_headers,
)

NO_CREDENTIAL = Credential(b"", b"", b"")
PAGE = [(b"origin", b"https://app.example"), (b"referer", b"https://app.example/chat")]


def to(
    *,
    instead: Headers | None = None,
    kept: frozenset[bytes] = frozenset(),
    extra: tuple[tuple[bytes, bytes], ...] = (),
) -> Destination:
    return Destination(
        url="http://upstream.example",
        credential=NO_CREDENTIAL,
        digest=None,
        instead=instead,
        kept_headers=kept,
        extra_headers=extra,
    )


def translated(*names: str, value: str = "v", kept: frozenset[bytes] = frozenset()) -> list[str]:
    headers = [(name.encode(), value.encode()) for name in names]
    return [name.decode() for name, _ in translated_request_headers(headers, to(kept=kept))]


def forwarded(*names: str) -> list[str]:
    headers = [(name.encode(), b"v") for name in names]
    return [name.decode() for name, _ in forwarded_request_headers(headers, to())]


@pytest.mark.parametrize(
    "name",
    [
        *("x-team", "x-request-id", "x-correlation-id", "x-tenant-id", "x-app-version", "x-trip"),
        *("x-datadog-trace-id", "x-portkey-metadata", "x-amzn-bedrock-guardrailidentifier"),
        *("anthropic-workspace-id", "helicone-property-app", "cf-aig-metadata"),
        *("traceparent", "tracestate", "x-shipping", "x-recipient", "x-render-mode"),
        *("x-now-playing", "x-real-estate-id", "x-edge-case", "x-geo-tenant", "x-proxy-tenant"),
        *("x-original-prompt-id", "x-credential-type", "x-consumer-tier", "x-client-name"),
    ],
)
def test_what_the_application_says_in_headers_of_its_own_goes_on(name):
    assert translated(name) == [name]


@pytest.mark.without_coverage
@pytest.mark.parametrize(
    "name",
    [
        # a browser's
        *("origin", "referer", "sec-fetch-mode", "sec-ch-ua", "sec-gpc", "dnt", "accept-language"),
        *("x-requested-with", "x-csrf-token", "cookie", "cache-control", "pragma", "priority"),
        "anthropic-dangerous-direct-browser-access",
        # a proxy's, a tunnel's, a mesh's
        *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
        *("x-forwarded-client-cert", "x-real-ip", "x-original-host", "x-original-forwarded-for"),
        *("x-envoy-external-address", "x-envoy-attempt-count", "x-request-start", "x-scheme"),
        *("ngrok-skip-browser-warning", "x-ngrok-trace", "tailscale-user-login", "x-b3-traceid"),
        *("x-cluster-client-ip", "x-client-ip", "x-remote-addr", "x-proxyuser-ip"),
        *("x-originating-ip", "x-kong-request-id", "x-consumer-username", "l5d-client-id"),
        # a CDN's or a host's
        *("cf-connecting-ip", "cf-ray", "cf-visitor", "cf-ipcountry", "cdn-loop", "cf-ew-via"),
        *("true-client-ip", "fastly-client-ip", "fastly-ff", "x-fastly-request-id", "x-varnish"),
        *("akamai-origin-hop", "x-akamai-edgescape", "x-akamai-config-log-detail", "x-vercel-id"),
        *("x-azure-clientip", "x-azure-ref", "x-azure-fdid", "x-azure-socketip", "x-arr-log-id"),
        *("x-amzn-trace-id", "x-amz-cf-id", "cloudfront-viewer-address", "x-appengine-user-ip"),
        *(
            "x-cloud-trace-context",
            "fly-client-ip",
            "fly-forwarded-port",
            "x-nf-client-connection-ip",
        ),
        *("incap-client-ip", "x-sucuri-clientip", "x-railway-edge", "disguised-host", "client-ip"),
        # a sign-in's
        *("x-auth-request-email", "x-forwarded-user", "x-ms-client-principal-name"),
        *("cf-access-jwt-assertion", "cf-access-client-secret", "x-goog-iap-jwt-assertion"),
        *("x-webauth-user", "x-authenticated-userid", "x-vouch-idp-accesstoken", "x-vouch-user"),
        *("x-jwt-assertion", "x-arr-clientcert", "x-client-dn", "x-authelia-username"),
        *("x-access-token", "x-id-token", "x-consumer-id", "x-bluecoat-via", "x-replaced-path"),
        *("x-served-by", "x-country-code", "x-remote-host", "x-msisdn"),
        *("x-serverless-authorization", "x-tunnel-authorization", "x-functions-key"),
        *("x-rapidapi-proxy-secret", "x-endpoint-api-userinfo", "x-apigateway-api-userinfo"),
        *("x-replit-user-name", "x-authenticated-groups", "x-github-token"),
        *("x-apigateway-event", "x-amzn-request-context", "x-amzn-lambda-context", "x-amzn-vpc-id"),
        *("x-cdn-forwarded-proto", "x-edgeconnect-midmile-rtt", "x-sigsci-requestid", "x-iws-via"),
        *("x-middleware-subrequest", "x-invoke-path", "x-real-proto", "x-client-port", "x-via"),
        *("x-operamini-phone-ua", "x-chrome-connected", "x-client-data", "x-ja4-fingerprint"),
        # of the client's own request
        *("user-agent", "x-stainless-retry-count", "content-encoding", "accept-encoding", "from"),
        *("if-none-match", "range", "expect", "anthropic-version", "tenant"),
    ],
)
@pytest.mark.parametrize("hyphen", ["-", "_"])
def test_what_describes_the_way_to_holdover_ends_there_in_any_spelling(name, hyphen):
    assert translated(name.replace("-", hyphen)) == []


@pytest.mark.parametrize(
    ("value", "is_an_address"),
    [
        *(("203.0.113.9", True), ("203.0.113.9:4711", True), ("203.0.113.9, 10.0.0.1", True)),
        *(("2001:db8::1", True), ("[2001:db8::1]:443", True), ("::1", True)),
        *(("12:30:45", False), ("1.2.3", False), ("billing", False), ("999.1.1.1", False)),
        *(("", False), ("a:b", False), ("[", False), ("deadbeef", False), ("::", True)),
        *(("unknown, 203.0.113.7", True), ("for=203.0.113.7", True), ('"203.0.113.7"', True)),
        *(("203.0.113.7%eth0", True), ("ip=203.0.113.7;port=1", True), ("203.0.113.7/32", True)),
        *(("[2001:db8::1]", True), ('for="[2001:db8::1]:80"', True), ("v1.2.3.4", False)),
    ],
)
def test_an_address_ends_at_holdover_whatever_its_header_is_called(value, is_an_address):
    assert translated("x-who", value=value) == ([] if is_an_address else ["x-who"])
    for name in ("x-app-version", "x-build", "x-release"):
        assert translated(name, value=value) == [name]


def unsent(*names: str, kept: frozenset[bytes] = frozenset()) -> tuple[str, ...]:
    return unsent_headers([(name.encode(), b"v") for name in names], to(kept=kept))


def test_a_header_of_the_applications_own_that_ends_is_named_once():
    names = ("tenant", "x-team", "Team_Name".lower(), "team-name", "baggage", "anthropic-beta")

    assert unsent(*names) == ("tenant", "team-name", "baggage")
    assert unsent(*names, kept=frozenset({b"tenant"})) == ("team-name", "baggage")


@pytest.mark.parametrize(
    "line",
    [
        # Of each era's SDKs and of other clients' libraries: clients, "Official SDKs, by era".
        "host connection accept user-agent client x-api-key content-type content-length",
        "host accept-encoding accept connection content-type anthropic-sdk anthropic-version",
        "host accept-encoding connection x-stainless-lang x-stainless-timeout anthropic-version",
        "x-stainless-retry-count authorization accept-language sec-fetch-mode user-agent te",
        "connection upgrade http2-settings host content-length user-agent traceparent tracestate",
        "expect content-encoding transfer-encoding trailer cookie range if-match prefer date",
        # A browser's, and of proxies in front.
        "origin referer sec-ch-ua sec-fetch-site dnt priority pragma cache-control save-data",
        "cf-ray cdn-loop true-client-ip forwarded via x-forwarded-for x-real-ip remote-user",
        "fastly-ff l5d-client-id tailscale-user-login cloudfront-viewer-country ssl-client-cert",
        "do-connecting-ip rlnclientipaddr",
        # Of tracers.
        "b3 elastic-apm-traceparent newrelic sentry-trace uber-trace-id",
    ],
)
def test_what_every_client_and_proxy_sends_is_named_nowhere(line: str):
    assert unsent(*line.split()) == ()


def test_what_belongs_to_one_connection_is_named_nowhere():
    headers = [(b"connection", b"close, Hop"), (b"hop", b"1"), (b"tenant", b"2")]

    assert unsent_headers(headers, to()) == ("tenant",)


def test_the_operator_may_keep_more():
    assert translated("tenant", "x-real-ip", "dnt", kept=frozenset({b"tenant", b"x-real-ip"})) == [
        *("tenant", "x-real-ip")
    ]


@pytest.mark.parametrize("make", [translated_request_headers, forwarded_request_headers])
def test_the_operators_own_header_takes_the_place_of_the_clients(make):
    given = [(b"x_team", b"theirs"), (b"x-app", b"a")]

    assert make(given, to(extra=((b"x-team", b"ours"),))) == [
        (b"x-app", b"a"),
        (b"x-team", b"ours"),
    ]


@pytest.mark.parametrize(
    "name",
    ["cf-connecting-ip", "cf-ray", "cf_visitor", "cdn-loop", "true-client-ip", "x-forwarded-for"],
)
def test_a_forwarded_request_has_not_passed_another_cloudflare(name):
    assert forwarded(name, "x-forwarded-proto", "cf-aig-metadata", "accept") == [
        *("x-forwarded-proto", "cf-aig-metadata", "accept")
    ]


@pytest.mark.parametrize(
    ("sign", "goes_on"),
    [
        ([], False),
        ([(b"anthropic-dangerous-direct-browser-access", b"true")], True),
        ([(b"access-control-request-method", b"POST")], True),
    ],
)
def test_an_origin_is_forwarded_only_for_a_page_that_asks_the_api_itself(sign, goes_on):
    sent = forwarded_request_headers([*PAGE, *sign], to())

    assert ((b"origin", b"https://app.example") in sent) == goes_on


def test_credentials_of_other_kinds_only_are_refused():
    with pytest.raises(MissingKey, match="only Bearer tokens") as refused:
        forwarded_request_headers([(b"authorization", b"Basic dTpw")], to())

    assert refused.value.detail == str(refused.value)  # the operator is told the same


def test_no_cookie_goes_beside_a_key_of_ours():
    given = [(b"x-api-key", b"theirs"), (b"cookie", b"session=1"), (b"accept", b"*/*")]
    ours = [(b"x-api-key", b"ours")]

    assert forwarded_request_headers(given, to(instead=ours)) == [
        (b"accept", b"*/*"),
        (b"x-api-key", b"ours"),
    ]
    assert (b"cookie", b"session=1") in forwarded_request_headers(given, to())


@pytest.mark.parametrize("hyphen", [b"-", b"_"])
@pytest.mark.parametrize(
    "name",
    [
        *(b"x-original-url", b"x-original-uri", b"x-override-url", b"x-http-method-override"),
        *(b"x-forwarded-access-token", b"cf-access-jwt-assertion", b"x-amzn-oidc-data"),
        *(b"x-amz-security-token", b"holdover-rule", b"keep-alive"),
    ],
)
def test_what_must_not_go_up_goes_up_in_no_spelling(name, hyphen):
    given = [(name.replace(b"-", hyphen), b"x"), (b"x-team", b"a"), (b"x_team", b"b")]

    assert translated_request_headers(given, to()) == given[1:]
    assert forwarded_request_headers(given, to()) == given[1:]


@pytest.mark.parametrize("name", [b"x-api-key", b"x_api_key", b"X_Api-Key".lower()])
def test_a_key_goes_beside_no_other_however_its_header_is_spelled(name):
    ours = [(b"x-api-key", b"ours")]

    assert forwarded_request_headers([(name, b"theirs")], to(instead=ours)) == ours
