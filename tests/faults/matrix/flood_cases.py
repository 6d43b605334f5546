"""Answers that are too much: floods, streams without an end, and bombs."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator

import zstandard

from tests.faults.matrix.acts import floods, says
from tests.faults.matrix.answers import (
    DELTAS,
    END,
    JSON,
    MESSAGE,
    OK,
    SSE,
    START,
    STREAM,
    WHOLE,
    delta,
    event,
    head,
    with_length,
)
from tests.faults.matrix.case import (
    COMPLETE,
    EITHER,
    FAILED,
    GONE,
    Caller,
    Case,
    Play,
    complete,
    failed,
    streamed,
    variants,
    whole,
)
from tests.hypothesis_profiles import scaled

_MEGABYTE = 1024 * 1024


def _leaves_after(most: int) -> Play:
    async def play(caller: Caller) -> bytes:
        await caller.ask()
        await caller.answer(most)
        caller.peer.crash()
        return b""

    return play


def floods_and_endless() -> Iterator[Case]:
    stream = head(SSE)
    begun = stream + b"".join((*START, *DELTAS))
    some = scaled(2 * _MEGABYTE)
    harmless = {
        "comments": b": hello\n",
        "empty lines": b"\n",
        "events without data": b"event: ping\n\n",
        "pings": event(type="ping"),
        "ids": b"id: 1\n\n",
        "retries": b"retry: 1\n\n",
        "unknown fields": b"other: 1\n",
        "unknown events": event(type="other", more=[1]),
    }
    for name, line in harmless.items():
        ended = says(b"\n\n", *END)
        act = says(begun, then=floods(line, some // len(line), then=ended))
        yield from streamed(f"flood of {name}", act, COMPLETE)
    gone = {
        "text": delta("more "),
        "pings": event(type="ping"),
    }
    for name, line in gone.items():
        act = says(begun, then=floods(line))
        yield from streamed(f"no end of {name}", act, GONE, play=_leaves_after(1))
    harmful = {
        "data lines": b"data: " + b"1" * 1000 + b"\n",
        "one data line": b"data: " + b"a" * 65536,
        "one event line": b"event: " + b"a" * 65536,
        "one comment": b":" + b"a" * 65536,
        "one unknown line": b"a" * 65536,
    }
    for name, line in harmful.items():
        more = b"a" * 65536 if name.startswith("one") else line
        act = says(begun, line, then=floods(more))
        yield from streamed(f"no end of {name}", act, FAILED)
    too_large = failed(502, "api_error", "The upstream's response is too large.")
    yield from whole("no end of an answer", says(head(JSON), then=floods(b" ")), too_large)
    yield from whole("no end of brackets", says(head(JSON), then=floods(b"[")), too_large)
    yield from variants("no end of headers", says(OK, then=floods(b"x-more: more\r\n")), FAILED)
    yield from variants("no end of one header", says(OK, b"x: ", then=floods(b"a")), FAILED)
    yield from variants("no end of the first line", says(OK[:-2], then=floods(b"a")), FAILED)
    endless = says(head(JSON, start=b"HTTP/1.1 529 No\r\n"), then=floods(b"<html"))
    yield from variants("no end of an error", endless, failed(529, "overloaded_error"))
    extended = says(head(JSON, b"transfer-encoding: chunked"), b"1;", then=floods(b"a"))
    yield from variants("no end of a chunk's extension", extended, FAILED)
    trailers = says(
        head(JSON, b"transfer-encoding: chunked"), b"0\r\n", then=floods(b"x-more: more\r\n")
    )
    yield from variants("no end of trailers", trailers, FAILED)


def _coded(coding: bytes, kind: bytes, content: bytes) -> bytes:
    return with_length(kind + b"content-encoding: %b\r\n" % coding, [content]).data


def codings_and_bombs() -> Iterator[Case]:
    codings: dict[bytes, Callable[[bytes], bytes]] = {
        b"gzip": gzip.compress,
        b"deflate": zlib.compress,
        b"zstd": zstandard.compress,
    }
    cannot = "The upstream's answer cannot be decompressed."
    no_message = "The upstream answered with status 200 and neither a message nor an error object."
    text = "All " * _MEGABYTE
    long = json.dumps(MESSAGE | {"content": [{"type": "text", "text": text}]}).encode()
    for coding, compress in codings.items():
        name = coding.decode()
        if coding != b"zstd":
            yield from whole(
                f"compressed by {name}", says(_coded(coding, JSON, compress(WHOLE))), COMPLETE
            )
            yield from whole(
                f"a long text, compressed by {name}",
                says(_coded(coding, JSON, compress(long))),
                complete(text),
            )
            yield from whole(
                f"a bomb of {name}",
                says(_coded(coding, JSON, compress(bytes(65 * _MEGABYTE)))),
                failed(502, "api_error", "The upstream's response is too large."),
            )
            yield from whole(
                f"{name}, cut short",
                says(_coded(coding, JSON, compress(long)[:1000])),
                failed(502, "api_error", no_message),
            )
            yield from whole(
                f"not {name}",
                says(_coded(coding, JSON, WHOLE)),
                failed(502, "api_error", cannot),
            )
        stream = _coded(coding, SSE, compress(b"".join(STREAM)))
        yield from streamed(f"a stream compressed by {name}", says(stream), EITHER)
        bomb = _coded(coding, SSE, compress(b"data: " + bytes(65 * _MEGABYTE)))
        yield from streamed(f"a stream with a bomb of {name}", says(bomb), FAILED)
    yield from whole(
        "gzip with junk after it",
        says(_coded(b"gzip", JSON, gzip.compress(WHOLE) + b"junk")),
        COMPLETE,
    )
    bomb = gzip.compress(bytes(65 * _MEGABYTE))
    yield from whole(
        "gzip with bombs after it",
        says(head(JSON, b"content-encoding: gzip"), gzip.compress(WHOLE), then=floods(bomb)),
        COMPLETE,
    )
    for coding in (b"br", b"zstd", b"nonsense", b"gzip, gzip"):
        said = says(_coded(coding, JSON, b"\x0b\x02\x80 br"))
        expected = failed(502, "api_error", no_message if coding == b"br" else None)
        yield from whole(f"coded by {coding.decode()}", said, expected)
    yield from whole("coded by identity", says(_coded(b"identity", JSON, WHOLE)), COMPLETE)
