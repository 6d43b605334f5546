import re
from pathlib import Path

import pytest

from proxy.config.settings import load_settings
from proxy.config.toml_source import TomlSource
from proxy.rollout.rule_schema import (
    BrownOut,
    Campaign,
    FallbackSettings,
    Guard,
    Match,
    RuleSettings,
)
from proxy.rollout.rule_schema import ShadowSettings as Shadow
from translators import AdjustmentKind

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_adjustment_is_in_the_readme_and_no_other():
    section = README.partition("## Every adjustment")[2].partition("\n## ")[0]
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]

    assert sorted(rows) == sorted(kind.value for kind in AdjustmentKind)


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL))
def test_every_example_of_settings_is_good(example):
    context = 'legacy_url = "http://127.0.0.1:9001"\n' if "legacy_url" not in example else ""
    settings = load_settings(TomlSource(Path("example.toml"), context + example))

    assert settings.model_fields_set


@pytest.mark.parametrize(
    "shape", [RuleSettings, Match, Shadow, FallbackSettings, Guard, Campaign, BrownOut]
)
def test_every_field_of_a_rule_is_in_the_readme(shape):
    section = README.partition("### Every field of a rule")[2].partition("\n### ")[0]

    assert [name for name in shape.model_fields if f"`{name}" not in section] == []
