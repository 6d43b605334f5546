"""Whoever sees the end of an exchange can find it in the journal: it was written before that."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from proxy.simulator import create_simulator
from proxy.traffic import TrafficRecord, journal_directory
from proxy.traffic.journal.segments import CONTENTS, RECORDS, files_of, read_frames
from tests.harness import ProxyUnderTest, body, running_proxy
from tests.servers import serving
from tests.waiting import PATIENCE_SECONDS

FORWARD = {"name": "old", "match": {"header": {"x-case": "old"}}, "action": "forward"}
TRY = FORWARD | {"name": "try", "match": {"header": {"x-case": "try"}}, "on_failure": "translate"}
REFUSE = {"name": "no", "match": {"header": {"x-case": "no"}}, "action": "refuse"}
LAST_WORDS = (b'"stop_reason":"', b"event: error")
NEW = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProxyUnderTest, Path]]:
    state = tmp_path_factory.mktemp("state")
    with (
        serving(create_simulator(legacy_models_alive=True)) as legacy,
        running_proxy(
            state_dir=state, legacy_url=legacy, rollout=[FORWARD, TRY, REFUSE], capture="full"
        ) as holdover,
    ):
        yield holdover, journal_directory(state)


def in_journal(directory: Path, marker: str) -> list[TrafficRecord]:
    texts = (path.read_bytes() for path in files_of(directory, RECORDS))
    pieces = (read_frames(text, is_complete=True) for text in texts)
    decode = msgspec.msgpack.Decoder(TrafficRecord).decode
    records = (decode(payload) for piece in pieces for payload in piece.payloads)
    return [record for record in records if record.user_agent == marker]


def contents_of(directory: Path, id_: str) -> bool:
    return any(id_.encode() in path.read_bytes() for path in files_of(directory, CONTENTS))


def ask_until_its_end(
    holdover: ProxyUnderTest, marker: str, headers: dict[str, str], **fields: object
) -> bytes:
    """Read until a client may take the answer for complete, and not a byte further."""
    host, port = holdover.url.removeprefix("http://").split(":")
    content = json.dumps(body(**fields)).encode()
    given = {"host": "localhost", "x-api-key": "sk-ant-api03-test", "user-agent": marker} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(
            f"POST /v1/complete HTTP/1.1\r\n{head}content-length: {len(content)}\r\n\r\n".encode()
            + content
        )
        said = b""
        while not _is_complete(said):
            piece = connection.recv(65536)
            assert piece, said
            said += piece
    return said


def _is_complete(said: bytes) -> bool:
    head, _, answer = said.partition(b"\r\n\r\n")
    _, found, length = head.lower().partition(b"content-length: ")
    if found:
        return len(answer) == int(length.split(b"\r\n")[0])
    return any(words in answer for words in LAST_WORDS)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("headers", "model"),
    [
        (NEW, "claude-2.1"),
        ({}, "claude-2.1"),
        (NEW | {"x-case": "old"}, "claude-2.1"),
        ({"x-case": "old"}, "claude-2.1"),
        (NEW | {"x-case": "try"}, "claude-2.1"),
        (NEW | {"x-case": "no"}, "claude-2.1"),
        (NEW | {"simulate-error": "529"}, "claude-2.1"),
        (NEW | {"simulate-error": "529", "x-case": "old"}, "claude-2.1"),
        (NEW, 7),
        ({"anthropic-version": "1999-01-01"}, "claude-2.1"),
        ({"x-api-key": ""}, "claude-2.1"),
    ],
    ids=str,
)
def test_a_record_is_there_before_the_last_byte(kept, headers, model, stream):
    holdover, directory = kept
    marker = f"test/{headers}/{model}/{stream}"
    for number in range(5):
        said = ask_until_its_end(
            holdover, f"{marker}/{number}", headers, model=model, stream=stream
        )
        found = in_journal(directory, f"{marker}/{number}")

        assert len(found) == 1
        assert str(found[0].status).encode() in said.partition(b"\r\n")[0]
        if "x-api-key" not in headers:
            assert contents_of(directory, found[0].id)


def test_a_stream_that_fails_is_written_down_before_its_client_is_told(kept):
    holdover, directory = kept
    headers = NEW | {"simulate-error-after-deltas": "2"}
    said = ask_until_its_end(holdover, "test/fails", headers, stream=True)
    (found,) = in_journal(directory, "test/fails")

    assert b"event: error" in said
    assert found.error_type is not None


def test_a_compressed_stream_is_written_down_when_it_ends(kept):
    holdover, directory = kept
    given = {"x-api-key": "k" * 9, "user-agent": "test/gzip", "x-case": "old", "simulate-gzip": "1"}
    for number in range(5):
        answer = holdover.client.post(
            f"{holdover.url}/v1/complete",
            json=body(model="claude-2.1", stream=True),
            headers=NEW | given | {"user-agent": f"test/gzip/{number}"},
        )

        assert answer.headers["content-encoding"] == "gzip"
        assert len(in_journal(directory, f"test/gzip/{number}")) == 1
