import pytest

from translators.stop_reasons import translate_stop_reason
from translators.wire.completions import LastChunk

NATURAL_END = LastChunk("stop_sequence", "\n\nHuman:")


@pytest.mark.parametrize(
    ("stop_reason", "stop_sequence", "last"),
    [
        ("end_turn", None, NATURAL_END),
        ("stop_sequence", "\n\nHuman:", NATURAL_END),
        ("stop_sequence", "END", LastChunk("stop_sequence", "END")),
        ("max_tokens", None, LastChunk("max_tokens", None)),
        ("model_context_window_exceeded", None, LastChunk("max_tokens", None)),
        ("refusal", None, NATURAL_END),
        ("tool_use", None, NATURAL_END),
        ("pause_turn", None, NATURAL_END),
        ("compaction", None, NATURAL_END),
        ("not invented yet", None, NATURAL_END),
        (None, None, NATURAL_END),
    ],
)
def test_every_reason_has_a_legacy_word(stop_reason, stop_sequence, last):
    assert translate_stop_reason(stop_reason, stop_sequence, None) == last


@pytest.mark.parametrize("stop_reason", ["end_turn", "max_tokens", "stop_sequence", None])
def test_an_emulated_stop_came_before_whatever_upstream_says(stop_reason):
    assert translate_stop_reason(stop_reason, "END", "\n\n") == LastChunk("stop_sequence", "\n\n")
