"""Prices as an operator writes them."""

from pathlib import Path

import pytest

from proxy.config.settings import PriceSettings
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings


def test_prices_are_written_by_pattern_of_the_models_name():
    text = '[prices."claude-haiku-4-5*"]\ninput = 1.0\noutput = 5.0\n'

    settings = load_settings(TomlSource(Path("h.toml"), text))

    assert settings.prices == {"claude-haiku-4-5*": PriceSettings(input=1, output=5)}


@pytest.mark.parametrize("price", ["input = 1.0", "input = -1.0\noutput = 5.0"])
def test_a_price_has_two_sides_and_is_not_negative(price: str):
    with pytest.raises(InvalidSettings, match="prices"):
        load_settings(TomlSource(Path("h.toml"), f'[prices."claude-*"]\n{price}\n'))
