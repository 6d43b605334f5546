"""Forwarded answers that are compressed badly; translated ones are in the matrix."""

import gzip
import json

import pytest

from tests.faulty_upstreams import MEGABYTE, WHOLE, says, treacherous
from tests.harness import KEY, V2, body, running_proxy
from tests.waiting import wait_for

pytestmark = pytest.mark.faults("upstream")

MESSAGE = json.dumps(
    {
        "id": "msg_1",
        "model": "m",
        "content": [{"type": "text", "text": "All of it."}],
        "stop_reason": "end_turn",
    }
).encode()
NOBODY_KNOWS = b"\x0b\x02\x80 br"
GZIP = b"content-encoding: gzip\r\n\r\n"
BR = b"content-encoding: br\r\n\r\n"


@pytest.mark.parametrize("name", ["not gzip", "a bomb", "unknown"])
def test_what_is_forwarded_and_cannot_be_decompressed_is_not_compared(tmp_path, name):
    rule = {"name": "beside", "action": "forward", "shadow": "translate"}
    bomb = gzip.compress(bytes(65 * MEGABYTE), compresslevel=1)
    answers = {
        "a bomb": says(WHOLE, GZIP, bomb),
        "not gzip": says(WHOLE, GZIP, MESSAGE),
        "unknown": says(WHOLE, BR, NOBODY_KNOWS),
    }
    with (
        treacherous(answers) as legacy,
        running_proxy(legacy_url=legacy.url, rollout=[rule], state_dir=tmp_path) as holdover,
        holdover.client.stream(
            "POST", f"{holdover.url}/v1/complete", json=body(), headers=KEY | V2 | {"x-harm": name}
        ) as answer,
    ):
        as_it_came = b"".join(answer.iter_raw())
        unreadable = 'holdover_shadows_skipped_total{reason="unreadable",rule="beside"} 1.0'
        wait_for(lambda: unreadable in holdover.client.get(f"{holdover.url}/metrics").text)

    assert as_it_came == {"not gzip": MESSAGE, "a bomb": bomb}.get(name, NOBODY_KNOWS)
