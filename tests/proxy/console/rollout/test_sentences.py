import pytest

from proxy.console.rollout.sentences import quoted, sentences_of
from proxy.rollout.rule_schema import RuleSettings


def said(**fields: object) -> list[str]:
    return sentences_of(RuleSettings.model_validate({"name": "r", "action": "translate"} | fields))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "All requests are translated for the Messages API."),
        (
            {"share": 0.0},
            "Of all requests: 0 % of the callers are translated for the Messages API; all go on to"
            " the next rule.",
        ),
        (
            {"share": 12.5, "by": "prompt", "match": {"model": "claude-2*"}},
            "Requests for the model `claude-2*`: 12.5 % of the prompts are translated for the"
            " Messages API; the others go on to the next rule.",
        ),
        (
            {"action": "forward", "match": {"caller": "support-*", "key": "0*", "streamed": True}},
            "All requests of `support-*` with a key `0*` for a stream are forwarded unchanged to"
            " the legacy upstream.",
        ),
        (
            {
                "action": "refuse",
                "match": {
                    "user_agent": "old/*",
                    "anthropic_version": "none",
                    "header": {"x-team": "search-*"},
                    "streamed": False,
                },
            },
            "All requests with the user agent `old/*` without `anthropic-version` with the header"
            " `x-team` `search-*` without a stream are refused with 410.",
        ),
        (
            {
                "model": "m",
                "prefill": "reroute",
                "prefill_model": "p",
                "strictness": "strict",
                "refuse": ["replace_retired_model"],
                "match": {"anthropic_version": "2023-*"},
            },
            "All requests with `anthropic-version` `2023-*` are translated for the Messages API"
            " (the model `m`, prefills as `reroute`, prefills sent to `p`, strictness `strict`,"
            " without `replace_retired_model`).",
        ),
    ],
)
def test_a_rule_says_whom_it_takes_and_what_it_does_with_them(fields, sentence):
    assert said(**fields)[0] == sentence


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"on_failure": {"action": "forward", "timeout": 5.0}},
            "If the upstream fails, or has not begun to answer within 5 s, they are forwarded"
            " unchanged to the legacy upstream.",
        ),
        (
            {"on_failure": "forward"},
            "If the upstream fails, they are forwarded unchanged to the legacy upstream.",
        ),
        (
            {"shadow": {"share": 10.0, "control": True}},
            "10 % of its requests are translated for the Messages API a second time, and once more"
            " as they are, to compare the answers, for up to 1,000,000 tokens a day.",
        ),
        (
            {"shadow": "forward"},
            "All of its requests are forwarded unchanged to the legacy upstream a second time to"
            " compare the answers, for up to 1,000,000 tokens a day.",
        ),
        (
            {"guard": {"errors_above": 5.0, "p95_ratio": 1.5}},
            "Guard: it loses its share when its share of errors is 5 percentage points above that"
            " of all other traffic or its answers begin 1.5 times as late as those of all other"
            " traffic (95th percentile), in 60 s with at least 50 requests on each side.",
        ),
        (
            {"guard": {"p95_ratio": 2.0, "window": 30.0, "min_count": 1_000}},
            "Guard: it loses its share when its answers begin 2 times as late as those of all"
            " other traffic (95th percentile), in 30 s with at least 1,000 requests on each side.",
        ),
        ({"capture": "full"}, "Of its texts, all are kept, redacted."),
    ],
)
def test_what_else_a_rule_does_has_a_sentence_of_its_own(fields, sentence):
    assert said(**fields)[1:] == [sentence]


def test_a_campaign_says_when_it_refuses_and_what_to_read():
    campaign = {
        "sunset": "2027-01-31",
        "link": "https://example.com/move",
        "brown_outs": [{"start": "2026-12-01T09:00:00Z", "minutes": 15}],
    }

    assert said(action="refuse", campaign=campaign)[1:] == [
        "It refuses only in its brown-outs; at other times all go on to the next rule.",
        "From its sunset on, 31 Jan 2027, 00:00 UTC, every request that it takes gets 410.",
        "Answers tell their callers to read `https://example.com/move`.",
    ]


def test_a_quoted_name_has_no_backticks_and_an_end():
    assert quoted("a`b") == "`a'b`"
    assert quoted("x" * 100) == f"`{'x' * 60} … (100 characters)`"
