"""Names in the spelling of clouds, gateways and old menus mean the models that they mean."""

import pytest

from translators.models.catalogue import UNKNOWN, Catalogue
from translators.models.known import KNOWN_MODELS, LIVE

TODAY = "2026-11-29"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5-20251001"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5-20251001"),
        ("global.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5-20251101"),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("apac.anthropic.claude-sonnet-4-6", "claude-sonnet-4-6"),
        ("anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-8",
            "claude-opus-4-8",
        ),
        ("bedrock/eu.anthropic.claude-sonnet-4-6", "claude-sonnet-4-6"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5-20251001"),
        ("claude-sonnet-5-5@default", "claude-sonnet-5-5"),
        ("vertex_ai/claude-opus-4-5@20251101", "claude-opus-4-5-20251101"),
        ("anthropic/claude-haiku-4.5", "claude-haiku-4-5-20251001"),
        ("openrouter/anthropic/claude-sonnet-4.6:beta", "claude-sonnet-4-6"),
        ("anthropic/claude-opus-4.5:thinking", "claude-opus-4-5-20251101"),
        ("claude-4.5-haiku", "claude-haiku-4-5-20251001"),
        ("Claude-Haiku-4-5", "claude-haiku-4-5-20251001"),
        ("anthropic--claude-4.5-haiku", "claude-haiku-4-5-20251001"),
        ("databricks-claude-sonnet-4-6", "claude-sonnet-4-6"),
        ("anthropic:claude-opus-4-8", "claude-opus-4-8"),
        ("bedrock:us.anthropic.claude-sonnet-4-6", "claude-sonnet-4-6"),
        ("google-vertex:claude-haiku-4-5@20251001", "claude-haiku-4-5-20251001"),
        ("vertex_ai.anthropic.claude-sonnet-5", "claude-sonnet-5"),
        ("claude-opus-4.6-high", "claude-opus-4-6"),
        ("cursor/claude-4.6-sonnet-medium-thinking", "claude-sonnet-4-6"),
        ("anthropic/claude-4.6-opus-20260205", "claude-opus-4-6"),
        ("claude-sonnet-4-6[1m]", "claude-sonnet-4-6"),
        ("claude-haiku-4-5-20251001[1M]", "claude-haiku-4-5-20251001"),
        ("us.anthropic.claude-opus-4-6-v1[1m]", "claude-opus-4-6"),
        ("claude-opus-4-6-fast", "claude-opus-4-6"),
        ("anthropic/claude-opus-4.6-fast:beta", "claude-opus-4-6"),
        ("claude-4.5-haiku-thinking", "claude-haiku-4-5-20251001"),
        ("claude-opus-4.6-1m", "claude-opus-4-6"),
        ("~anthropic/claude-haiku-4.5", "claude-haiku-4-5-20251001"),
        ("~anthropic/claude-haiku-latest", "claude-haiku-5-5"),
        ("openrouter/~anthropic/claude-opus-latest", "claude-opus-5-5"),
        *(
            (f"{region}.anthropic.claude-sonnet-4-6", "claude-sonnet-4-6")
            for region in (
                *(
                    "ap",
                    "ca",
                    "sa",
                    "me",
                    "af",
                    "uk",
                    "kr",
                    "in",
                    "us-east-1",
                    "eusc",
                    "us-gov-west-1",
                ),
            )
        ),
    ],
)
def test_a_cloud_s_name_has_the_capabilities_of_its_model_and_is_sent_as_it_is(name, model):
    known = KNOWN_MODELS.find(model)
    resolved = KNOWN_MODELS.resolve(name, "2027-12-31")

    assert known is not None
    assert (resolved.id, resolved.capabilities, resolved.adjustments) == (
        *(name, known.capabilities, ()),
    )


@pytest.mark.parametrize(
    "name",
    [
        *("gpt-4", "anthropic", "claude", "claude-haiku", "claude-haiku-4-4", "claude-9"),
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/0a1b2c",
    ],
)
def test_a_name_that_says_nothing_of_its_model_is_unknown(name):
    resolved = KNOWN_MODELS.resolve(name, TODAY)

    assert (resolved.id, resolved.capabilities) == (name, UNKNOWN)


@pytest.mark.parametrize(
    ("name", "successor"),
    [
        *((name, "claude-haiku-4-5-20251001") for name in (
            *("claude-instant", "claude-instant-v1", "claude-instant-1.2-100k", "claude-1"),
            *("claude-instant-v1-100k-latest", "claude-v1", "claude-v1.3-100k", "claude-v3"),
            *("claude-1.9", "claude-1.3-internal", "claude-100k", "anthropic/claude-instant-1"),
            *("anthropic.claude-instant-v1:2:100k", "Claude-Instant-1.2", "claude-v"),
        )),
        *((name, "claude-opus-4-8") for name in (
            *("claude-2", "claude-2.0", "claude-2.1", "claude-2.1-200k", "claude-2-100k"),
            *("claude-v2", "claude-v2.1", "anthropic.claude-v2:1:200k", "claude-2-latest"),
            *("openrouter/anthropic/claude-2:beta", "claude-2.1@20231121", "claude-2.2"),
            *("anthropic:claude-2", "bedrock:anthropic.claude-v2:1", "anthropic--claude-2.1"),
        )),
    ],
)  # fmt: skip
def test_every_name_of_a_retired_family_has_a_successor(name, successor):
    assert KNOWN_MODELS.resolve(name, TODAY).id == successor


@pytest.mark.parametrize("model", LIVE, ids=lambda model: model.id)
def test_every_live_model_has_a_known_successor_that_serves_today(model):
    successor = KNOWN_MODELS.find(model.successor)

    assert successor is not None
    assert successor is not model
    assert not successor.is_retired(TODAY)


@pytest.mark.parametrize("mapped", ["claude-2-replacement", "claude-instant-of-ours", "claude-vx"])
def test_what_the_operator_names_is_sent_as_it_is(mapped):
    ours = Catalogue(models=KNOWN_MODELS.models, overrides={"*": mapped})

    assert ours.resolve("claude-2", TODAY).id == mapped


@pytest.mark.parametrize("name", ["claude-vision", "claude-verbose", "claude-10-opus", "claude-21"])
def test_a_name_that_only_begins_like_a_family_is_none_of_it(name):
    assert KNOWN_MODELS.resolve(name, TODAY).id == name
