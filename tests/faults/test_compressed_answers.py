"""Answers that are compressed although nobody asked for it, well or badly."""

import gzip
import json
import zlib

import pytest

from tests.faulty_upstreams import MEGABYTE, WHOLE, Connection, says, treacherous
from tests.harness import KEY, V2, body, running_proxy
from tests.waiting import wait_for

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
NOBODY_KNOWS = b"\x0b\x02\x80 br"
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
    "unknown": says(WHOLE, b"content-encoding: br\r\n\r\n", NOBODY_KNOWS),
}


@pytest.mark.parametrize(
    "name", ["gzip", "deflate", "long", "with junk after it", "with bombs after it"]
)
def test_what_is_compressed_is_understood(name):
    with treacherous(ANSWERS) as upstream, running_proxy(upstream_url=upstream.url) as holdover:
        answer = holdover.complete(headers={"x-harm": name})

    assert answer.status_code == 200
    assert answer.json()["completion"].endswith(" of it.")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a bomb", "The upstream's response is too large."),
        (
            "cut short",
            "The upstream answered with status 200 and neither a message nor an error object.",
        ),
        ("not gzip", "The upstream's answer cannot be decompressed."),
        (
            "unknown",
            "The upstream answered with status 200 and neither a message nor an error object.",
        ),
    ],
)
def test_what_cannot_be_decompressed_is_an_error_that_says_so(name, message):
    with treacherous(ANSWERS) as upstream, running_proxy(upstream_url=upstream.url) as holdover:
        answer = holdover.complete(headers={"x-harm": name})

    assert (answer.status_code, answer.json()["error"]["message"]) == (502, message)


@pytest.mark.parametrize("name", ["not gzip", "a bomb", "unknown"])
def test_what_is_forwarded_and_cannot_be_decompressed_is_not_compared(tmp_path, name):
    rule = {"name": "beside", "action": "forward", "shadow": "translate"}
    with (
        treacherous(ANSWERS) as legacy,
        running_proxy(legacy_url=legacy.url, rollout=[rule], state_dir=tmp_path) as holdover,
        holdover.client.stream(
            "POST", f"{holdover.url}/v1/complete", json=body(), headers=KEY | V2 | {"x-harm": name}
        ) as answer,
    ):
        as_it_came = b"".join(answer.iter_raw())
        unreadable = 'holdover_shadows_skipped_total{reason="unreadable",rule="beside"} 1.0'
        wait_for(lambda: unreadable in holdover.client.get(f"{holdover.url}/metrics").text)

    assert as_it_came == {"not gzip": MESSAGE, "a bomb": BOMB}.get(name, NOBODY_KNOWS)
