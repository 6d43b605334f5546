import re

import pytest

from translators.adjustments import EXPLANATIONS, Adjustment, AdjustmentKind, describe_blank

EVERY_KIND = pytest.mark.parametrize("kind", AdjustmentKind, ids=lambda kind: kind.value)


def test_every_kind_is_explained_and_nothing_else_is():
    assert set(EXPLANATIONS) == set(AdjustmentKind)


@EVERY_KIND
def test_explanation_is_one_line_of_whole_sentences(kind):
    assert re.fullmatch(r"[A-Z`][^\n]+\.", EXPLANATIONS[kind])


@EVERY_KIND
def test_name_is_fit_for_a_header_and_a_metrics_label(kind):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", kind.value)
    assert kind.value == kind.name.lower()


def test_no_two_kinds_are_explained_alike():
    assert len(set(EXPLANATIONS.values())) == len(AdjustmentKind)


def test_adjustments_are_values():
    capped = Adjustment(AdjustmentKind.CAP_MAX_TOKENS, "max_tokens_to_sample", "100000", "64000")

    assert capped == Adjustment(
        AdjustmentKind.CAP_MAX_TOKENS, "max_tokens_to_sample", "100000", "64000"
    )
    assert len({capped, capped}) == 1


def test_white_space_is_shown_while_it_is_short_and_then_counted():
    assert describe_blank("\n" * 16) == repr("\n" * 16)
    assert describe_blank("\n" * 17) == "17 characters of white space"
