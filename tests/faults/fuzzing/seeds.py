"""Where a fuzzer begins: the corpus, some responses and requests, and words of each format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.faults.matrix.answers import CONTENTS, FRAMINGS
from tests.faults.matrix.case import Case
from tests.scripted_server import answers

_CORPUS: Final = Path(__file__).parents[2] / "corpus"
_NO_CUTS: Final = b"\x00\x55\xaa"
"""What is in front of bytes that are cut: see `properties`."""

WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt": ("\n\nHuman:", "\n\nAssistant:", "Human: ", "Assistant: ", "\r\n\r\n", "\u2028"),
    "request": (
        *('"model":', '"prompt":', '"max_tokens_to_sample":', '"stop_sequences":[', '"stream":'),
        *('"temperature":', '"top_p":', '"top_k":', '"metadata":{"user_id":', "\\ud83d", "1e400"),
        *("claude-2.1", "claude-opus-4-6", "\\n\\nHuman:", "\\n\\nAssistant:", "null", "-1"),
    ),
    "stream": (
        *("data: ", "data:", "event: ", "\n\n", "\r\n\r\n", "\r", ":", '"type":"', '"text":"'),
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop", "ping", "error", "text_delta", "end_turn", "refusal"),
        *("\\n", "\\ud83d", "END", '"stop_reason":"', '"usage":{"output_tokens":'),
    ),
    "response": (
        *("HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.0 ", "204", "304"),
        *("content-length: ", "transfer-encoding: chunked\r\n", "connection: close\r\n"),
        *("\r\n\r\n", "0\r\n\r\n", "upgrade: h2c\r\n", ";a=b", "gzip", "keep-alive"),
    ),
    "client": (
        *("POST / HTTP/1.1\r\n", "GET ", "HEAD ", "CONNECT ", "HTTP/1.0\r\n", "host: a\r\n"),
        *("content-length: ", "transfer-encoding: chunked\r\n", "expect: 100-continue\r\n"),
        *("connection: close\r\n", "connection: upgrade\r\n", "upgrade: h2c\r\n", "0\r\n\r\n"),
    ),
}


def seeds(name: str) -> Iterator[bytes]:
    """The inputs that the fuzzer of this name begins with."""
    match name:
        case "prompt":
            for body in _bodies():
                with suppress(ValueError, LookupError):  # some are wrong on purpose
                    yield json.loads(body)["prompt"].encode("utf-8", "ignore")
        case "request":
            yield from _bodies()
        case "stream":
            for number, path in enumerate(sorted(_CORPUS.glob("*/upstream.sse"))):
                yield bytes([number % 4]) + _NO_CUTS + path.read_bytes()
        case "response":
            for frame in FRAMINGS.values():
                for kind, content in CONTENTS.values():
                    yield _NO_CUTS + frame(kind, content[:2]).data
        case _:
            case = Case(name="", act=answers(), expected=(), is_stream=False, is_old=False)
            yield _NO_CUTS + case.asking(1)
            yield _NO_CUTS + case.asking(1, "connection: keep-alive") + case.asking(2)
            chunked = case.head(1, "transfer-encoding: chunked", "upgrade: h2c")
            yield _NO_CUTS + chunked + b"\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n"


def _bodies() -> Iterator[bytes]:
    for path in sorted(_CORPUS.glob("*/request.json")):
        yield path.read_bytes()


def dictionary(name: str) -> str:
    """The words of a format, as libFuzzer reads them."""
    lines = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS[name])
    return "".join(f'"{line}"\n' for line in lines)
