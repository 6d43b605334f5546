"""What notes become when they are kept; the rest of them is tried end to end."""

import pytest

from proxy.config.build import build_runtime_config
from proxy.config.sources import load_settings
from proxy.exchange.context import ExchangeContext
from proxy.exchange.record_builder import build_record
from proxy.exchange.response_headers import translated_headers
from proxy.security.redaction import Digester, Redactor

OURS, OURS_OF_LEGACY = "our-own-upstream-key", "another-one-of-ours"
SECRET = "a-token-of-no-known-shape"


def notes(path="/v1/complete", **headers: str) -> ExchangeContext:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return ExchangeContext(path=path, headers=sent)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/v1/complete", "/v1/complete"),
        # PostgreSQL takes none.
        ("/a\0b", "/a\ufffdb"),
        ("/\u00e4\0", "/\u00e4\ufffd"),
        ("/half \ud83d of it", "/half ? of it"),
        ("/" + "x" * 300, "/" + "x" * 255),
    ],
)
def test_what_is_kept_can_be_stored(path, kept):
    assert build_record(notes(path), Redactor()).path == kept


@pytest.mark.parametrize("header", ["x_api_key", "authorization"])
def test_a_key_is_found_whatever_it_looks_like_also_where_the_text_is_cut(header):
    value = SECRET if header == "x_api_key" else f"Bearer {SECRET}"
    path = "/" + "x" * 250 + SECRET
    kept = build_record(notes(path, user_agent=f"agent {SECRET}", **{header: value}), Redactor())

    assert kept.user_agent == "agent [key]"
    assert kept.path == "/" + "x" * 250 + "[key]"


@pytest.mark.parametrize(
    ("route", "key"), [("translate", OURS), ("forward", OURS_OF_LEGACY), (None, OURS)]
)
def test_keys_of_ours_are_found_too_and_the_one_that_was_sent_is_known(route, key):
    settings = load_settings(
        upstream_key=OURS, legacy_url="http://legacy.invalid", legacy_key=OURS_OF_LEGACY
    )
    asking = notes(user_agent=f"{OURS} and {OURS_OF_LEGACY}", x_api_key="k")
    asking.caller = build_runtime_config(settings, Digester("d")).keyring.identify(asking.headers)
    asking.route = route
    kept = build_record(asking, Redactor())

    assert kept.user_agent == "[key] and [key]"
    assert kept.key == Digester("d").caller(key.encode())
    assert kept.caller == Digester("d").caller(b"k")


def test_half_a_key_is_none_where_a_text_is_too_long_to_be_looked_through():
    agent = "Bearer " + "z" * 4040 + " " + SECRET * 4
    kept = build_record(notes(user_agent=agent, x_api_key=SECRET * 4), Redactor())

    assert kept.user_agent == "[key] ..."


def test_the_log_has_the_trace_of_a_client_whose_spans_nobody_takes():
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    assert notes(traceparent=f"00-{trace}-00f067aa0ba902b7-01").log_only == {"trace_id": trace}


def test_the_log_has_the_peer_where_it_is_to_be_logged():
    context = notes()
    context.logged_peer = "192.0.2.7"

    assert context.log_only == {"peer": "192.0.2.7"}


def test_what_an_upstream_says_of_a_first_failure_is_redacted():
    failing = notes()
    failing.first_failure = "500 jane@example.com"

    assert build_record(failing, Redactor()).first_failure == "500 [email]"


def test_what_upstream_says_goes_into_headers_as_far_as_it_is_fit_for_one():
    notes = ExchangeContext(path="/v1/complete", headers=[])
    notes.answered_model, notes.upstream_stop_reason = "m\r\nx-evil: 1\u2028", "end_turn"

    headers = dict(translated_headers(notes))

    assert headers[b"holdover-model"] == b"m??x-evil: 1?"
    assert headers[b"holdover-stop-reason"] == b"end_turn"


def test_an_answer_too_long_to_be_compared_is_not_kept():
    context = notes()
    context.answer_copy = []
    for _ in range(33):
        context.keep_answer(bytes(2**20))

    assert context.answer_copy is None
