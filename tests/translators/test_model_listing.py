import pytest

from translators.errors import UpstreamProtocolError
from translators.model_listing import Listing, decode_listing, differences
from translators.models import Capabilities, Catalogue, Model, Thinking

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


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (row(), []),
        (row(',"max_tokens":64000,"max_input_tokens":200000'), []),
        (row(',"max_tokens":128000'), ["m-1: max output tokens 128000, we have 64000"]),
        (row(',"max_input_tokens":1000000'), ["m-1: context tokens 1000000, we have 200000"]),
        (row(',"retires_at":"2027-01-01T00:00:00Z"'), ["m-1: retires 2027-01-01, we have nothing"]),
        (row(thinking(disabled=True)), []),
        (row(thinking(adaptive=True)), []),
        (row(thinking(disabled=True, between_tools=False)), []),
        (
            row(thinking(disabled=False)),
            ["m-1: thinking cannot be what we have (max_output_tokens=64000, thinking=on)"],
        ),
        (
            row(thinking(disabled=True, between_tools=True)),
            ["m-1: thinking cannot be what we have (max_output_tokens=64000, thinking=on)"],
        ),
        (row() + ',{"id":"m-2"}', ["m-2: not in our table"]),
        ("", ["m-1: not listed by upstream"]),
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
