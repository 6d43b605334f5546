"""The parser of responses reads what h11 reads, however the bytes are cut, and refuses the rest."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.upstream.response_parser import ParsedResponse, ResponseError, ResponseParser
from tests.response_bytes import check_reading, cut, read_by_h11, read_by_us

LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
TOKEN = st.text("abcXYZ-!~09", min_size=1, max_size=8).map(str.encode)
VALUE = st.lists(
    st.text("abc;,=\"' \t\xe9", max_size=8).map(lambda text: text.encode("latin-1")), max_size=2
).map(b" ".join)
FRAMING = (b"content-length", b"transfer-encoding", b"connection", b"upgrade")
HEADER = st.tuples(TOKEN, VALUE).filter(lambda pair: pair[0].lower() not in FRAMING)
STATUS = st.sampled_from([200, 201, 204, 299, 304, 400, 404, 413, 429, 500, 529, 599])
PIECES = st.lists(st.binary(min_size=1, max_size=20), max_size=4)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Well-formed responses of every framing, with interim ones before them."""
    interim = draw(
        st.sampled_from(
            [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nlink: x\r\n\r\n"]
        )
    )
    pieces, headers = draw(PIECES), draw(st.lists(HEADER, max_size=4))
    body = b"".join(pieces)
    framing = draw(st.sampled_from(["length", "chunks", "close"]))
    if framing == "length":
        headers.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunks":
        headers.append((b"Transfer-Encoding", b"chunked"))
        extension = draw(st.sampled_from([b"", b";a=b", b';a="b"']))
        body = b"".join(b"%x%b\r\n%b\r\n" % (len(one), extension, one) for one in pieces)
        body += b"0\r\n" + draw(st.sampled_from([b"", b"x-trailer: 1\r\n"])) + b"\r\n"
    if draw(st.booleans()):
        headers.append((b"Connection", draw(st.sampled_from([b"close", b"keep-alive"]))))
    status = draw(STATUS)
    if status in {204, 304}:
        body = b""
    lines = [b"HTTP/1.1 %d %b" % (status, draw(st.sampled_from([b"OK", b"", b"Not Found"])))]
    lines += [b"%b: %b" % header for header in headers]
    return interim + b"\r\n".join([*lines, b"", b""]) + body


@given(said=responses(), cuts=st.lists(st.integers(0, 500), max_size=8), has_body=st.booleans())
def test_a_response_is_read_as_h11_reads_it_however_it_is_cut(
    said: bytes, cuts: list[int], *, has_body: bool
):
    whole = read_by_us([said], has_body=has_body)

    other = read_by_h11(said, has_body=has_body)
    assert read_by_us(cut(said, cuts), has_body=has_body) == whole
    assert replace(whole, may_be_reused=False) == replace(other, may_be_reused=False)
    assert other.may_be_reused or not whole.may_be_reused


DAMAGE = st.tuples(
    st.sampled_from(["replace", "insert", "delete"]),
    st.integers(0, 500),
    st.sampled_from(b'\r\n :;\t\x00\xffaZ059,"=%-'),
)


def damaged(said: bytes, damages: Sequence[tuple[str, int, int]]) -> bytes:
    damaged = bytearray(said)
    for kind, place, byte in damages:
        at = place % (len(damaged) + (kind == "insert"))
        damaged[at : at + (kind != "insert")] = b"" if kind == "delete" else bytes([byte])
    return bytes(damaged)


@given(
    said=responses(),
    damages=st.lists(DAMAGE, min_size=1, max_size=2),
    cuts=st.lists(st.integers(0, 500), max_size=8),
)
@example(said=CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", damages=[("delete", 51, 0)], cuts=[])
@example(said=CHUNKED + b"3 ;a=b\r\nabc\r\n0\r\n\r\n", damages=[("replace", 0, 72)], cuts=[])
@example(said=LENGTH + b"abc", damages=[("insert", len(LENGTH) + 3, 10)], cuts=[len(LENGTH) + 3])
@example(said=LENGTH + b"abc", damages=[("insert", len(LENGTH) + 3, 97)], cuts=[len(LENGTH) + 3])
def test_a_damaged_response_never_looks_whole_if_it_does_not_to_h11(
    said: bytes, damages: list[tuple[str, int, int]], cuts: list[int]
):
    said = damaged(said, damages)

    check_reading(said, cut(said, cuts))


@pytest.mark.parametrize(
    ("said", "ours", "theirs"),
    [
        # The reason is read by nobody, and a status below 100 is refused by the client.
        (b"HTTP/1.1 200 O\x00K\r\ncontent-length: 0\r\n\r\n", 200, None),
        (b"HTTP/1.1 004 OK\r\ncontent-length: 0\r\n\r\n", 4, None),
        # Another coding than chunked lasts until the connection ends (RFC 9112, section 6.3).
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", 200, None),
        # Folded lines and other versions are refused.
        (b"HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 0\r\n\r\n", None, 200),
        (b"HTTP/1.5 200 OK\r\ncontent-length: 0\r\n\r\n", None, 200),
    ],
)
def test_heads_that_one_of_them_refuses_are_known(said: bytes, ours: int, theirs: int):
    assert (read_by_us([said]).status, read_by_h11(said).status) == (ours, theirs)


def test_a_padded_chunk_size_is_read_though_h11_does_not():
    said = CHUNKED + b"3 ;a=b\r\nabc\r\n0\r\n\r\n"

    assert read_by_us([said]).body == b"abc"
    assert not read_by_h11(said).is_complete


def test_states_follow_requests_and_responses():
    parser, states = ResponseParser(), list[str]()

    def note() -> None:
        states.append(f"{parser.state.name} {parser.has_begun}")

    note()
    for _ in range(2):
        parser.begin(ParsedResponse(has_body=True))
        note()
        parser.feed(CHUNKED + b"3\r\nab")
        note()
        parser.feed(b"c\r\n0\r\n\r\n")
        note()
    with pytest.raises(ResponseError, match="that no request asked for"):
        parser.feed(b"HTTP/1.1 200 OK\r\n")
    note()

    asked = ["ACTIVE False", "ACTIVE True", "IDLE False"]
    assert states == ["NEW False", *asked, *asked, "CLOSED False"]
