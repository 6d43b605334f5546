import re

import pytest

from translators.models.catalogue import Capabilities, Sampling, Thinking
from translators.models.known import KNOWN_MODELS, LEGACY_ALIASES, LIVE, RETIRED

pytestmark = pytest.mark.without_coverage

TODAY = "2026-11-22"

OF_4_5 = Capabilities(
    max_output_tokens=64_000, prefill=True, sampling=Sampling.ONE_OF, thinking=Thinking.OFF
)
OF_4_6 = Capabilities(
    max_output_tokens=128_000, prefill=False, sampling=Sampling.ONE_OF, thinking=Thinking.OFF
)


def modern(thinking, limit=128_000):
    return Capabilities(
        max_output_tokens=limit, prefill=False, sampling=Sampling.NONE, thinking=thinking
    )


# messages-wire 5.1, with 1.8 for thinking.
CALLABLE = {
    "claude-haiku-4-5": OF_4_5,
    "claude-haiku-4-5-20251001": OF_4_5,
    "claude-opus-4-5": OF_4_5,
    "claude-opus-4-5-20251101": OF_4_5,
    "claude-sonnet-4-5": OF_4_5,
    "claude-sonnet-4-5-20250929": OF_4_5,
    "claude-opus-4-6": OF_4_6,
    "claude-sonnet-4-6": OF_4_6,
    "claude-opus-4-7": modern(Thinking.OFF),
    "claude-opus-4-8": modern(Thinking.OFF),
    "claude-fable-5": modern(Thinking.ALWAYS),
    "claude-mythos-5": modern(Thinking.ALWAYS),
    "claude-sonnet-5": modern(Thinking.ON),
    "claude-opus-5": modern(Thinking.ON),
    "claude-fable-5-1": modern(Thinking.ALWAYS),
    "claude-mythos-5-1": modern(Thinking.ALWAYS),
    "claude-opus-5-5": modern(Thinking.ALWAYS),
    "claude-sonnet-5-5": modern(Thinking.BETWEEN_TOOLS),
    "claude-haiku-5-5": modern(Thinking.ON),
    "claude-fable-5-2": modern(Thinking.ALWAYS),
    "claude-mythos-5-2": modern(Thinking.ALWAYS),
    "claude-mythos-preview": modern(Thinking.ALWAYS, None),
}

HAIKU = "claude-haiku-4-5-20251001"
SONNET = "claude-sonnet-4-6"
OPUS = "claude-opus-4-8"

# messages-wire 5.2 and legacy-wire 8.3; names of the first two rows: legacy-wire 8.1.
ROWS = {
    ("2024-11-06", HAIKU): """
        claude-v1 claude-v1-100k claude-v1.0 claude-v1.1 claude-v1.2 claude-v1.3 claude-v1.3-100k
        claude-instant-v1 claude-instant-v1-100k claude-instant-v1.0
        claude-instant-v1.1 claude-instant-v1.1-100k
        claude-1 claude-1-100k claude-1.0 claude-1.1 claude-1.2 claude-1.3 claude-1.3-100k
        claude-instant-1 claude-instant-1-100k claude-instant-1.0
        claude-instant-1.1 claude-instant-1.1-100k claude-instant-1.2
        anthropic.claude-v1 anthropic.claude-instant-v1""",
    ("2025-07-21", OPUS): """
        claude-2 claude-2.0 claude-2.1 anthropic.claude-v2 anthropic.claude-v2:1""",
    ("2025-07-21", SONNET): "claude-3-sonnet-20240229",
    ("2025-10-28", SONNET): """
        claude-3-5-sonnet-20240620 claude-3-5-sonnet-20241022 claude-3-5-sonnet-latest""",
    ("2026-01-05", OPUS): "claude-3-opus-20240229 claude-3-opus-latest",
    ("2026-02-19", SONNET): "claude-3-7-sonnet-20250219 claude-3-7-sonnet-latest",
    ("2026-02-19", HAIKU): "claude-3-5-haiku-20241022 claude-3-5-haiku-latest",
    ("2026-04-20", HAIKU): "claude-3-haiku-20240307",
    ("2026-06-15", SONNET): "claude-sonnet-4-20250514 claude-sonnet-4-0 claude-4-sonnet-20250514",
    ("2026-06-15", OPUS): "claude-opus-4-20250514 claude-opus-4-0 claude-4-opus-20250514",
    ("2026-08-05", OPUS): "claude-opus-4-1-20250805 claude-opus-4-1",
}
GONE = {name: row for row, names in ROWS.items() for name in names.split()}


@pytest.mark.parametrize(("name", "capabilities"), CALLABLE.items(), ids=CALLABLE)
def test_callable_models_and_what_they_take(name, capabilities):
    resolved = KNOWN_MODELS.resolve(name, TODAY)

    assert (resolved.id, resolved.capabilities, resolved.adjustments) == (name, capabilities, ())


@pytest.mark.parametrize(("name", "day", "successor"), [(k, *v) for k, v in GONE.items()], ids=GONE)
def test_retired_models_and_their_official_replacements(name, day, successor):
    model = KNOWN_MODELS.find(name)

    assert model is not None
    assert (model.retires, model.successor) == (day, successor)
    assert KNOWN_MODELS.resolve(name, TODAY).id == successor


@pytest.mark.parametrize(("name", "day"), [(k, v[0]) for k, v in GONE.items()], ids=GONE)
def test_a_model_answers_until_the_day_before(name, day):
    year, month, date = map(int, day.split("-"))
    eve = f"{year:04}-{month:02}-{date - 1:02}"

    assert KNOWN_MODELS.resolve(name, eve).id == name
    assert KNOWN_MODELS.resolve(name, day).id != name


@pytest.mark.parametrize("name", ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929"])
@pytest.mark.parametrize(
    ("today", "sent"), [("2026-11-29", None), ("2026-11-30", "claude-sonnet-5-5")]
)
def test_the_last_sonnet_with_prefill_retires_on_a_known_day(name, today, sent):
    assert KNOWN_MODELS.resolve(name, today).id == (sent or name)


def test_no_model_is_listed_that_no_table_knows():
    names = {name for model in KNOWN_MODELS.models for name in (model.id, *model.aliases)}

    assert names == {*CALLABLE, *GONE}


def test_no_name_stands_for_two_models():
    names = [name for model in KNOWN_MODELS.models for name in (model.id, *model.aliases)]

    assert len(names) == len(set(names))


def test_days_sort_as_text():
    days = [model.retires for model in (*LIVE, *RETIRED) if model.retires is not None]

    assert all(re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", day) for day in days)


@pytest.mark.parametrize("today", [TODAY, "2026-11-30", "2027-11-30"])
@pytest.mark.parametrize("model", KNOWN_MODELS.models, ids=lambda model: model.id)
def test_every_chain_of_successors_ends_at_a_model_that_answers(model, today):
    resolved = KNOWN_MODELS.find(KNOWN_MODELS.resolve(model.id, today).id)

    assert resolved in LIVE
    assert not resolved.is_retired(today)


def test_aliases_the_legacy_api_resolved_in_its_answers():
    """legacy-wire 2.2 and 8.1; of claude-instant-1 the last version it stood for."""
    assert LEGACY_ALIASES == {
        "claude-v1": "claude-v1.3",
        "claude-1": "claude-1.3",
        "claude-2": "claude-2.0",
        "claude-instant-1": "claude-instant-1.2",
    }
    assert {*LEGACY_ALIASES, *LEGACY_ALIASES.values()} <= set(GONE)
