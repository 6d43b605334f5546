"""What is found, and what is changed that should not be, in realistic surroundings."""

import tomllib
from pathlib import Path

import pytest

from proxy.security.redaction import Redactor

SAMPLES = tomllib.loads(Path(__file__).with_name("samples.toml").read_text())
REDACTOR = Redactor()


def has_gone(secret, kept):
    """Neither it nor half of it is left; half of a short one may be a word."""
    half = len(secret) // 2
    halves = (secret[:half], secret[-half:]) if len(secret) >= 12 else ()
    return not any(part in kept for part in (secret, *halves))


@pytest.mark.parametrize(
    ("which", "found", "of"), [("first", 213, 213), ("second", 114, 114), ("third", 90, 93)]
)
def test_so_many_secrets_are_found(which, found, of):
    samples = [(secret.replace("⁀", ""), text) for secret, text in SAMPLES[which]["secrets"]]
    gone = [has_gone(secret, REDACTOR.text(text.replace("{}", secret))) for secret, text in samples]

    assert len(gone) == of
    assert sum(gone) >= found


@pytest.mark.parametrize(
    ("which", "changed", "of"), [("first", 0, 145), ("second", 0, 141), ("third", 1, 124)]
)
def test_so_few_innocents_are_changed(which, changed, of):
    innocents = SAMPLES[which]["innocents"]

    assert len(innocents) == of
    assert sum(REDACTOR.text(text) != text for text in innocents) <= changed
