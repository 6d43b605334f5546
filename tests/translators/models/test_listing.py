import pytest

from translators.errors import UpstreamProtocolError
from translators.models.catalogue import Capabilities, Catalogue, Model, Thinking
from translators.models.listing import Listing, decode_listing, differences

TODAY = "2026-11-23"


def said_of(rows: str) -> list[str]:
    known = Model(
        id="m-1",
        aliases=("m",),
        capabilities=Capabilities(max_output_tokens=64_000, thinking=Thinking.ON),
        context_tokens=200_000,
    )
    catalogue = Catalogue(models=(known, Model(id="gone", retires="2026-01-01")))
    return differences(catalogue, decode_listing(b'{"data":[%b]}' % rows.encode()).data, TODAY)


def row(rest: str = "") -> str:
    return f'{{"id":"m-1","type":"model"{rest}}}'


def thinking(**types: bool) -> str:
    leaves = ",".join(f'"{n}":{{"supported":{str(v).lower()}}}' for n, v in types.items())
    return f',"capabilities":{{"thinking":{{"supported":true,"types":{{{leaves}}}}}}}'


CONTRADICTION = (
    "m-1: upstream's list contradicts thinking in our table (max_output_tokens=64000, thinking=on)"
)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (row(), []),
        (row(',"max_tokens":64000,"max_input_tokens":200000'), []),
        (
            row(',"max_tokens":128000'),
            ["m-1: max output tokens is 128000 upstream, 64000 in our table"],
        ),
        (
            row(',"max_input_tokens":1000000'),
            ["m-1: context tokens is 1000000 upstream, 200000 in our table"],
        ),
        (
            row(',"retires_at":"2027-01-01T00:00:00Z"'),
            ["m-1: retires is 2027-01-01 upstream, unknown in our table"],
        ),
        (row(thinking(disabled=True)), []),
        (row(thinking(adaptive=True)), []),
        (row(thinking(disabled=True, between_tools=False)), []),
        (
            row(thinking(disabled=False)),
            [CONTRADICTION],
        ),
        (
            row(thinking(disabled=True, between_tools=True)),
            [CONTRADICTION],
        ),
        (row() + ',{"id":"m-2"}', ["m-2: upstream lists this model, our table does not"]),
        ("", ["m-1: upstream does not list this model"]),
        ('{"id":"m"}', []),
    ],
)
def test_differences_are_said_one_by_one(rows: str, said: list[str]):
    assert said_of(rows) == said


def test_a_page_says_whether_there_is_another():
    page = decode_listing(b'{"data":[],"has_more":true,"last_id":"m-9","first_id":"m-1"}')

    assert page == Listing(data=(), has_more=True, last_id="m-9")


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"\xff", b'{"data":[{}]}'])
def test_a_page_that_is_none_is_the_upstreams_fault(body: bytes):
    with pytest.raises(UpstreamProtocolError, match="models: "):
        decode_listing(body)
