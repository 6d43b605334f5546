"""What comes of an ordinary call, in every way that a client offers."""

from __future__ import annotations

import pytest

from tests.clients.houses import house
from tests.clients.sdks import SDKS, Client

DELTAS = ["Hello", " there", ", traveller", "."]
TEXT = " Hello there, traveller."


def every(clients: tuple[Client, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", clients, ids=lambda client: client.name)


@every(SDKS)
def test_the_text_of_a_stream_is_that_of_the_whole_answer(client: Client):
    with house(deltas=DELTAS) as home:
        seen = client.ask(home.url)

    assert {way: one.text for way, one in seen.items()} == dict.fromkeys(client.ways, TEXT)
