from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.wire.sse import MAX_LINE_BYTES, SSEDecoder, is_event_stream


def decode(*chunks):
    decoder = SSEDecoder()
    return [data for chunk in chunks for data in decoder.feed(chunk)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_lines_end_in_any_of_three_ways(newline):
    stream = b"event: ping\ndata: 1\n\ndata: 2\n\n".replace(b"\n", newline)

    assert decode(stream) == [b"1", b"2"]
    assert decode(*(bytes([byte]) for byte in stream)) == [b"1", b"2"]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: 1\n\n", [b"1"]),
        (b"data:1\n\n", [b"1"]),
        (b"data:  1\n\n", [b" 1"]),
        (b"data\n\n", [b""]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b": a comment\n\n", []),
        (b"event: ping\nid: 1\nretry: 3\n\n", []),
        (b"dataset: 1\n\n", []),
        (b"\n\n\n", []),
        (b"data: 1\n", []),
        (b"data: 1", []),
        (b"", []),
        (b"data: a:b\n\n", [b"a:b"]),
        ("data: a\u2028b\x85c\x0bd\x1ee\n\n".encode(), ["a\u2028b\x85c\x0bd\x1ee".encode()]),
    ],
    ids=[
        *("plain", "no space", "only one space is markup", "no colon", "several lines"),
        *("comment", "fields that are not kept", "longer name", "blank lines", "unfinished event"),
        *("unfinished line", "nothing", "colon in data", "line separators that are none here"),
    ],
)
def test_what_an_event_holds(stream, events):
    assert decode(stream) == events


def test_an_event_is_there_as_soon_as_its_carriage_return_is():
    decoder = SSEDecoder()

    assert decoder.feed(b"data: 1\r\r") == [b"1"]
    assert decoder.feed(b"\ndata: 2\r\n\r") == [b"2"]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: 3\n\n") == [b"3"]


def test_a_line_beyond_all_measure_ends_it_after_the_events_before():
    decoder = SSEDecoder()
    endless = b"data: 1\n\ndata: " + b"x" * MAX_LINE_BYTES

    assert decoder.feed(endless) == [b"1"]
    assert decoder.is_too_long
    assert decoder.feed(b"\n\ndata: 2\n\n") == []


def test_a_line_beyond_all_measure_is_noticed_even_when_it_comes_at_once():
    decoder = SSEDecoder()

    assert decoder.feed(b"data: 1\n\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\ndata: 2\n\n") == [b"1"]
    assert decoder.is_too_long


def test_a_plain_event_beyond_all_measure_is_none():
    decoder = SSEDecoder()

    assert decoder.feed(b"data: 1\n\ndata: " + b"x" * MAX_LINE_BYTES + b"\n\n") == [b"1"]
    assert decoder.is_too_long


def test_the_longest_line_is_still_read():
    decoder = SSEDecoder()
    length = MAX_LINE_BYTES - len("data: ")

    assert decoder.feed(b"data: " + b"x" * length) == []
    assert list(map(len, decoder.feed(b"\n\n"))) == [length]  # to compare texts takes for ever
    assert not decoder.is_too_long


STREAMS = st.lists(
    st.sampled_from(
        [
            *(b"\n", b"\r", b"\r\n", b"data: ", b"data:", b":", b"a", "é\u2028".encode()),
            *(b"event: a\n", b"data: a\n\n", b"event: a\ndata: b\n\n", b"\xef\xbb\xbf"),
        ]
    )
).map(b"".join)


@given(stream=STREAMS)
@example(stream=b"data: a\ndata: b\n\n")
@example(stream=b"data: a\n\n: a comment\ndata: b\n\ndata: c\n\n")
def test_events_found_at_a_glance_are_those_found_byte_by_byte(stream):
    assert decode(stream) == decode(*(bytes([byte]) for byte in stream))


@given(stream=STREAMS, cuts=st.sets(st.integers(0, 80)))
@example(stream=b"data: a\r\n\r\ndata: b\r\r", cuts={8, 10, 19})
@example(stream=b"data: a\n\ndata: b\n\ndata: c\n\n", cuts={8, 19})
def test_events_do_not_depend_on_how_the_bytes_arrive(stream, cuts):
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(stream)), len(stream)]

    assert decode(*(stream[a:b] for a, b in pairwise(edges))) == decode(stream)


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert SSEDecoder().feed(b"\xef\xbb\xbfdata: a\n\n") == [b"a"]
    assert SSEDecoder().feed(b"\n\xef\xbb\xbfdata: a\n\n") == []


def test_data_beyond_all_measure_is_noticed_however_many_lines_it_has():
    decoder = SSEDecoder()
    line = b"data: " + b"x" * (1024 * 1024) + b"\n"

    for _ in range(40):
        decoder.feed(line)

    assert decoder.is_too_long


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.parametrize("line", [b"data\n", b"data:\n", b"data: \n"])
def test_an_event_of_nothing_but_empty_lines_goes_astray(line):
    decoder = SSEDecoder()

    decoder.feed(line * (MAX_LINE_BYTES // 64 + 1))

    assert decoder.is_too_long


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        *((b"event: message_start\n", True), (b"data:{}\n\n", True), (b": a comment\n", True)),
        *((b"\xef\xbb\xbf\r\n\nid: 1\n", True), (b"retry: 5\n", True)),
        *((b"", False), (b'{"data": 1}', False), (b" data: x", False), (b"database:", False)),
        (b"<html>", False),
    ],
)
def test_a_stream_is_known_by_its_first_line(body, is_one):
    assert is_event_stream(body) is is_one
