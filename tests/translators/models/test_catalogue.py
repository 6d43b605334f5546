import pytest

from translators.adjustments import Adjustment, AdjustmentKind
from translators.models.catalogue import (
    UNKNOWN,
    Capabilities,
    Catalogue,
    Model,
    ResolvedModel,
    Sampling,
    Thinking,
)

NEW = Capabilities(
    max_output_tokens=128_000, prefill=False, sampling=Sampling.NONE, thinking=Thinking.ON
)
CATALOGUE = Catalogue(
    models=(
        Model(id="new-1", aliases=("new", "newest"), capabilities=NEW),
        Model(id="old-3", retires="2026-11-30", successor="new"),
        Model(id="old-2", retires="2025-07-21", successor="old-3"),
        Model(id="old-1", retires="2024-11-06", successor="old-2"),
        Model(id="orphan", retires="2024-11-06"),
        Model(id="lost", retires="2024-11-06", successor="not listed"),
        Model(id="ping", retires="2024-11-06", successor="pong"),
        Model(id="pong", retires="2024-11-06", successor="ping"),
        Model(id="self", retires="2024-11-06", successor="self"),
    )
)


def resolve(asked, today="2026-11-22", **overrides):
    catalogue = Catalogue(models=CATALOGUE.models, overrides=overrides)
    return catalogue.resolve(asked, today)


def replaced(asked, sent):
    return Adjustment(AdjustmentKind.REPLACE_RETIRED_MODEL, "model", asked, sent)


def mapped(asked, sent):
    return Adjustment(AdjustmentKind.MAP_MODEL, "model", asked, sent)


@pytest.mark.parametrize("name", ["new-1", "new", "newest"])
def test_live_model_passes_under_the_name_that_was_asked(name):
    assert resolve(name) == ResolvedModel(name, NEW, ())


@pytest.mark.parametrize("name", ["", "gpt-4", "newer", "new-*", "new-1 "])
def test_unknown_model_passes_and_nothing_is_known_of_it(name):
    assert resolve(name) == ResolvedModel(name, UNKNOWN, ())


@pytest.mark.parametrize(
    ("today", "sent"),
    [
        ("2024-11-05", "old-1"),
        ("2024-11-06", "old-2"),
        ("2025-07-20", "old-2"),
        ("2025-07-21", "old-3"),
        ("2026-11-29", "old-3"),
        ("2026-11-30", "new"),
        ("2031-01-01", "new"),
    ],
)
def test_a_chain_of_successors_is_followed_as_far_as_it_is_retired_that_day(today, sent):
    adjustments = () if sent == "old-1" else (replaced("old-1", sent),)
    capabilities = NEW if sent == "new" else UNKNOWN

    assert resolve("old-1", today) == ResolvedModel(sent, capabilities, adjustments)


def test_retired_model_without_a_successor_is_asked_for_all_the_same():
    assert resolve("orphan") == ResolvedModel("orphan", UNKNOWN, ())


def test_successor_that_is_not_listed_is_trusted():
    assert resolve("lost") == ResolvedModel(
        "not listed", UNKNOWN, (replaced("lost", "not listed"),)
    )


@pytest.mark.parametrize("name", ["ping", "pong", "self"])
def test_successors_that_go_in_circles_come_to_an_end(name):
    assert resolve(name).id in {"ping", "pong", "self"}


def test_operators_pattern_comes_before_official_successors():
    assert resolve("old-1", **{"old-*": "new"}) == ResolvedModel(
        "new", NEW, (mapped("old-1", "new"),)
    )


def test_first_pattern_that_matches_wins():
    assert resolve("old-1", **{"x*": "a", "old-1": "b", "*": "c"}).id == "b"
    assert resolve("old-2", **{"x*": "a", "old-1": "b", "*": "c"}).id == "c"


def test_patterns_match_case_and_all():
    assert resolve("OLD-1", **{"old-*": "new"}).id == "OLD-1"
    assert resolve("very-old-1", **{"old-*": "new"}).id == "very-old-1"


def test_model_mapped_to_a_retired_one_is_replaced_in_turn():
    assert resolve("mine", mine="old-3", today="2026-11-30") == ResolvedModel(
        "new", NEW, (mapped("mine", "old-3"), replaced("old-3", "new"))
    )


def test_mapping_a_name_to_itself_changes_nothing():
    assert resolve("new", **{"*": "new"}) == ResolvedModel("new", NEW, ())


def test_models_are_found_by_id_and_alias():
    assert CATALOGUE.find("newest") == CATALOGUE.find("new-1") == CATALOGUE.models[0]
    assert CATALOGUE.find("none such") is None


def test_a_model_without_a_day_never_retires():
    assert not Model(id="m").is_retired("9999-12-31")


def test_what_is_known_better_replaces_what_is_known():
    assert NEW.corrected(UNKNOWN) == NEW
    assert UNKNOWN.corrected(NEW) == NEW
    assert NEW.corrected(Capabilities(prefill=True, thinking=Thinking.ALWAYS)) == Capabilities(
        max_output_tokens=128_000,
        prefill=True,
        sampling=Sampling.NONE,
        thinking=Thinking.ALWAYS,
    )


def test_capabilities_are_told_to_people_as_far_as_they_are_known():
    assert NEW.as_text() == "max_output_tokens=128000, prefill=no, sampling=none, thinking=on"
    assert Capabilities(prefill=True).as_text() == "prefill=yes"
    assert UNKNOWN.as_text() == ""


@pytest.mark.parametrize(
    ("today", "status"),
    [
        ("2026-09-30", "active"),
        ("2026-10-01", "deprecated"),
        ("2026-11-29", "deprecated"),
        ("2026-11-30", "retired"),
    ],
)
def test_a_model_is_active_then_deprecated_then_retired(today, status):
    model = Model(id="m", deprecated="2026-10-01", retires="2026-11-30")

    assert model.status(today) == status


def test_models_put_in_front_count_first():
    better = Model(id="new", capabilities=Capabilities(prefill=True))
    catalogue = CATALOGUE.with_models([better])

    assert catalogue.find("new") == better
    assert catalogue.find("new-1") == CATALOGUE.find("new-1")
    assert catalogue.resolve("old-1", "2026-12-01").capabilities == better.capabilities
