"""Which trace a request says that it belongs to."""

import pytest

from proxy.headers import Headers
from proxy.trace_context import RemoteSpan, remote_span

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def headers(*parents: str, state: str | None = None) -> Headers:
    given = [(b"traceparent", each.encode()) for each in parents]
    return given if state is None else [*given, (b"tracestate", state.encode())]


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f"00-{TRACE}-{SPAN}-01", 1),
        (f"00-{TRACE}-{SPAN}-ff", 3),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", 1),
    ],
)
def test_the_span_of_a_client_is_read_in_any_version(parent: str, flags: int):
    assert remote_span(headers(parent)) == RemoteSpan(TRACE, SPAN, flags, "")


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_a_malformed_one_counts_as_none(parent: str):
    assert remote_span(headers(parent, state="of=nobody")) is None


def test_two_parents_count_as_none():
    assert remote_span(headers(f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01")) is None
    assert remote_span([]) is None


@pytest.mark.parametrize(("length", "kept"), [(512, True), (513, False)])
def test_a_state_is_kept_up_to_512_characters(length: int, kept: bool):
    state = "v=" + "x" * (length - 2)
    span = remote_span(headers(f"00-{TRACE}-{SPAN}-01", state=state))

    assert span == RemoteSpan(TRACE, SPAN, 1, state if kept else "")
