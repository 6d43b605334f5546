"""Whatever JSON, numbers and headers upstream answers with: an answer or an error, and a record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.traffic import TrafficRecord, journal_directory
from proxy.traffic.journal.segments import CONTENTS, RECORDS, files_of, read_frames
from tests.faults.matrix import answers
from tests.harness import KEY, V1, V2, ProxyUnderTest, body, frames, running_proxy
from tests.hypothesis_profiles import scaled
from tests.scripted_server import Peer, listening_in_a_thread
from tests.waiting import wait_for

pytestmark = [pytest.mark.faults("upstream"), pytest.mark.without_coverage]

TEXT = "Well, hello."
HUGE = 10**30


@dataclass
class Oddity:
    """What the upstream says next."""

    said: bytes = b""

    async def __call__(self, peer: Peer) -> None:
        """Answer requests until an answer that has no other end than the connection's."""
        while True:
            head = await peer.hear()
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            assert length is not None
            await peer.hear_body(int(length[1]))
            await peer.say(self.said)
            if b"\r\ncontent-length: " not in self.said:
                return


@dataclass
class JournalReader:
    """Reads what comes new into a journal, of which each file only grows."""

    directory: Path
    _ends: dict[Path, int] = field(default_factory=dict[Path, int])

    def new_records(self) -> list[TrafficRecord]:
        """Return the records that have come since the last call."""
        decode = msgspec.msgpack.Decoder(TrafficRecord).decode
        found: list[TrafficRecord] = []
        for path in files_of(self.directory, RECORDS):
            end = self._ends.get(path, 0)
            with path.open("rb") as file:
                file.seek(end)
                piece = read_frames(file.read(), is_complete=False)
            self._ends[path] = end + piece.end
            found += map(decode, piece.payloads)
        return found


@dataclass
class Odd:
    """A proxy, its odd upstream, and the journal of the proxy."""

    proxy: ProxyUnderTest
    upstream: Oddity
    journal: JournalReader
    record: TrafficRecord | None = None
    """The record of the last exchange."""

    def ask(self, said: bytes, *, stream: bool, version: dict[str, str]) -> str | None:
        """
        Ask while the upstream answers like this.

        Return the text of an answer that says it is complete; None for an error.
        There is a record of it, and only one.
        """
        self.upstream.said = said
        url = f"{self.proxy.url}/v1/complete"
        try:
            answer = self.proxy.client.post(url, json=body(stream=stream), headers=KEY | version)
            text = completed_text(answer)
        except httpx.RemoteProtocolError:  # the old dialect has no other error in mid-stream
            assert version is V1
            text = None
        (self.record,) = self.journal.new_records()
        return text


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    state = tmp_path_factory.mktemp("state")
    oddity = Oddity()
    with (
        listening_in_a_thread(oddity) as upstream,
        running_proxy(upstream_url=upstream.url, state_dir=state, capture="full") as proxy,
    ):
        yield Odd(proxy, oddity, JournalReader(journal_directory(state)))


def whole(content: bytes, kind: bytes, status: int = 200, headers: bytes = b"") -> bytes:
    """An HTTP response with this content."""
    return b"HTTP/1.1 %03d Odd\r\ncontent-type: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
        status,
        kind,
        headers,
        len(content),
        content,
    )


def events(*data: object) -> bytes:
    """A Messages stream of these events."""
    return b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in data)


def completed_text(answer: httpx.Response) -> str | None:
    """The text of an answer; None for an error, which has to be well-formed."""
    if answer.headers["content-type"].startswith("application/json"):
        said = answer.json()
        if answer.status_code == 200:
            assert said["stop_reason"] in {"stop_sequence", "max_tokens"}
            return str(said["completion"])
        assert answer.status_code in range(400, 600)
        assert isinstance(said["error"]["type"], str)
        assert isinstance(said["error"]["message"], str)
        assert said["error"]["message"] != "Internal server error"
        return None
    assert answer.status_code == 200
    heard = [data for name, data in frames(answer.content) if isinstance(data, dict)]
    assert heard, answer.content
    if "error" in heard[-1]:
        assert b"Internal server error" not in answer.content
        return None
    assert heard[-1]["stop_reason"] in {"stop_sequence", "max_tokens"}
    is_cumulative = b"event: " not in answer.content
    texts = [event["completion"] for event in heard if event["completion"]]
    return "".join(texts[-1:] if is_cumulative else texts)


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, HUGE, -HUGE, 2**63, 2**64, 10**400, 1e308, -0.5])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KINDS = st.sampled_from([b"application/json", b"text/event-stream", b"text/html"])
VERSIONS = st.sampled_from([V1, V2])


@settings(max_examples=scaled(400, at_least=60))
@given(junk=JUNK, kind=KINDS, stream=st.booleans(), version=VERSIONS)
@example(junk=None, kind=b"application/json", stream=True, version=V2)
@example(junk=[], kind=b"application/json", stream=True, version=V2)
@example(junk={}, kind=b"text/event-stream", stream=True, version=V2)
@example(junk={"id": "m", "stop_reason": "end_turn"}, kind=b"", stream=True, version=V2)
@example(
    junk={"id": "m", "stop_reason": "end_turn", "content": None}, kind=b"", stream=True, version=V2
)
def test_json_that_is_no_message_never_looks_complete(
    odd: Odd, junk: object, kind: bytes, stream: bool, version: dict[str, str]
):
    said = whole(json.dumps(junk).encode(), kind)

    assert odd.ask(said, stream=stream, version=version) is None


MESSAGE = answers.MESSAGE | {"content": [{"type": "text", "text": TEXT}]}
EVENTS = (
    {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": {}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": TEXT},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None},
        "usage": {"output_tokens": 5},
    },
    {"type": "message_stop"},
)
_Path = tuple[Any, ...]


def paths(value: Any, at: _Path = ()) -> Iterator[_Path]:
    """The places of all values inside of a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in inside:
        yield (*at, name)
        if isinstance(one, dict | list | tuple):
            yield from paths(one, (*at, name))


def replaced(value: Any, path: _Path, other: object) -> Any:
    """A copy of a value with another one at a place."""
    if not path:
        return other
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = replaced(changed[path[0]], path[1:], other)
    return changed


@settings(max_examples=scaled(500, at_least=100))
@given(
    path=st.sampled_from(list(paths(MESSAGE))),
    other=JUNK,
    stream=st.booleans(),
    version=VERSIONS,
)
@example(path=("usage", "output_tokens"), other=HUGE, stream=False, version=V2)
@example(path=("content",), other=None, stream=True, version=V2)
def test_a_message_with_an_odd_value_is_an_answer_or_an_error(
    odd: Odd, path: _Path, other: object, stream: bool, version: dict[str, str]
):
    said = json.dumps(replaced(MESSAGE, path, other)).encode()

    text = odd.ask(whole(said, b"application/json"), stream=stream, version=version)

    if "usage" in path:
        assert text is not None
        assert text.strip() == TEXT


@settings(max_examples=scaled(500, at_least=100))
@given(
    path=st.sampled_from(list(paths(EVENTS))), other=JUNK, stream=st.booleans(), version=VERSIONS
)
@example(path=(4, "usage", "output_tokens"), other=HUGE, stream=True, version=V2)
@example(path=(2, "index"), other=HUGE, stream=True, version=V2)
@example(path=(0, "type"), other="error", stream=False, version=V1)
def test_a_stream_with_an_odd_value_is_an_answer_or_an_error(
    odd: Odd, path: _Path, other: object, stream: bool, version: dict[str, str]
):
    said = events(*replaced(EVENTS, path, other))

    text = odd.ask(whole(said, b"text/event-stream"), stream=stream, version=version)

    if "usage" in path or "index" in path:
        assert text is not None
        assert text.strip() == TEXT


STATUSES = st.sampled_from([0, 99, 204, 226, 304, 399, 599, 600, 999]) | st.integers(0, 999)
NAMES = st.sampled_from([b"retry-after", b"retry-after-ms", b"date", b"age", b"x-should-retry"])
VALUES = st.sampled_from(
    [b"1e400", b"-1", b"nan", b"inf", b"9" * 400, b"0x10", b"1_0", b"Thu, 99 Foo 0000", b""]
)


@settings(max_examples=scaled(500, at_least=50))
@given(status=STATUSES, header=st.tuples(NAMES, VALUES), junk=JUNK, stream=st.booleans())
def test_odd_numbers_of_http_are_an_error(
    odd: Odd, status: int, header: tuple[bytes, bytes], junk: object, stream: bool
):
    said = json.dumps({"type": "error", "error": {"type": "api_error", "message": junk}}).encode()
    headers = b"%b: %b\r\n" % header
    response = whole(said, b"application/json", status, headers)
    if status in {204, 304} or status < 200:  # no body may follow
        response = response.partition(b"\r\n\r\n")[0] + b"\r\nconnection: close\r\n\r\n"
        response = response.replace(b"content-length", b"x-length")

    assert odd.ask(response, stream=stream, version=V2) is None


@pytest.mark.parametrize("number", [HUGE, -HUGE, 2**64, 10**400, 1e308])
@pytest.mark.parametrize("stream", [False, True])
def test_bodies_with_odd_numbers_are_kept(odd: Odd, number: float, stream: bool):
    whole_one = whole(json.dumps(MESSAGE | {"x": number}).encode(), b"application/json")
    events_of = whole(
        events(*EVENTS[:-2], EVENTS[-2] | {"x": number}, EVENTS[-1]), b"text/event-stream"
    )

    assert odd.ask(events_of if stream else whole_one, stream=stream, version=V2) is not None
    assert odd.record is not None
    id_, directory = odd.record.id.encode(), odd.journal.directory
    wait_for(lambda: any(id_ in path.read_bytes() for path in files_of(directory, CONTENTS)))


@pytest.mark.measured
@pytest.mark.parametrize("length", [b"-1", b"1e3", b"9" * 19, b"9" * 30, b"9" * 5000, b"5, 6", b""])
def test_an_odd_length_is_an_error(odd: Odd, length: bytes):
    said = b"HTTP/1.1 200 OK\r\nx: y\r\nContent-Length: %b\r\n\r\n{}" % length

    assert odd.ask(said, stream=False, version=V2) is None
