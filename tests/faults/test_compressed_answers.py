"""Answers that are compressed although nobody asked for it, well or badly."""

import gzip
import json
import zlib

import pytest

from tests.faults.treacherous import MEGABYTE, WHOLE, Connection, says, treacherous
from tests.parties import house

MESSAGE = json.dumps(
    {
        "id": "msg_1",
        "model": "m",
        "content": [{"type": "text", "text": "All of it."}],
        "stop_reason": "end_turn",
    }
).encode()
LONG = MESSAGE.replace(b"All", b"All " * MEGABYTE)
BOMB = gzip.compress(bytes(65 * MEGABYTE))
GZIP, DEFLATE = b"content-encoding: gzip\r\n\r\n", b"content-encoding: deflate\r\n\r\n"
ANSWERS = {
    "gzip": says(WHOLE, GZIP, gzip.compress(MESSAGE)),
    "deflate": says(WHOLE, DEFLATE, zlib.compress(MESSAGE)),
    "long": says(WHOLE, GZIP, gzip.compress(LONG)),
    "with junk after it": says(WHOLE, GZIP, gzip.compress(MESSAGE), b"junk"),
    "with bombs after it": says(
        WHOLE, GZIP, gzip.compress(MESSAGE), then=lambda one: Connection.flood(one, BOMB)
    ),
    "a bomb": says(WHOLE, GZIP, BOMB),
    "cut short": says(WHOLE, GZIP, gzip.compress(LONG)[:1000]),
    "not gzip": says(WHOLE, GZIP, MESSAGE),
    "unknown": says(WHOLE, b"content-encoding: br\r\n\r\n", b"\x0b\x02\x80 br"),
}


@pytest.mark.parametrize(
    "name", ["gzip", "deflate", "long", "with junk after it", "with bombs after it"]
)
def test_what_is_compressed_is_understood(name):
    with treacherous(ANSWERS) as upstream, house(upstream_url=upstream.url) as home:
        answer = home.complete(headers={"x-harm": name})

    assert answer.status_code == 200
    assert answer.json()["completion"].endswith(" of it.")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a bomb", "The upstream's answer goes on beyond all measure."),
        ("cut short", "The upstream answered with status 200 and no error object."),
        ("not gzip", "The upstream's answer cannot be decompressed."),
        ("unknown", "The upstream answered with status 200 and no error object."),
    ],
)
def test_what_cannot_be_decompressed_is_an_error_that_says_so(name, message):
    with treacherous(ANSWERS) as upstream, house(upstream_url=upstream.url) as home:
        answer = home.complete(headers={"x-harm": name})

    assert (answer.status_code, answer.json()["error"]["message"]) == (502, message)
