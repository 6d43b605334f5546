from collections import defaultdict

import msgspec
import pytest

from translators.errors import InvalidCompletionRequest
from translators.wire.dialects import (
    FRAME_END,
    PUBLISHED_VERSIONS,
    UPSTREAM_VERSION,
    V1,
    V2,
    dialect_of,
)


@pytest.mark.parametrize(
    ("version", "dialect"),
    [(None, V1), ("2023-01-01", V1), ("2023-06-01", V2), ("2026-10-21", V2)],
)
def test_dialect_follows_the_header_and_its_absence_is_the_oldest(version, dialect):
    assert dialect_of(version) is dialect


@pytest.mark.parametrize(
    "version", ["2023-10-01", "2023-06-01, 2023-06-01", "", " 2023-06-01", "v1", "2023-6-1"]
)
def test_version_never_published_is_refused_in_the_recorded_words(version):
    with pytest.raises(InvalidCompletionRequest) as refused:
        dialect_of(version)

    assert str(refused.value) == f'anthropic-version: "{version}" is not a valid version'


def keys_of(dialect):
    filled = dialect.completion % defaultdict(lambda: "null")
    return tuple(msgspec.json.decode(filled))


def test_old_dialect_is_cumulative_unnamed_and_terminated():
    assert V1.is_cumulative
    assert V1.frame_start == b"data: "
    assert V1.terminator == b"data: [DONE]\r\n\r\n"
    assert keys_of(V1) == (
        *("completion", "stop", "stop_reason", "truncated", "log_id", "model", "exception"),
    )
    assert (V1.relays_pings, V1.resolves_aliases, V1.ends_abruptly_on_failure) == (
        *(False, False, True),
    )


def test_new_dialect_has_named_deltas_and_no_terminator():
    assert not V2.is_cumulative
    assert V2.frame_start == b"event: completion\r\ndata: "
    assert V2.terminator == b""
    assert keys_of(V2) == ("type", "id", "completion", "stop_reason", "model", "stop", "log_id")
    assert (V2.relays_pings, V2.resolves_aliases, V2.ends_abruptly_on_failure) == (
        *(True, True, False),
    )


def test_frames_end_as_old_decoders_split_them():
    assert FRAME_END == b"\r\n\r\n"


def test_upstream_is_told_the_last_version_that_takes_sampling_parameters():
    assert UPSTREAM_VERSION == "2023-06-01"
    assert UPSTREAM_VERSION in PUBLISHED_VERSIONS
