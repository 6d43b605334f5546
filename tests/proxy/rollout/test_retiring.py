from dataclasses import replace
from pathlib import Path

import pytest

from proxy.config.build import build_runtime_config
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.rollout import RetiringModel, Rollout, retirement_warnings, retiring_models
from proxy.security.redaction import Digester

TODAY = "2026-11-29"
SONNET = "claude-sonnet-4-5-20250929"
OPUS = "claude-opus-4-5-20251101"


def rollout(text: str) -> Rollout:
    settings = load_settings(TomlSource(Path("h.toml"), text))
    return build_runtime_config(settings, Digester("k")).rollout


def rule(name: str, *lines: str) -> str:
    match = f'match = {{ user_agent = "{name}" }}'
    return "\n".join(["", "[[rollout]]", f'name = "{name}"', match, *lines])


def named(text: str, today: str = TODAY) -> dict[str, tuple[str, ...]]:
    """Settings and rules by the retiring model that they name."""
    found = retiring_models(rollout(text), today, lambda _: ())
    return {each.model: (*each.settings, *each.rules) for each in found}


def test_nothing_is_said_of_models_that_nobody_asks():
    assert named("") == {}
    assert named(rule("canary", 'action = "translate"', 'model = "claude-haiku-4-5"')) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[models]\n"claude-2*" = "claude-opus-4-5"', {OPUS: ("models",)}),
        ('prefill = "reroute"\nprefill_model = "claude-opus-4-5"', {OPUS: ("prefill_model",)}),
        ('prefill_model = "claude-opus-4-5"', {}),
        (
            'rollout_override = { action = "translate", model = "claude-opus-4-5" }',
            {OPUS: ("rollout_override",)},
        ),
        ('rollout_override = "translate"', {}),
        (rule("canary", 'action = "translate"', f'model = "{OPUS}"'), {OPUS: ("canary",)}),
        (
            rule(
                "saved",
                'action = "translate"',
                'model = "claude-haiku-4-5"',
                'on_failure = { action = "translate", model = "claude-opus-4-5" }',
            ),
            {OPUS: ("saved",)},
        ),
        (
            rule(
                "beside",
                'action = "translate"',
                'shadow = { action = "translate", model = "claude-sonnet-4-5" }',
            ),
            {SONNET: ("beside",)},
        ),
        (
            rule(
                "prefilled",
                'action = "translate"',
                'prefill = "reroute"',
                'prefill_model = "claude-opus-4-5"',
            ),
            {OPUS: ("prefilled",)},
        ),
        (
            '[models]\n"claude-2*" = "claude-opus-4-5"' + rule("any", 'action = "translate"'),
            {OPUS: ("models",)},
        ),
        (
            'legacy_url = "http://127.0.0.1:9"' + rule("old", 'action = "forward"'),
            {},
        ),
        ('[models]\n"claude-2*" = "us.anthropic.claude-opus-4-5-20251101-v1:0"', {}),
        (
            '[models]\n"a" = "claude-opus-4-5"\n"claude-opus-4-5" = "claude-haiku-4-5"',
            {OPUS: ("models",)},
        ),
    ],
    ids=[
        *("mapping", "rerouted prefills", "none are rerouted", "override", "override without"),
        *("rule", "second try", "shadow", "rerouted by a rule", "a rule that follows the settings"),
        *("a forwarding rule", "another cloud's dates are not ours", "mapped once only"),
    ],
)
def test_whoever_names_a_model_that_ends_soon_is_listed(text, expected):
    assert named(text) == expected


def test_the_soonest_comes_first_with_who_asks_it():
    callers = {SONNET: ("0123456789abcdef", "billing")}
    text = rule("canary", 'action = "translate"', 'model = "claude-opus-4-5"')
    found = retiring_models(rollout(text), TODAY, lambda model: callers.get(model, ()))

    assert found == (
        RetiringModel(
            model=SONNET,
            retires="2026-11-30",
            days=1,
            successor="claude-sonnet-5-5",
            settings=(),
            rules=(),
            callers=("0123456789abcdef", "billing"),
        ),
        RetiringModel(
            model=OPUS,
            retires="2027-01-22",
            days=54,
            successor="claude-opus-5-5",
            settings=(),
            rules=("canary",),
            callers=(),
        ),
    )


def test_a_model_that_has_ended_is_no_longer_asked():
    text = rule("canary", 'action = "translate"', 'model = "claude-sonnet-4-5"')

    assert named(text, "2026-11-29") == {SONNET: ("canary",)}
    assert named(text, "2026-11-30") == {}


def test_the_operators_own_day_counts():
    text = (
        '[models]\n"claude-2*" = "claude-haiku-4-5"\n'
        '[model_facts."claude-haiku-4-5"]\nretires = 2026-12-24\nsuccessor = "my-model"'
    )

    assert list(retirement_warnings(rollout(text), TODAY)) == [
        "models: claude-haiku-4-5-20251001 retires on 2026-12-24, in 25 days, and my-model is asked"
        " from then on; name another model"
    ]


def test_a_warning_says_what_happens_on_that_day():
    text = rule("canary", 'action = "translate"', 'model = "claude-sonnet-4-5"')
    given = rollout(text)
    without = tuple(replace(model, successor=None) for model in given.catalogue.models)
    policy = replace(given.otherwise.policy, catalogue=replace(given.catalogue, models=without))

    (told,) = retirement_warnings(given, TODAY)
    (fails,) = retirement_warnings(
        replace(given, otherwise=replace(given.otherwise, policy=policy)), TODAY
    )
    assert told == (
        f"rule canary: {SONNET} retires on 2026-11-30, in 1 day, and claude-sonnet-5-5 is asked"
        " from then on; name another model"
    )
    assert "in 1 day, and its requests fail from then on" in fails


def test_a_warning_stays_when_the_day_has_come():
    text = rule("canary", 'action = "translate"', 'model = "claude-sonnet-4-5"')
    own_end = '[model_facts."my-model"]\nretires = 2026-11-01'

    assert list(retirement_warnings(rollout(text), "2026-11-30")) == [
        "rule canary: claude-sonnet-4-5 retired on 2026-11-30, and claude-sonnet-5-5 is asked"
        " instead; name another model"
    ]
    assert list(
        retirement_warnings(rollout(f'[models]\n"claude-2*" = "my-model"\n{own_end}'), TODAY)
    ) == ["models: my-model retired on 2026-11-01, and its requests fail; name another model"]
    # Sent as it is, because it is in no table.
    assert not list(retirement_warnings(rollout('[models]\n"a" = "claude-2-mine"'), TODAY))
