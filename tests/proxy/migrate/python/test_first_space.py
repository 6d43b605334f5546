"""Answers began with a space: labels get one, and what counts on it is left to a person."""

from __future__ import annotations

import pytest

from proxy.migrate import Target, Verdict, apply_edits
from proxy.migrate.python import examine
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
HEAD = "import anthropic, re\nc = anthropic.Anthropic()\nL = {' A': 1}\n"
CALL = (
    'c.completions.create(model="claude-2", max_tokens_to_sample=9, '
    'prompt=f"\\n\\nHuman: {q}\\n\\nAssistant:")'
)
PREFILLED = CALL.replace("Assistant:", "Assistant: {{")


@pytest.mark.parametrize(
    "use",
    [
        "r.completion[0] == 'Y'",
        "r.completion[1:]",
        "r.completion[:3]",
        "r.completion == ' Yes'",
        "r.completion in (' A', ' B')",
        "' no' in r.completion",
        "r.completion.startswith(' Yes')",
        "r.completion.split(' ')[1]",
        "r.completion.replace(' ', '_')",
        "r.completion.replace(' ', '', 1)",
        "re.match(r'^\\s(\\d)', r.completion)",
        "L[r.completion]",
    ],
)
def test_what_counts_on_the_space_is_left_alone(use: str):
    direct = f"{HEAD}def f(q):\n    r = {CALL}\n    return {use}\n"
    named = (
        f"{HEAD}def f(q):\n    r = {CALL}\n    t = r.completion\n"
        f"    return {use.replace('r.completion', 't')}\n"
    )

    for source in (direct, named):
        examined = examine(source, TARGET)

        assert examined.edits == ()
        assert "began with a space" in examined.findings[0].reasons[0]


@pytest.mark.parametrize(
    "use",
    [
        "r.completion[-1]",
        "r.completion[:2000]",
        "r.completion[i:]",
        "r.completion == 'Yes'",
        "r.completion == g(' a')",
        "r.completion.split()[1]",
        "r.completion.split('\\n')[1]",
        "r.completion.replace(' ', '')",
        "r.completion.strip() == 'Yes'",
        "re.match(r'\\s*(\\d)', r.completion)",
        "g(' a', r.completion)",
        "f'{x}{r.completion}'",
        "x + r.completion",
        "r.completion + 'Claude:'",
        "'a\\n' + r.completion",
        "f'Claude: {r.completion}'",
        "f'<b>{r.completion}</b>'",
    ],
)
def test_what_does_not_count_on_it_is_rewritten(use: str):
    source = f"{HEAD}def f(q):\n    r = {CALL}\n    return {use}\n"

    new = apply_edits(source, examine(source, TARGET).edits)

    text = use.partition("r.completion")
    assert f"return {text[0]}" in new
    assert new.endswith(f"{text[2]}\n")
    assert "messages.create" in new


@pytest.mark.parametrize(
    ("use", "label"),
    [
        ("f'Claude:{r.completion}'", "f'Claude: {"),
        ("'Claude:' + r.completion", "'Claude: ' + "),
        ("x + 'Claude' ':' + r.completion", "'Claude' ': ' + "),
        ("f'{x}: Claude' + r.completion", "f'{x}: Claude ' + "),
    ],
)
def test_a_label_gets_the_space_that_followed_it(use: str, label: str):
    source = f"{HEAD}def f(q, x):\n    r = {CALL}\n    return {use}\n"

    new = apply_edits(source, examine(source, TARGET).edits)

    assert label in new


def test_an_answer_that_went_on_from_a_prefill_began_with_no_space():
    source = f"{HEAD}def f(q):\n    return '{{' + {PREFILLED}.completion[1:]\n"

    examined = examine(source, TARGET)

    assert examined.findings[0].verdict is Verdict.LOOK


def test_a_name_that_is_another_text_by_then_is_none_of_the_answer():
    source = f"{HEAD}def f(q):\n    t = {CALL}.completion\n    t = ' a'\n    return t[0]\n"

    assert "messages.create" in apply_edits(source, examine(source, TARGET).edits)
