import pytest

from translators.stop_reasons import refusal_of, translate_stop_reason
from translators.wire.completions import LastChunk
from translators.wire.messages import MessageEnd, StopDetails

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


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (MessageEnd("refusal", None, StopDetails("Not this.")), "Not this."),
        (MessageEnd("refusal", None, StopDetails()), "The model refused to answer."),
        (MessageEnd("refusal", None, "Not that."), "Not that."),
        (MessageEnd("refusal"), "The model refused to answer."),
        (MessageEnd("end_turn"), "None"),
    ],
)
def test_a_refusal_is_known_by_its_reason_and_says_what_upstream_explains(end, said):
    assert str(refusal_of(end)) == said
