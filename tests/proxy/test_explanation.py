import pytest

from proxy.explanation import timing_in_words


@pytest.mark.parametrize(
    ("timing", "line"),
    [
        (
            [[1, "message_start", 0], [5, "a", 3], [15.5, "a", 3], [95.5, "a", 9], [99, "z", 0]],
            "a stream of 5 events, 3 with text: the first after 5.0 ms, "
            "then 45.2 ms apart (median), at most 80.0 ms",
        ),
        ([[5, "a", 3]], "a stream of 1 events, 1 with text: the first after 5.0 ms"),
        ([[5, "error", 0]], "a stream of 1 events, none with text"),
        ([], "a stream of 0 events, none with text"),
        ("?", "a stream whose timing cannot be read"),
        ([[5, "a"]], "a stream whose timing cannot be read"),
        ([["soon", "a", 3]], "a stream whose timing cannot be read"),
    ],
)
def test_a_stream_is_summed_up(timing: object, line: str):
    assert timing_in_words(timing) == line
