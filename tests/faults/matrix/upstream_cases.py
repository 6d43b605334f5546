"""What an upstream can do to an exchange."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

from tests.faults.matrix.acts import crash, floods, hang, nothing, says, trickles
from tests.faults.matrix.answers import (
    CONTENTS,
    DELTAS,
    END,
    FRAMINGS,
    JSON,
    SSE,
    START,
    STREAM,
    WHOLE,
    chunk,
    delta,
    good,
    head,
    until_closed,
    with_length,
)
from tests.faults.matrix.case import (
    COMPLETE,
    EITHER,
    FAILED,
    Case,
    Expected,
    failed,
    streamed,
    variants,
    whole,
)
from tests.faults.matrix.flood_cases import codings_and_bombs, floods_and_endless
from tests.hypothesis_profiles import is_quick
from tests.scripted_server import Act, Peer

MEGABYTE = 1024 * 1024
_QUICK_STEP = 89
"""The quick profile tries one in so many of the offsets at which an answer can be cut."""


def cases() -> list[Case]:
    """All of them; those that take long first."""
    return [*_silences(), *large_cases(), *small_cases()]


def large_cases() -> list[Case]:
    """Those that send megabytes."""
    return [*floods_and_endless(), *codings_and_bombs()]


def small_cases() -> list[Case]:
    """Those that take neither time nor room."""
    return [*_others(), *_early(), *_statuses(), *_cuts()]


def refusals() -> list[Case]:
    """For an upstream that is not there."""
    message = "The upstream cannot be reached: it refuses connections."
    return list(variants("refuse", nothing, failed(502, "api_error", message)))


def _silences() -> Iterator[Case]:
    late = failed(504, "timeout_error")
    yield from variants("silence", hang, late)
    for stream, (kind, content) in CONTENTS.items():
        for framing, frame in FRAMINGS.items():
            data = frame(kind, content).data
            body_at = data.index(b"\r\n\r\n") + 4
            stalls = {
                "in the first line": (9, late),
                "in the head": (30, late),
                "before the body": (body_at, late),
                "in the body": (body_at + 20, late),
                "shortly before its end": (frame(kind, content).complete_at - 9, FAILED),
            }
            for where, (at, expected) in stalls.items():
                name = f"stall {where}, {framing}"
                yield from variants(name, says(data[:at], then=hang), expected, forms=[stream])
            yield from variants(f"trickle {framing}", trickles(data), COMPLETE, forms=[stream])
    yield from variants("interim responses without an end", _interim, FAILED)


async def _interim(peer: Peer) -> None:
    await floods(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")(peer)


def _others() -> Iterator[Case]:
    yield from _garbage()
    yield from _wrong_lengths()
    yield from _wrong_types()
    for form, (kind, content) in CONTENTS.items():
        old = until_closed(kind, content).data.replace(b"HTTP/1.1", b"HTTP/1.0")
        yield from variants("HTTP/1.0", says(old), COMPLETE, forms=[form])
        counted = with_length(kind, content).data.replace(b"HTTP/1.1", b"HTTP/1.0")
        yield from variants("HTTP/1.0 with a length", says(counted), COMPLETE, forms=[form])
        for _ in range(20):
            for how, end in {"ended": nothing, "reset": crash}.items():
                act = _stale(good(is_stream=form), end)
                name = f"stale: {how} as it is used"
                yield from variants(name, act, COMPLETE, forms=[form], keeps=True)


def _stale(answer: bytes, end: Act) -> Act:
    async def act(peer: Peer) -> None:
        if peer.heads > 1:
            await end(peer)
            peer.writer.close()
        else:
            await peer.say(answer)

    return act


def _garbage() -> Iterator[Case]:
    length = b"content-length: %d" % len(WHOLE)
    garbage = {
        "nothing": b"",
        "bytes": bytes(range(256)) * 9,
        "TLS": b"\x15\x03\x01\x00\x02\x02\x28",
        "empty lines": b"\r\n" * 9,
        "HTML without a head": b"<html>no</html>",
        "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
        "HTTP of another version": head(JSON, length, start=b"HTTP/3.0 200 OK\r\n") + WHOLE,
        "a header without a colon": head(JSON, b"what", length) + WHOLE,
        "a NUL in a header": head(JSON, b"x: \0", length) + WHOLE,
        "two lengths": head(JSON, length, b"content-length: 3") + WHOLE,
        "a negative length": head(JSON, b"content-length: -3") + WHOLE,
        "a length that is no number": head(JSON, b"content-length: 3x") + WHOLE,
        "chunks without a size": head(JSON, b"transfer-encoding: chunked") + b"x\r\n" + WHOLE,
        "a chunk beyond all measure": head(JSON, b"transfer-encoding: chunked")
        + b"f" * 40
        + b"\r\n"
        + WHOLE,
    }
    for name, said in garbage.items():
        yield from variants(f"garbage: {name}", says(said), FAILED)
    both = head(JSON, length, b"transfer-encoding: chunked") + chunk(WHOLE) + b"0\r\n\r\n"
    yield from whole("garbage: a length and chunks", says(both), EITHER)


def _wrong_lengths() -> Iterator[Case]:
    for form, (kind, content) in CONTENTS.items():
        said = b"".join(content)
        for name, (number, expected) in {
            "too short by one": (len(said) - 1, EITHER if form else FAILED),
            "far too short": (20, FAILED),
            "0": (0, FAILED),
            "too long by one": (len(said) + 1, EITHER if form else FAILED),
            "beyond all measure": (10**12, EITHER if form else FAILED),
        }.items():
            data = head(kind, b"content-length: %d" % number) + said
            yield from variants(f"a length {name}", says(data), expected, forms=[form])
        for name, size in {"short": len(said) - 7, "long": len(said) + 7}.items():
            data = head(kind, b"transfer-encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (
                size,
                said,
            )
            yield from variants(
                f"a chunk too {name}", says(data), EITHER if form else FAILED, forms=[form]
            )


def _wrong_types() -> Iterator[Case]:
    stream = b"".join(STREAM)
    error = json.dumps(
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    ).encode()
    for name, kind in {
        "none": b"",
        "HTML": b"content-type: text/html\r\n",
        "an image": b"content-type: image/png\r\n",
        "nonsense": b"content-type: \xff;;=\r\n",
    }.items():
        yield from whole(
            f"an answer of the type {name}", says(with_length(kind, [WHOLE]).data), EITHER
        )
        yield from streamed(
            f"a stream of the type {name}", says(with_length(kind, STREAM).data), EITHER
        )
    yield from whole("a stream for an answer", says(with_length(SSE, [stream]).data), EITHER)
    yield from streamed("an answer for a stream", says(with_length(JSON, [WHOLE]).data), EITHER)
    for text in ("null", "[]", "{}", "0", '"text"', '{"type":"message"}', "[" * 10_000, ""):
        said = says(with_length(JSON, [text.encode()]).data)
        yield from variants(f"{text[:20]!r} for an answer", said, FAILED)
        data = says(with_length(SSE, [f"data: {text}\n\n".encode()]).data)
        yield from streamed(f"{text[:20]!r} as an event", data, FAILED)
    yield from variants(
        "an error under 200", says(with_length(JSON, [error]).data), failed(529, "overloaded_error")
    )
    for after in range(len(STREAM)):
        broken = [*STREAM[:after], b"event: error\ndata: " + error + b"\n\n"]
        has_text = after > len(START)
        expected = failed(200 if has_text else 529, "overloaded_error")
        yield from streamed(
            f"an error event after {after}", says(with_length(SSE, broken).data), expected
        )
        without = [*STREAM[:after], *STREAM[after + 1 :]]
        yield from streamed(
            f"without event {after}",
            says(with_length(SSE, without).data),
            Expected(endings=EITHER.endings, text=None),
        )
    no_words = [*START, *DELTAS[:1], delta("?").replace(b"?", b"\xff"), *END]
    yield from streamed("bytes that are no text", says(with_length(SSE, no_words).data), FAILED)


def _early() -> Iterator[Case]:
    """The answer comes before the request is read; it is of a megabyte."""

    def long(case: Case, id_: int) -> bytes:
        return case.asking(id_, prompt="\n\nHuman: " + "a" * MEGABYTE + "\n\nAssistant:")

    error = b'{"type":"error","error":{"type":"authentication_error","message":"no"}}'
    refusal = with_length(JSON, [error]).data.replace(b"200 OK", b"401 No")
    refused = failed(401, "authentication_error")
    # Who closes what it has not read resets the connection, and with it goes what has arrived but
    # is not read yet: whoever is late for it has only that the connection broke off.
    for name, end, expected in (("nothing more", hang, refused), ("an end", nothing, FAILED)):
        yield from variants(
            f"early error and {name}",
            says(refusal, then=end),
            expected,
            hears_body=False,
            request=long,
        )
        for form in (False, True):
            yield from variants(
                f"early answer and {name}",
                says(good(is_stream=form), then=end),
                EITHER,
                forms=[form],
                hears_body=False,
                request=long,
            )
    yield from variants("early reset", crash, FAILED, hears_body=False, request=long)
    yield from variants("early end", nothing, FAILED, hears_body=False, request=long)
    yield from variants("request never read", _unread, failed(504), hears_body=False, request=long)


async def _unread(peer: Peer) -> None:
    await asyncio.sleep(5)
    await hang(peer)


def _statuses() -> Iterator[Case]:
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        500: "api_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
    for status, kind in kinds.items():
        error = {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": None}
        shapes = {
            "JSON": json.dumps(error).encode(),
            "nothing": b"",
            "HTML": b"<html><head>no</head></html>",
            "other JSON": b'{"message": 17}',
        }
        for name, content in shapes.items():
            said = with_length(JSON, [content]).data.replace(b"200 OK", b"%d No" % status)
            yield from variants(f"status {status} with {name}", says(said), failed(status, kind))
    for status in (204, 301, 307, 418, 503, 599):
        said = with_length(JSON, [WHOLE]).data.replace(b"200 OK", b"%d No" % status)
        yield from variants(f"status {status} with an answer", says(said), FAILED)


def _cuts() -> Iterator[Case]:
    """Ended or reset at each byte of an answer."""
    step = _QUICK_STEP if is_quick() else 1
    phase = 0
    for form, (kind, content) in CONTENTS.items():
        for framing, frame in FRAMINGS.items():
            framed = frame(kind, content)
            for how, end in {"ended": nothing, "reset": crash}.items():
                phase += 1
                for at in range(phase % step, len(framed.data), step):
                    expected = FAILED if at < framed.complete_at else EITHER
                    act = says(framed.data[:at], then=end)
                    yield from variants(
                        f"{how} at byte {at}, {framing}", act, expected, forms=[form]
                    )
