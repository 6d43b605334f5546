"""What is kept of what was said: all of it that may be, and nothing that may not."""

import asyncio
import gzip
import json
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from proxy.security.redaction import Digester, Redactor
from proxy.traffic import BodyCapture, Content, JournalWriter, decompress
from proxy.traffic.redact_bodies import (
    BodyRecorder,
    ExchangeBodies,
    ShadowAnswer,
    content_of,
    content_of_shadow,
)
from tests.waiting import PATIENCE_SECONDS
from translators import Policy, decode_completion_request, dialect_of, plan_request

KEY, MAIL = "sk-ant-api03-secret-enough", "canary@example.com"
SECRET = "not-in-the-shape-of-a-key"
V1, V2 = dialect_of(None), dialect_of("2023-06-01")
DIGESTER = Digester("d")


class Journal(JournalWriter):
    """Keeps contents where a test can look."""

    def __init__(self) -> None:
        self.kept: list[Content] = []
        self.given_up: list[int] = []

    def add_content(self, content: Content) -> None:
        self.kept.append(content)

    def give_up_content(self, size: int) -> None:
        self.given_up.append(size)


def spoken(asked: bytes = b"{}", back: Any = (), reply: Any = (), **fields: Any) -> ExchangeBodies:
    capture = BodyCapture(level=fields.pop("level", "full"), started=0.0, legacy_in=asked)
    capture.begin_attempt(repeats=fields.pop("repeats", False))
    for moment, piece in enumerate(back):
        capture.messages_back.take(moment, piece)
    for moment, piece in enumerate(reply):
        capture.legacy_back.take(moment, piece)
    given: dict[str, Any] = {
        "id": "i",
        "received": "r",
        "capture": capture,
        "plan": None,
        "dialect": V2,
        "reply_headers": [],
        "hide": Redactor().hiding([SECRET, "short"]),
    }
    return ExchangeBodies(**(given | fields))


def compared(text: str, **fields: Any) -> ShadowAnswer:
    given: dict[str, Any] = {
        "id": "i",
        "received": "r",
        "leg": "shadow",
        "level": "full",
        "stop_reason": "stop_sequence",
        "hide": Redactor().hiding([SECRET]),
    }
    return ShadowAnswer(text=text, **(given | fields))


def texts(said: ExchangeBodies) -> dict[str, str]:
    """By part."""
    bodies = content_of(said, DIGESTER).bodies
    return {body.part: decompress(body.data or b"").decode() for body in bodies}


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (b'{"prompt":"to canary@example.com"}', '{"prompt":"to [email]"}'),
        # The same as an encoder may spell it.
        (b'{"prompt":"to canary\\u0040example.com"}', '{"prompt":"to [email]"}'),
        (b'{"canary@example.com":1}', '{"[email]":1}'),
        (b'{"a":[{"b":"sk-ant-api03-secret-enough"}]}', '{"a":[{"b":"[key]"}]}'),
        (b'{"a":4111111111111111,"b":41}', '{"a":"[card]","b":41}'),
        (b'{"a":true,"b":null,"c":0.5}', '{"a":true,"b":null,"c":0.5}'),
        (b'{"a":"not-in-the-shape-of-a-key","b":"short"}', '{"a":"[key]","b":"short"}'),
        (b'\xef\xbb\xbf{"a":"\\ncanary\\u0040example.com"}', '{"a":"\\n[email]"}'),
        # What a value is called may say what it is.
        (b'{"password":"hunter2","x":"hunter2"}', '{"password":"[password]","x":"hunter2"}'),
        (b'{"password":"hun\\"ter2"}', '{"password":"[password]"}'),
        (b'{"phones":["030 901820",2125550187]}', '{"phones":["[phone]","[phone]"]}'),
        (b'{"jane@example.com":"hi","password":null}', '{"[email]":"hi","password":null}'),
        (b'{"password":"' + b"a1 " * 99 + b'"}', '{"password":"' + "a1 " * 99 + '"}'),
        # No JSON: text, read in case it hides something.
        (b'{"a": "canary\\u0040example.com"', '{"a": "[email]"'),
        (b'{"a": "\\ud83d\\udc4d \\u0000 \\u0041', '{"a": "\\ud83d\\udc4d \\u0000 \\u0041'),
        (
            b'{"a": "\\ud83d\\udc4d \\\\u0040 \\u0022 canary@example.com',
            '{"a": "\\ud83d\\udc4d \\\\u0040 \\u0022 [email]',
        ),
        (b"\xff canary@example.com", "\ufffd [email]"),
        (b"[" * 5000, "[" * 5000),
        (b"", ""),
    ],
)
def test_a_request_is_kept_without_what_may_not_be(asked, kept):
    assert texts(spoken(asked)) == {"legacy_in": kept}


def test_what_is_split_over_events_is_found_all_the_same():
    pieces = [
        f'data: {{"completion":"{part}"}}\n\n'.encode()
        for part in ("to can", "ary@ex", "ample.com")
    ]
    kept = texts(spoken(reply=pieces))

    assert kept["legacy_back"] == '{"completion":"to [email]"}'


def test_a_stream_is_kept_whole_with_the_time_of_each_event():
    start = b'data: {"type":"message_start","message":{"id":"m"}}\n\n'
    block = b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n'
    delta = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}'
    text = b"data: " + delta + b"\n\n"
    (_, body) = content_of(spoken(back=[start, block, text]), DIGESTER).bodies

    assert decompress(body.data or b"") == b'{"id":"m","content":[{"type":"text","text":"Hi"}]}'
    assert msgspec.json.decode(decompress(body.timing or b"")) == [
        [0, "message_start", 0],
        [1, "content_block_start", 0],
        [2, "content_block_delta", 2],
    ]
    assert body.size == len(start + block + text)


def test_the_old_dialect_repeats_itself_and_what_is_kept_does_not():
    pieces = [b'data: {"completion":" Hi"}\r\n\r\n', b'data: {"completion":" Hi you"}\r\n\r\n']

    assert texts(spoken(reply=pieces, dialect=V1))["legacy_back"] == '{"completion":" Hi you"}'
    assert texts(spoken(reply=pieces, dialect=None))["legacy_back"] == '{"completion":" Hi you"}'


def test_what_was_passed_on_compressed_is_read():
    packed = gzip.compress(b'{"completion":"to canary@example.com"}')
    headers = [(b"content-encoding", b"gzip")]
    kept = texts(spoken(reply=[packed[:9], packed[9:]], reply_headers=headers))

    assert kept["legacy_back"] == '{"completion":"to [email]"}'


def test_what_cannot_be_decompressed_is_called_that():
    headers = [(b"content-encoding", b"gzip")]

    assert texts(spoken(reply=[b"no gzip"], reply_headers=headers))["legacy_back"] == (
        "(not kept: the compressed body could not be decompressed)"
    )


def test_a_digest_tells_what_is_the_same_and_nothing_else():
    one, other = (content_of(spoken(asked, level="digest"), DIGESTER) for asked in (b"a", b"b"))
    again = content_of(spoken(b"a", level="full"), DIGESTER)

    assert one.bodies[0].data is None
    assert (one.bodies[0].size, one.bodies[0].digest) == (1, again.bodies[0].digest)
    assert one.bodies[0].digest != other.bodies[0].digest
    assert Digester("other").body(b"a") != one.bodies[0].digest


@pytest.mark.parametrize(("leg", "part"), [("shadow", "shadow_back"), ("control", "control_back")])
def test_the_answer_of_a_shadow_is_kept_like_one_that_a_client_got(leg, part):
    text = f' "Grüße"\n🌳 to {MAIL}, {SECRET}'
    content = content_of_shadow(compared(text, leg=leg), DIGESTER)
    (body,) = content.bodies

    assert (content.id, content.received, body.part, body.timing) == ("i", "r", part, None)
    kept = decompress(body.data or b"").decode()
    assert json.loads(kept) == {
        "completion": ' "Grüße"\n🌳 to [email], [key]',
        "stop_reason": "stop_sequence",
    }
    assert body.size > len(kept)


def test_of_a_shadow_too_only_a_digest_may_be_kept():
    one, other, full = (
        content_of_shadow(compared(text, level=level), DIGESTER).bodies[0]
        for text, level in (("Hi", "digest"), ("Ho", "digest"), ("Hi", "full"))
    )

    assert (one.data, one.size) == (None, full.size)
    assert one.digest == full.digest != other.digest


@pytest.mark.parametrize("start", [b": hello\n\n", b"\n", b"\xef\xbb\xbf", b"retry: 100\n\n"])
def test_a_stream_may_begin_with_what_says_nothing(start):
    pieces = [b'data: {"completion":"to can"}\n\n', b'data: {"completion":"ary@example.com"}\n\n']

    assert texts(spoken(reply=[start, *pieces]))["legacy_back"] == '{"completion":"to [email]"}'


def test_a_stream_that_repeats_itself_is_remembered_by_its_end():
    pieces = [
        f'data: {{"completion":"{"x" * size}"}}\r\n\r\n'.encode() for size in range(0, 900, 9)
    ]
    end = b"data: [DONE]\r\n\r\n"
    said = spoken(reply=[*pieces, end], dialect=V1, repeats=True)
    (_, body) = content_of(said, DIGESTER).bodies

    assert len(said.capture.legacy_back.chunks) == 4
    assert decompress(body.data or b"") == b'{"completion":"%s"}' % (b"x" * 891)
    timing = msgspec.json.decode(decompress(body.timing or b""))
    assert timing[:3] == [
        [0, "completion", len(pieces[0])],
        [1, "completion", 9],
        [2, "completion", 9],
    ]
    assert timing[-1] == [100, "completion", 0]
    assert body.size == sum(map(len, pieces)) + len(end)
    whole = content_of(spoken(reply=[*pieces, end], dialect=V1), DIGESTER).bodies[1]
    assert (whole.digest, whole.data) == (body.digest, body.data)


@pytest.mark.anyio
async def test_what_is_little_is_written_at_once_and_what_is_much_beside():
    journal = Journal()
    writer = BodyRecorder(journal, DIGESTER)
    await writer.write(spoken(b"little"))
    at_once = len(journal.kept)
    await writer.write(spoken(b"x y " * 500_000))
    await writer.write(spoken(b"little too"))
    beside = [content.bodies[0].size for content in journal.kept]
    await asyncio.to_thread(writer.close)

    assert at_once == 1
    assert beside == [6, 10]
    assert [content.bodies[0].size for content in journal.kept] == [6, 10, 2_000_000]


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.anyio
async def test_nobody_waits_long_for_what_is_ahead_of_him():
    journal = Journal()
    writer = BodyRecorder(journal, DIGESTER)
    ahead = [writer.write(spoken(b"x y " * 16_000)) for _ in range(400)]
    await asyncio.wait_for(asyncio.gather(*ahead), timeout=PATIENCE_SECONDS)
    written = len(journal.kept)
    await asyncio.to_thread(writer.close)

    assert written < 400
    assert len(journal.kept) == 400


@pytest.mark.anyio
async def test_what_was_too_long_to_remember_is_given_up_aloud():
    journal = Journal()
    long = spoken()
    long.capture.capture_reply(b"x" * 70_000_000)
    long.capture.capture_upstream(b"x")
    writer = BodyRecorder(journal, DIGESTER)
    await writer.write(long)
    writer.close()

    assert (journal.kept, journal.given_up) == ([], [70_000_005])
    assert long.capture.legacy_back.chunks == long.capture.messages_back.chunks == []


@pytest.mark.anyio
async def test_more_than_can_be_worked_off_is_given_up_aloud():
    journal = Journal()
    writer = BodyRecorder(journal, DIGESTER)
    for _ in range(4):
        await writer.write(spoken(b"a b " * 10_000_000, level="digest"))
    writer.close()

    assert len(journal.given_up) == 3


@pytest.mark.without_coverage
@pytest.mark.anyio
async def test_answers_of_shadows_are_written_beside_and_no_more_than_can_be_worked_off():
    journal = Journal()
    writer = BodyRecorder(journal, DIGESTER)
    long = "a b " * 10_000_000
    for _ in range(4):
        writer.write_later(compared(long, level="digest"))
    writer.write_later(compared("Hi"))
    writer.close()

    assert len(journal.given_up) == 1
    assert [content.bodies[0].part for content in journal.kept] == ["shadow_back"] * 4


@pytest.mark.anyio
async def test_a_bug_in_here_costs_no_answer():
    journal = Journal()
    writer = BodyRecorder(journal, DIGESTER)
    broken: Any = None
    with capture_logs() as lines:
        await writer.write(spoken(b"{}", hide=broken))
        await writer.write(spoken(b'"x"', hide=broken))
    writer.close()

    assert [line["event"] for line in lines] == ["capture_crashed"]
    assert journal.given_up == [6]


@pytest.mark.parametrize("filler", ["a\n", "é😀", '\\"', " "])
def test_a_long_request_is_kept_like_a_short_one(filler):
    prompt = f"{filler * 100_000} {MAIL}, {filler * 100_000}"
    asked = {"prompt": prompt, MAIL: ["x" * 300, {"a": None}]}
    kept = {"prompt": prompt.replace(MAIL, "[email]"), "[email]": asked[MAIL]}
    for encoded in (msgspec.json.encode(asked), json.dumps(asked).encode()):
        assert texts(spoken(encoded))["legacy_in"] == msgspec.json.encode(kept).decode()


@pytest.mark.without_coverage
def test_a_long_request_of_many_small_things_is_kept_as_the_text_that_it_is():
    asked = b'{"a":[' + b'"canary\\u0040example.com",' * 50_000 + b"1]}"

    kept = texts(spoken(asked))["legacy_in"]

    assert kept == '{"a":[' + '"[email]",' * 50_000 + "1]}"


def test_a_long_conversation_is_kept_as_it_went_up():
    prompt = "\n\nHuman: " + f"to {MAIL}\n" * 20_000 + "\n\nAssistant:"
    request = msgspec.json.encode({"model": "m", "prompt": prompt, "max_tokens_to_sample": 5})
    plan = plan_request(decode_completion_request(request), V2, Policy(), today="2026-11-28")

    kept = msgspec.json.decode(texts(spoken(request, plan=plan))["messages_out"])

    assert kept["messages"] == [{"role": "user", "content": "to [email]\n" * 20_000}]
